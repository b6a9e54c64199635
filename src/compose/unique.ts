/** Lists whose items have a name hold each name once: the later item takes the earlier one's place. */
import { parseVolume } from './forms/volume.ts'
import {
  ComposeError,
  dotted,
  get,
  mapBelow,
  placedOver,
  printed,
  sequence,
  textOf,
  type Node,
  type Path,
  type Sequence,
} from './node.ts'
import { PathTable } from './path-table.ts'

/** The name of an item; undefined when it has none and stays. */
type Name = (item: Node, path: Path) => string | undefined

export function unique(node: Node, path: Path = []): Node {
  if (node.kind !== 'sequence') return mapBelow(node, path, unique)
  const name = names.find(path)
  return name ? once(node, name, path) : node
}

function once(node: Sequence, name: Name, path: Path): Node {
  const items: Node[] = []
  const found = new Map<string, number>()
  for (const [index, item] of node.items.entries()) {
    const key = name(item, [...path, `[${index}]`])
    const earlier = key === undefined ? undefined : found.get(key)
    const before = earlier === undefined ? undefined : items[earlier]
    if (earlier !== undefined && before) items[earlier] = instead(item, before)
    else if (key === undefined) items.push(item)
    else found.set(key, items.push(item) - 1)
  }
  return sequence(items, node.at)
}

/** `NAME=value` remembers what it was put over. */
function instead(item: Node, before: Node): Node {
  if (item.kind !== 'scalar' || before.kind !== 'scalar') return item
  const [, value = null] = /=(.*)$/s.exec(printed(before)) ?? []
  return { ...item, at: placedOver(item.at, { value, at: before.at }) }
}

const keyOfPair: Name = (item) => (item.kind === 'scalar' ? (printed(item).split('=')[0] ?? '') : undefined)
const whole: Name = (item) => (item.kind === 'scalar' ? printed(item) : undefined)

const volume: Name = (item, path) => {
  const text = textOf(item)
  if (text !== undefined) return parseVolume(text, item.at).target
  const target = textOf(get(item, 'target'))
  if (item.kind === 'mapping' && target === undefined)
    throw new ComposeError(item.at, `service volume ${dotted(path)} is missing a mount target`)
  return target
}

const device: Name = (item) => {
  const parts = textOf(item)?.split(':')
  return parts ? (parts[1] ?? parts[0]) : textOf(get(item, 'target'))
}

const file =
  (folder: string): Name =>
  (item) => {
    const text = textOf(item)
    if (text !== undefined) return `${folder}/${text}`
    return textOf(get(item, 'target')) ?? `${folder}/${textOf(get(item, 'source')) ?? ''}`
  }

const envFile: Name = (item) => textOf(item) ?? textOf(get(item, 'path'))

const port: Name = (item, path) => {
  if (item.kind === 'scalar') return printed(item)
  if (item.kind === 'mapping' && !item.entries.has('target'))
    throw new ComposeError(item.at, `service ports ${dotted(path)} is missing a target port`)
  const part = (key: string) => {
    const value = get(item, key)
    return value?.kind === 'scalar' ? printed(value) : undefined
  }
  return `${part('host_ip') ?? '0.0.0.0'}:${part('published') ?? ''}:${part('target') ?? ''}/${part('protocol') ?? 'tcp'}`
}

const names = new PathTable<Name>({
  'networks.*.labels': keyOfPair,
  'services.*.annotations': keyOfPair,
  'services.*.build.additional_contexts': keyOfPair,
  'services.*.build.args': keyOfPair,
  'services.*.build.labels': keyOfPair,
  'services.*.build.tags': keyOfPair,
  'services.*.cap_add': keyOfPair,
  'services.*.cap_drop': keyOfPair,
  'services.*.configs': file(''),
  'services.*.deploy.labels': keyOfPair,
  'services.*.devices': device,
  'services.*.dns': keyOfPair,
  'services.*.dns_opt': keyOfPair,
  'services.*.dns_search': keyOfPair,
  'services.*.env_file': envFile,
  'services.*.environment': keyOfPair,
  'services.*.expose': whole,
  'services.*.labels': keyOfPair,
  'services.*.links': keyOfPair,
  'services.*.networks.*.aliases': keyOfPair,
  'services.*.networks.*.link_local_ips': keyOfPair,
  'services.*.ports': port,
  'services.*.profiles': keyOfPair,
  'services.*.secrets': file('/run/secrets'),
  'services.*.sysctls': keyOfPair,
  'services.*.tmpfs': keyOfPair,
  'services.*.volumes': volume,
  'volumes.*.labels': keyOfPair,
})
