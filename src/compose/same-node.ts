import type { Node } from './node.ts'

/** Equal values, wherever they stand; the order of keys does not matter. */
export function sameNode(a: Node, b: Node): boolean {
  if (a.kind === 'scalar') return b.kind === 'scalar' && a.value === b.value
  if (a.kind === 'sequence')
    return (
      b.kind === 'sequence' &&
      a.items.length === b.items.length &&
      a.items.every((item, index) => {
        const other = b.items[index]
        return other !== undefined && sameNode(item, other)
      })
    )
  return (
    b.kind === 'mapping' &&
    a.entries.size === b.entries.size &&
    [...a.entries].every(([key, { value }]) => {
      const other = b.entries.get(key)
      return other !== undefined && sameNode(value, other.value)
    })
  )
}
