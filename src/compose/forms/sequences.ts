/** Keys that are written as a list or as a mapping: each form out of the other. */
import {
  mapping,
  printed,
  scalar,
  sequence,
  withHistory,
  type Entry,
  type Mapping,
  type Node,
  type Sequence,
} from '../node.ts'

/** `{A: 1, B: }` as `[A=1, B]`, in order of the keys; what is no collection becomes a list of one. */
export function toSequence(node: Node): Sequence {
  if (node.kind === 'sequence') return node
  if (node.kind === 'scalar') return sequence(node.value === null ? [] : [node], node.at)
  const items = Array.from(node.entries, ([key, entry]) => pairs(key, entry))
  return sequence(items.flat().toSorted(byText), node.at)
}

function pairs(key: string, { at, value }: Entry): Node[] {
  if (value.kind === 'sequence') return value.items.flatMap((item) => pairs(key, { at, value: item }))
  if (value.kind === 'mapping') return [value]
  const text = value.value === null ? key : `${key}=${printed(value)}`
  return [scalar(text, withHistory(at, value.at))]
}

function byText(a: Node, b: Node): number {
  const [left, right] = [a, b].map((node) => (node.kind === 'scalar' ? String(node.value) : ''))
  return left === right ? 0 : (left ?? '') < (right ?? '') ? -1 : 1
}

/** `[a, b]` as `{a: value, b: value}`; a mapping stays what it is. */
export function toMapping(node: Node, value: (item: Node) => Node): Node {
  if (node.kind !== 'sequence') return node
  return mapping(
    node.items.map((item) => [
      item.kind === 'scalar' ? printed(item) : '',
      { at: item.at, value: value(item) },
    ]),
    node.at,
  )
}

/** `[A=1, B]` as a mapping; without `=` the value is null. */
export function fromPairs(node: Node): Mapping | undefined {
  if (node.kind === 'mapping') return node
  if (node.kind !== 'sequence') return undefined
  return mapping(
    node.items.flatMap((item) => {
      if (item.kind !== 'scalar') return []
      const text = printed(item)
      const equals = text.indexOf('=')
      const [key, value] = equals < 0 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)]
      return [[key, { at: item.at, value: scalar(value, item.at) }] as const]
    }),
    node.at,
  )
}
