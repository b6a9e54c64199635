/** `!reset` and `!override`: takes what stands at a path out of the files before. */
import { put, sequence, type Node, type Path } from './node.ts'

export function clearAll(node: Node, paths: readonly Path[]): Node {
  return paths.reduce((rest, path) => clear(rest, path), node)
}

function clear(node: Node, [key, ...rest]: Path): Node {
  if (key === undefined) return node
  if (node.kind === 'sequence')
    return sequence(
      node.items.map((item) => clear(item, rest)),
      node.at,
    )
  const found = node.kind === 'mapping' ? node.entries.get(key) : undefined
  if (node.kind !== 'mapping' || !found) return node
  return put(node, key, rest.length === 0 ? undefined : clear(found.value, rest))
}
