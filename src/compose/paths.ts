/** Relative paths of a Compose file, from the folder that it means. */
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import {
  ComposeError,
  get,
  mapBelow,
  put,
  scalar,
  textOf,
  type Mapping,
  type Node,
  type Path,
} from './node.ts'
import { PathTable } from './path-table.ts'

type Resolve = (node: Node, base: string) => Node

/** With a relative `base`, paths are moved but stay relative. */
export function resolvePaths(node: Node, base: string, path: Path = []): Node {
  const resolve = table.find(path)
  if (resolve) return resolve(node, base)
  return mapBelow(node, path, (below, place) => resolvePaths(below, base, place))
}

/** `~` is the home directory. */
export function resolvePath(path: string, base: string): string {
  if (path === '~' || path.startsWith('~/')) return join(homedir(), path.slice(1))
  return isAbsolute(path) ? path : join(base, path)
}

const plain: Resolve = (node, base) => {
  const text = textOf(node)
  return text === undefined || text === '' ? node : scalar(resolvePath(text, base), node.at)
}

/** A folder; a URL, a git repository or another service is none. */
const context: Resolve = (node, base) => {
  const text = textOf(node) ?? ''
  return isRemote(text) || text.startsWith('service:') ? node : plain(node, base)
}

export function isRemote(text: string): boolean {
  return text.includes('://') || /^(?:git@|github\.com\/)/.test(text)
}

const volume: Resolve = (node, base) => {
  if (node.kind !== 'mapping' || textOf(get(node, 'type')) !== 'bind') return node
  const source = get(node, 'source')
  if (!source)
    throw new ComposeError(node.at, 'invalid mount config for type "bind": field Source must not be empty')
  return put(node, 'source', plain(source, base))
}

/** A volume that is a bind mount of the local driver. */
const driverOptions: Resolve = (node, base) => {
  if (node.kind !== 'mapping' || textOf(get(node, 'driver')) !== 'local') return node
  const options = get(node, 'driver_opts')
  const device = get(options, 'device')
  if (options?.kind !== 'mapping' || !device || textOf(get(options, 'o')) !== 'bind') return node
  const changed: Mapping = put(options, 'device', plain(device, base))
  return put(node, 'driver_opts', changed)
}

const table = new PathTable<Resolve>({
  'services.*.build.context': context,
  'services.*.build.additional_contexts.*': context,
  'services.*.build.ssh.*': plain,
  'services.*.env_file.*.path': plain,
  'services.*.label_file.*': plain,
  'services.*.extends.file': plain,
  'services.*.develop.watch.*.path': plain,
  'services.*.volumes.*': volume,
  'configs.*.file': plain,
  'secrets.*.file': plain,
  'volumes.*': driverOptions,
})
