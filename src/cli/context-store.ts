/**
 * Contexts: named places of daemons, in docker's own files below `~/.docker/contexts`, so that both command lines have the same.
 * Which one is current is ours alone (`~/.docker/gantry.json`): docker's would lead to docker's daemon.
 */
import { hasCode } from '../lib/errors.ts'
import { writeFileAtomic } from '../lib/atomic-file.ts'
import { ExitError } from './command.ts'
import { currentContext, currentContextPath, defaultName } from './current-context.ts'

const { createHash } = process.getBuiltinModule('node:crypto')
const { mkdirSync, readdirSync, readFileSync, rmSync } = process.getBuiltinModule('node:fs')

export interface StoredContext {
  readonly name: string
  readonly description: string
  readonly host: string
  readonly skipTlsVerify: boolean
  /** PEM texts of `ca`, `cert` and `key`, those that there are. */
  readonly tls: Readonly<Partial<Record<TlsFile, string>>>
}

export const tlsFiles = ['ca', 'cert', 'key'] as const
export type TlsFile = (typeof tlsFiles)[number]

/** `directory` is that of docker's config.json. */
export class ContextStore {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** By name; without `default`, which is what the environment says. */
  list(): StoredContext[] {
    const folder = `${this.#directory}/contexts/meta`
    const names = readIfThere(() => readdirSync(folder)) ?? []
    return names.flatMap((id) => this.#read(id) ?? []).toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  find(name: string): StoredContext {
    const found = this.#read(idOf(name))
    if (!found)
      throw new ExitError(
        1,
        `context ${JSON.stringify(name)}: context not found: open ${this.metadataPath(name)}/meta.json: no such file or directory`,
      )
    return found
  }

  has(name: string): boolean {
    return this.#read(idOf(name)) !== undefined
  }

  /** Makes the context, or writes it anew. The key is for its owner alone. */
  async put(context: StoredContext): Promise<void> {
    const tls = `${this.tlsPath(context.name)}/docker`
    rmSync(this.tlsPath(context.name), { recursive: true, force: true })
    for (const file of tlsFiles) {
      const text = context.tls[file]
      if (text === undefined) continue
      mkdirSync(tls, { recursive: true, mode: 0o700 })
      await writeFileAtomic(`${tls}/${file}.pem`, text, { mode: 0o600 })
    }
    mkdirSync(this.metadataPath(context.name), { recursive: true, mode: 0o755 })
    await writeFileAtomic(
      `${this.metadataPath(context.name)}/meta.json`,
      JSON.stringify(metadataOf(context)),
      { mode: 0o644 },
    )
  }

  remove(name: string): void {
    rmSync(this.metadataPath(name), { recursive: true, force: true })
    rmSync(this.tlsPath(name), { recursive: true, force: true })
  }

  /** The name that `context use` has set. */
  get current(): string {
    return currentContext(this.#directory)
  }

  async use(name: string): Promise<void> {
    const path = currentContextPath(this.#directory)
    if (name === defaultName) return rmSync(path, { force: true })
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    const text = `${JSON.stringify({ currentContext: name }, undefined, '\t')}\n`
    await writeFileAtomic(path, text, { mode: 0o600 })
  }

  metadataPath(name: string): string {
    return `${this.#directory}/contexts/meta/${idOf(name)}`
  }
  tlsPath(name: string): string {
    return `${this.#directory}/contexts/tls/${idOf(name)}`
  }

  #read(id: string): StoredContext | undefined {
    const text = readIfThere(() => readFileSync(`${this.#directory}/contexts/meta/${id}/meta.json`, 'utf8'))
    if (text === undefined) return undefined
    // Docker wrote it, or we did; what is not there is empty.
    const meta = JSON.parse(text) as Partial<ReturnType<typeof metadataOf>>
    const tls = Object.fromEntries(
      tlsFiles.flatMap((file) => {
        const path = `${this.#directory}/contexts/tls/${id}/docker/${file}.pem`
        const pem = readIfThere(() => readFileSync(path, 'utf8'))
        return pem === undefined ? [] : [[file, pem]]
      }),
    )
    return {
      name: meta.Name ?? '',
      description: meta.Metadata?.Description ?? '',
      host: meta.Endpoints?.docker?.Host ?? '',
      skipTlsVerify: meta.Endpoints?.docker?.SkipTLSVerify ?? false,
      tls,
    }
  }
}

/** As docker writes it, and as `context inspect` shows it. */
export function metadataOf(context: StoredContext): {
  Name: string
  Metadata: { Description?: string }
  Endpoints: { docker: { Host: string; SkipTLSVerify: boolean } }
} {
  return {
    Name: context.name,
    Metadata: context.description === '' ? {} : { Description: context.description },
    Endpoints: { docker: { Host: context.host, SkipTLSVerify: context.skipTlsVerify } },
  }
}

/** Docker: files are named by the hash of the name. */
const idOf = (name: string) => createHash('sha256').update(name).digest('hex')

function readIfThere<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}
