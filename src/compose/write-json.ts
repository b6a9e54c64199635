/** JSON as Go's encoding/json writes it: keys of maps in order, `<`, `>` and `&` escaped. */
import { Fields, Float, type Out } from './out.ts'

/** `indent` is what each level is indented by; without it all stands on one line, without spaces. */
export function writeJson(value: Out, indent = ''): string {
  return write(value, indent, indent === '' ? '' : '\n')
}

/** `line` is the line break with the indentation of what surrounds the value; empty when there are none. */
function write(value: Out, indent: string, line: string): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value === 'number') return String(value)
  if (value instanceof Float) return String(value.value)
  if (typeof value !== 'object' || value === null) return String(value)
  const inner = line + indent
  if (Array.isArray(value))
    return wrapped(
      '[]',
      inner,
      line,
      (value as readonly Out[]).map((item) => write(item, indent, inner)),
    )
  const entries = value instanceof Fields ? value.entries : sorted(value as ReadonlyMap<string, Out>) // what is left
  const colon = line === '' ? ':' : ': '
  return wrapped(
    '{}',
    inner,
    line,
    entries.map(([key, item]) => `${quoted(key)}${colon}${write(item, indent, inner)}`),
  )
}

function wrapped(brackets: string, inner: string, line: string, items: readonly string[]): string {
  if (items.length === 0) return brackets
  return `${brackets[0]}${inner}${items.join(`,${inner}`)}${line}${brackets[1]}`
}

function sorted(map: ReadonlyMap<string, Out>): readonly (readonly [string, Out])[] {
  return [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function quoted(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (letter) => `\\u${(letter.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}
