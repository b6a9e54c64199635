/** Manifest lists on their way to a registry, kept beside `config.json`. */
import { createHash } from 'node:crypto'
import { hasCode } from '../lib/errors.ts'
import { canonical, parseReference } from '../lib/reference.ts'
import type { Platform } from '../wire/registry.ts'
import { ExitError } from './command.ts'

const { mkdirSync, readFileSync, rmSync } = process.getBuiltinModule('node:fs')

export interface ListedManifest {
  /** Canonical. */
  readonly ref: string
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly platform: Platform & { readonly 'os.version'?: string; readonly 'os.features'?: readonly string[] }
}

export interface ManifestList {
  readonly name: string
  readonly manifests: readonly ListedManifest[]
}

export class ManifestLists {
  readonly #directory: string

  constructor(config: string) {
    this.#directory = `${config}/manifests`
  }

  get(name: string): ManifestList | undefined {
    let text
    try {
      text = readFileSync(this.#path(name), 'utf8')
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
      throw error
    }
    try {
      // Written by `put` alone.
      return JSON.parse(text) as ManifestList
    } catch (cause) {
      throw new ExitError(1, `the manifest list ${name} in ${this.#directory} is damaged: ${String(cause)}`)
    }
  }

  async put(list: ManifestList): Promise<void> {
    const { writeFileAtomic } = await import('../lib/atomic-file.ts')
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 })
    await writeFileAtomic(this.#path(list.name), `${JSON.stringify(list, undefined, 2)}\n`, { mode: 0o600 })
  }

  remove(name: string): void {
    rmSync(this.#path(name), { force: true })
  }

  /** A name has slashes and colons; its digest has none. */
  #path(name: string): string {
    const key = createHash('sha256')
      .update(canonical(parseReference(name)))
      .digest('hex')
      .slice(0, 32)
    return `${this.#directory}/gantry-${key}.json`
  }
}
