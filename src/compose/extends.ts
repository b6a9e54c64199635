/** `extends`: a service over another one, of the same file or of a file elsewhere, which may extend others in turn. */
import { dirname } from 'node:path'
import { clearAll } from './clear.ts'
import { merge } from './merge.ts'
import {
  ComposeError,
  get,
  mapping,
  put,
  textOf,
  type Entry,
  type Mapping,
  type Node,
  type Path,
  type Place,
} from './node.ts'
import { resolvePaths } from './paths.ts'
import { locate, type RemoteFiles } from './remote/remote-file.ts'

interface OtherFile {
  readonly root: Node
  readonly cleared: readonly Path[]
}

export interface ExtendsOptions {
  /** The file that is being loaded. */
  readonly path: string
  readonly folder: string
  /** What `!reset` and `!override` of it take out of the services that are extended. */
  readonly cleared: readonly Path[]
  readonly pathResolution: boolean
  readonly remotes: RemoteFiles
  /** A file with long forms, its own `extends` and `include` not yet looked at. */
  load(path: string, from: Place): OtherFile
}

interface Step {
  readonly file: string
  readonly service: string
}

/** The services of one file and what is needed to follow them. */
interface Services {
  readonly path: string
  readonly all: ReadonlyMap<string, Entry>
  readonly cleared: readonly Path[]
}

export function applyExtends(root: Mapping, o: ExtendsOptions): Mapping {
  const services = get(root, 'services')
  if (services === undefined) return root
  if (services.kind !== 'mapping') throw new ComposeError(services.at, 'services must be a mapping')
  const here: Services = { path: o.path, all: services.entries, cleared: o.cleared }
  const entries = Array.from(services.entries, ([name, { at }]) => {
    const value = extended(name, here, { o, trail: [] })
    return [name, value && { at, value }] as const
  })
  return put(root, 'services', mapping(entries, services.at))
}

interface Walk {
  readonly o: ExtendsOptions
  readonly trail: readonly Step[]
}

/** A service with everything that it extends. */
function extended(name: string, { path, all, cleared }: Services, { o, trail }: Walk): Node | undefined {
  const service = all.get(name)?.value
  const extension = get(service, 'extends')
  if (service?.kind !== 'mapping' || !extension) return service
  const wanted = textOf(extension) ?? textOf(get(extension, 'service'))
  if (wanted === undefined)
    throw new ComposeError(extension.at, `services.${name}.extends.service is required`)
  const step: Step = { file: path, service: name }
  if (trail.some((each) => each.file === path && each.service === name))
    throw new ComposeError(extension.at, circle([...trail, step]))
  const file = get(extension, 'file')
  const where = file ? elsewhere(file, path, o) : { path, all, cleared }
  if (!where.all.has(wanted))
    throw new ComposeError(
      extension.at,
      `cannot extend service "${name}" in ${path}: service "${wanted}" not found${file ? ` in ${where.path}` : ''}`,
    )
  const base = extended(wanted, where, { o, trail: [...trail, step] })
  if (base?.kind !== 'mapping') return put(service, 'extends', undefined)
  const own = cleared.flatMap(([section, key, ...rest]) =>
    section === 'services' && key === name ? [rest] : [],
  )
  const merged = merge(clearAll(base, own), put(service, 'extends', undefined), ['services', name])
  return merged
}

function elsewhere(file: Node, from: string, o: ExtendsOptions): Services {
  const text = textOf(file) ?? ''
  // Docker: relative to the folder of the project in its own files, to the file's folder elsewhere.
  const folder = from === o.path ? o.folder : dirname(from)
  const path = locate(text, { folder, remotes: o.remotes, at: file.at })
  const { root, cleared } = o.load(path, file.at)
  const services = get(root, 'services')
  if (services?.kind !== 'mapping')
    throw new ComposeError(file.at, `cannot extend a service of ${path}: no services section`)
  const resolved = o.pathResolution ? resolvePaths(root, dirname(path)) : root
  const all = get(resolved, 'services')
  return { path, all: all?.kind === 'mapping' ? all.entries : services.entries, cleared }
}

function circle(trail: readonly Step[]): string {
  const lines = trail.map(
    ({ file, service }, index) => `${index === 0 ? '' : 'extends '}${service} in ${file}`,
  )
  return `Circular reference:\n  ${lines.join('\n  ')}`
}
