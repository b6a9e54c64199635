/**
 * The tree of a Compose file: plain values that know where they were written. Nodes never change; every step of loading
 * makes new ones and hands the places on, so that a fault found late still names the line that caused it.
 */
import { EngineError } from '../lib/errors.ts'
import { shortFloat } from './out.ts'

export interface Place {
  /** As it is shown to people; empty for what no file says. */
  readonly file: string
  /** From 1. */
  readonly line: number
  readonly column: number
  /** How the value that stands here came to be; what is plainly written has neither. */
  readonly variables?: readonly UsedVariable[]
  readonly over?: Beaten
}

/** A variable that was replaced in a value, or that a name without a value took. */
export interface UsedVariable {
  readonly name: string
  /** Undefined: it was not set, and a default or nothing stands there. */
  readonly value: string | undefined
  /** The line of an env file; `nowhere` for a variable of the surroundings. */
  readonly at: Place
}

/** A value that a later file, or a stronger source, put another one in place of. */
export interface Beaten {
  /** Null: a name without a value. */
  readonly value: string | null
  readonly at: Place
}

export interface Scalar {
  readonly kind: 'scalar'
  readonly value: string | number | boolean | null
  /** A number written with a fraction or an exponent: Go prints those differently. */
  readonly float?: boolean
  readonly at: Place
}

export interface Sequence {
  readonly kind: 'sequence'
  readonly items: readonly Node[]
  readonly at: Place
}

export interface Mapping {
  readonly kind: 'mapping'
  readonly entries: ReadonlyMap<string, Entry>
  readonly at: Place
}

export interface Entry {
  /** Where the key stands. */
  readonly at: Place
  readonly value: Node
}

export type Node = Scalar | Sequence | Mapping
/** Keys from the root; `[]` stands for any item of a sequence. */
export type Path = readonly string[]

export const nowhere: Place = { file: '', line: 0, column: 0 }

export function scalar(value: Scalar['value'], at: Place = nowhere): Scalar {
  return { kind: 'scalar', value, at }
}

export function sequence(items: readonly Node[], at: Place = nowhere): Sequence {
  return { kind: 'sequence', items, at }
}

/** Entries without a place of their own stand where their value does. */
export function mapping(
  entries: Iterable<readonly [string, Node | Entry | undefined]>,
  at: Place = nowhere,
): Mapping {
  const all = new Map<string, Entry>()
  for (const [key, value] of entries)
    if (value) all.set(key, 'kind' in value ? { at: value.at, value } : value)
  return { kind: 'mapping', entries: all, at }
}

/** The node with another one in place of each that is right below it; a scalar is itself. */
export function mapBelow(node: Node, path: Path, change: (below: Node, path: Path) => Node): Node {
  if (node.kind === 'mapping')
    return mapping(
      Array.from(node.entries, ([key, { at, value }]) => [key, { at, value: change(value, [...path, key]) }]),
      node.at,
    )
  if (node.kind !== 'sequence') return node
  return sequence(
    node.items.map((item) => change(item, [...path, '[]'])),
    node.at,
  )
}

/** What is known of how a value came to be, at another place: a text taken apart, a list made a mapping. */
export function withHistory(at: Place, { variables, over }: Place): Place {
  if (!variables && !over) return at
  return { ...at, ...(variables && { variables }), ...(over && { over }) }
}

/** All that a value was put over, the latest first. */
export function beatenBy(at: Place): Beaten[] {
  const all: Beaten[] = []
  for (let found = at.over; found; found = found.at.over) all.push(found)
  return all
}

/** More than anybody reads; a list may repeat a name as often as it likes. */
const maxBeaten = 30

/** The place of a value that stands instead of another one. */
export function placedOver(at: Place, beaten: Beaten): Place {
  const chain = [...beatenBy(at), beaten, ...beatenBy(beaten.at)].slice(0, maxBeaten)
  const over = chain.reduceRight<Beaten | undefined>((rest, { value, at: place }) => {
    const { over: _, ...own } = place
    return { value, at: rest ? { ...own, over: rest } : own }
  }, undefined)
  return over ? { ...at, over } : at
}

/** The value of a key; undefined too when `node` is no mapping. */
export function get(node: Node | undefined, ...path: Path): Node | undefined {
  let found = node
  for (const key of path) found = found?.kind === 'mapping' ? found.entries.get(key)?.value : undefined
  return found
}

/** Where the deepest part of a path stands that a file says; `nowhere` when none does. */
export function deepestPlace(tree: Node, path: Path): Place {
  for (let length = path.length; length > 0; length--) {
    const parent = get(tree, ...path.slice(0, length - 1))
    const key = path[length - 1] ?? ''
    const item = parent?.kind === 'sequence' ? parent.items[Number(key)] : undefined
    const at = parent?.kind === 'mapping' ? parent.entries.get(key)?.at : item?.at
    if (at && at.line > 0) return at
  }
  return nowhere
}

/** The text of a string; undefined for everything else. */
export function textOf(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined
}

export function isNull(node: Node | undefined): boolean {
  return node?.kind === 'scalar' && node.value === null
}

/** A copy with one key set; undefined takes the key away. */
export function put(node: Mapping, key: string, value: Node | undefined): Mapping {
  const entries = new Map(node.entries)
  if (value) entries.set(key, { at: entries.get(key)?.at ?? value.at, value })
  else entries.delete(key)
  return { ...node, entries }
}

/** A copy with the value at the path replaced; mappings on the way must be there. */
export function update(node: Node, path: Path, change: (value: Node) => Node | undefined): Node {
  const [key, ...rest] = path
  if (key === undefined || node.kind !== 'mapping') return node
  const found = node.entries.get(key)
  if (!found) return node
  return put(node, key, rest.length > 0 ? update(found.value, rest, change) : change(found.value))
}

/** As Go's `%v` prints a scalar. */
export function printed({ value, float = false }: Scalar): string {
  if (value === null) return '<nil>'
  return typeof value === 'number' && float ? shortFloat(value) : String(value)
}

/** `services.web.ports.[0]`. */
export function dotted(path: Path): string {
  return path.join('.')
}

/** A fault in a Compose file. */
export class ComposeError extends EngineError {
  readonly at: Place
  constructor(at: Place, why: string, options?: ErrorOptions) {
    super('invalid', at.file === '' ? why : `${shownPlace(at)}: ${why}`, options)
    this.name = 'ComposeError'
    this.at = at
  }
}

export function shownPlace({ file, line, column }: Place): string {
  return line === 0 ? file : `${file}:${line}:${column}`
}

/** `compose.yaml:7`, where a column would be too much. */
export function shownLine({ file, line }: Place): string {
  return line === 0 ? file : `${file}:${line}`
}
