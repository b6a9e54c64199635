/**
 * YAML as docker compose prints it, to the byte: the layout, the quoting and the order of keys of go-yaml 3 (libyaml's
 * emitter with an indentation of two and lines of any length).
 */
import { Fields, Float, shortFloat, type Out } from '../out.ts'
import { sortNaturally } from './natural-order.ts'
import { scalarText } from './scalar-text.ts'

export function writeYaml(value: Out): string {
  if (isCollection(value)) return block(value, 0).slice(1)
  return `${leaf(value, 0)}\n`
}

type Leaf = string | number | Float | boolean | null
type Collection = Exclude<Out, Leaf>

function isCollection(value: Out): value is Collection {
  return typeof value === 'object' && value !== null && !(value instanceof Float)
}

/** A collection on lines of its own, after the line break that ends what it belongs to; `{}` and `[]` stay on that line. */
function block(value: Collection, level: number): string {
  if (value instanceof Fields || value instanceof Map) {
    const pairs = entriesOf(value)
    if (pairs.length === 0) return ' {}\n'
    return `\n${pairs.map((pair) => entry(pair, level)).join('')}`
  }
  const items = value as readonly Out[] // neither Fields nor Map
  if (items.length === 0) return ' []\n'
  return `\n${items.map((item) => listItem(item, level)).join('')}`
}

function entriesOf(value: Fields | ReadonlyMap<string, Out>): readonly (readonly [string, Out])[] {
  return value instanceof Fields ? value.entries : sortNaturally([...value], ([key]) => key)
}

/** libyaml's limit for a key without `?`. */
const longestKey = 128

function entry([key, value]: readonly [string, Out], level: number): string {
  const pad = '  '.repeat(level)
  const name = scalarText(key, { level, key: true })
  const rest = isCollection(value) ? block(value, level + 1) : ` ${leaf(value, level)}\n`
  if (key.length <= longestKey) return `${pad}${name}:${rest}`
  const value_ = isCollection(value) ? rest.replace(/^\n +/, ' ') : rest
  return `${pad}? ${name}\n${pad}:${value_}`
}

function listItem(item: Out, level: number): string {
  const pad = '  '.repeat(level)
  if (!isCollection(item)) return `${pad}- ${leaf(item, level)}\n`
  const text = block(item, level + 1)
  // The first line of what is inside goes beside the dash.
  return text.startsWith('\n') ? `${pad}- ${text.slice(1 + pad.length + 2)}` : `${pad}-${text}`
}

function leaf(value: Leaf, level: number): string {
  if (typeof value === 'string') return scalarText(value, { level, key: false })
  if (value instanceof Float) return shortFloat(value.value)
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : shortFloat(value)
  return String(value)
}
