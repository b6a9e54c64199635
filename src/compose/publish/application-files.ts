/** The files of an application as they are published: by themselves, without the folder that they are in. */
import { existsSync, readFileSync } from 'node:fs'
import { hash } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { ComposeError, get, nowhere, textOf, type Mapping, type Node } from '../node.ts'
import type { Project } from '../model/project-model.ts'
import { isRemoteFile } from '../remote/remote-file.ts'
import { absolute, readSource, shownFile } from '../scope.ts'
import { substitute } from '../template.ts'
import { readYaml } from '../yaml/read-yaml.ts'
import { replaceScalars, type Replacement } from './replace-scalars.ts'

export interface ApplicationFile {
  /** A Compose file, one that others extend, or an env file. */
  readonly kind: 'file' | 'extended' | 'env'
  /** Without a folder. */
  readonly name: string
  readonly content: string
}

/**
 * Docker compose: the files of the project, then those that services of them extend, then their env files; the latter two by names made
 * of their paths, which take the place of the paths. Throws ComposeError for what refers to other files here.
 */
export function applicationFiles(project: Project, { withEnv }: { withEnv: boolean }): ApplicationFile[] {
  const all = new Files(project)
  const main = project.files.map((path) => all.read(path, { kind: 'file', folder: project.folder }))
  const extended = all.extended()
  return [...main, ...extended, ...(withEnv ? all.env() : [])]
}

class Files {
  readonly #project: Project
  readonly #extended = new Map<string, string>()
  readonly #env = new Map<string, string>()

  constructor(project: Project) {
    this.#project = project
  }

  read(path: string, o: { kind: 'file' | 'extended'; folder: string; name?: string }): ApplicationFile {
    if (path === '-') throw new ComposeError(nowhere, 'cannot publish what comes from standard input')
    const text = readSource({ path })
    const replacements = readYaml(text, shownFile(path)).flatMap(({ root }) => {
      checkIncludes(root)
      const services = get(root, 'services')
      if (services?.kind !== 'mapping') return []
      return [...services.entries.values()].flatMap(({ value }) =>
        value.kind === 'mapping' ? this.#ofService(value, o.folder) : [],
      )
    })
    return { kind: o.kind, name: o.name ?? basename(path), content: replaceScalars(text, replacements) }
  }

  /** Those that were met, and those that they meet. */
  extended(): ApplicationFile[] {
    // A map goes on with what comes in while it is walked through.
    return Array.from(this.#extended, ([path, name]) =>
      this.read(path, { kind: 'extended', folder: dirname(path), name }),
    )
  }

  /** Docker compose: one that is not there is left out. */
  env(): ApplicationFile[] {
    return Array.from(this.#env, ([path, name]) => [path, name] as const)
      .filter(([path]) => existsSync(path))
      .map(([path, name]) => ({ kind: 'env', name, content: readFileSync(path, 'utf8') }))
  }

  #ofService(service: Mapping, folder: string): Replacement[] {
    const files = get(service, 'env_file')
    const items = files === undefined ? [] : files.kind === 'sequence' ? files.items : [files]
    const envFiles = items.map((item) => (item.kind === 'mapping' ? get(item, 'path') : item))
    const base = get(get(service, 'extends'), 'file')
    return [
      ...envFiles.flatMap((node) => this.#renamed(node, { folder, known: this.#env, ending: 'env' })),
      ...this.#renamed(base, { folder, known: this.#extended, ending: 'yaml' }),
    ]
  }

  #renamed(
    node: Node | undefined,
    o: { folder: string; known: Map<string, string>; ending: string },
  ): Replacement[] {
    const written = node && textOf(node)
    if (node === undefined || written === undefined || isRemoteFile(written)) return []
    const { environment } = this.#project
    const text = substitute(
      written,
      (name) => environment.get(name),
      () => undefined,
    )
    const path = absolute(text, o.folder)
    const name = `${hash('sha256', path)}.${o.ending}`
    o.known.set(path, name)
    return [{ at: node.at, text: name }]
  }
}

function checkIncludes(root: Node): void {
  const include = get(root, 'include')
  const items = include?.kind === 'sequence' ? include.items : []
  for (const item of items) {
    const paths = textOf(item) === undefined ? get(item, 'path') : item
    const all = paths?.kind === 'sequence' ? paths.items : paths ? [paths] : []
    if (!all.every((path) => isRemoteFile(textOf(path) ?? '')))
      throw new ComposeError(item.at, 'cannot publish compose file with local includes')
  }
}
