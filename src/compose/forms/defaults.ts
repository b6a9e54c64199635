/** What a key means when it is not there, as docker compose fills it in before anything looks at the model. */
import { get, mapping, put, scalar, sequence, textOf, type Mapping, type Node, type Path } from '../node.ts'
import { PathTable } from '../path-table.ts'

type Default = (node: Mapping) => Node

export function withDefaults(node: Node, path: Path = []): Node {
  if (node.kind === 'sequence')
    return sequence(
      node.items.map((item) => withDefaults(item, [...path, '[]'])),
      node.at,
    )
  if (node.kind !== 'mapping') return node
  const inner = mapping(
    Array.from(node.entries, ([key, { at, value }]) => [
      key,
      { at, value: withDefaults(value, [...path, key]) },
    ]),
    node.at,
  )
  return defaults.find(path)?.(inner) ?? inner
}

function otherwise(key: string, value: string): Default {
  return (node) => (node.entries.has(key) ? node : put(node, key, scalar(value, node.at)))
}

const port: Default = (node) => otherwise('mode', 'ingress')(otherwise('protocol', 'tcp')(node) as Mapping)
const device: Default = (node) => (node.entries.has('device_ids') ? node : otherwise('count', 'all')(node))
const secret: Default = (node) =>
  otherwise('target', `/run/secrets/${textOf(get(node, 'source')) ?? ''}`)(node)

const defaults = new PathTable<Default>({
  'services.*.build': otherwise('context', '.'),
  'services.*.deploy.resources.reservations.devices.*': device,
  'services.*.gpus.*': device,
  'services.*.ports.*': port,
  'services.*.secrets.*': secret,
})
