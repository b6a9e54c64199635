/** Variables without a value take that of the surroundings in which their file was loaded. */
import {
  mapping,
  nowhere,
  put,
  scalar,
  sequence,
  textOf,
  update,
  withHistory,
  type Node,
  type Place,
} from './node.ts'
import type { Surroundings } from './scope.ts'

export function resolveEnvironment(tree: Node, surroundings: Surroundings): Node {
  const services = tree.kind === 'mapping' ? tree.entries.get('services')?.value : undefined
  if (tree.kind !== 'mapping' || services?.kind !== 'mapping') return tree
  const resolved = mapping(
    Array.from(services.entries, ([name, { at, value }]) => [
      name,
      { at, value: update(value, ['environment'], (node) => filled(node, surroundings)) },
    ]),
    services.at,
  )
  return put(tree, 'services', resolved)
}

function filled(node: Node, surroundings: Surroundings): Node {
  const { environment } = surroundings
  if (node.kind === 'sequence')
    return sequence(
      node.items.map((item) => {
        const name = textOf(item)
        const value = name === undefined || name.includes('=') ? undefined : environment.get(name)
        if (name === undefined || value === undefined) return item
        return scalar(`${name}=${value}`, taken(item.at, name, surroundings))
      }),
      node.at,
    )
  if (node.kind !== 'mapping') return node
  return mapping(
    Array.from(node.entries, ([name, { at, value }]) => {
      const found = value.kind === 'scalar' && value.value === null ? environment.get(name) : undefined
      const filledIn =
        found === undefined ? value : scalar(found, taken(withHistory(at, value.at), name, surroundings))
      return [name, { at, value: filledIn }] as const
    }),
    node.at,
  )
}

function taken(at: Place, name: string, { environment, sources }: Surroundings): Place {
  const variable = { name, value: environment.get(name), at: sources.get(name) ?? nowhere }
  return { ...at, variables: [variable] }
}
