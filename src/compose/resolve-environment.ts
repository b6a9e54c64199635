/** Variables without a value take that of the surroundings in which their file was loaded. */
import { mapping, put, scalar, sequence, textOf, update, type Node } from './node.ts'
import type { Environment } from './scope.ts'

export function resolveEnvironment(tree: Node, environment: Environment): Node {
  const services = tree.kind === 'mapping' ? tree.entries.get('services')?.value : undefined
  if (tree.kind !== 'mapping' || services?.kind !== 'mapping') return tree
  const resolved = mapping(
    Array.from(services.entries, ([name, { at, value }]) => [
      name,
      { at, value: update(value, ['environment'], (node) => filled(node, environment)) },
    ]),
    services.at,
  )
  return put(tree, 'services', resolved)
}

function filled(node: Node, environment: Environment): Node {
  if (node.kind === 'sequence')
    return sequence(
      node.items.map((item) => {
        const name = textOf(item)
        const value = name === undefined || name.includes('=') ? undefined : environment.get(name)
        return value === undefined ? item : scalar(`${name}=${value}`, item.at)
      }),
      node.at,
    )
  if (node.kind !== 'mapping') return node
  return mapping(
    Array.from(node.entries, ([name, { at, value }]) => {
      const found = value.kind === 'scalar' && value.value === null ? environment.get(name) : undefined
      return [name, { at, value: found === undefined ? value : scalar(found, at) }] as const
    }),
    node.at,
  )
}
