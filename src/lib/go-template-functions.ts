/** Functions of Go's templates and docker's additions. A TypeError's message becomes `error calling NAME: …`. */
import { formatValue, isMapOfStrings, isTrue, MethodSet, typeNameOf } from './go-template-values.ts'

type Fn = (...parameters: unknown[]) => unknown

const escapeHtml = (text: string) =>
  text.replaceAll(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** What Go's JSEscape has shorter words for. */
const scriptEscapes: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' }

const lazy: Readonly<Record<string, (call: (() => unknown)[]) => unknown>> = {
  and: (call) => shortCircuit(call, false),
  or: (call) => shortCircuit(call, true),
}

const functions: Readonly<Record<string, Fn>> = {
  not: (value) => !isTrue(value),
  eq: (first, ...others) => {
    if (others.length === 0) throw new TypeError('missing argument for comparison')
    return others.some((other) => equal(first, other))
  },
  ne: (a, b) => !equal(a, b),
  lt: (a, b) => compare(a, b) < 0,
  le: (a, b) => compare(a, b) <= 0,
  gt: (a, b) => compare(a, b) > 0,
  ge: (a, b) => compare(a, b) >= 0,
  len: (value) => {
    if (typeof value === 'string') return Buffer.byteLength(value)
    if (Array.isArray(value)) return value.length
    if (typeof value === 'object' && value !== null) return Object.keys(value).length
    throw new TypeError(value == null ? 'len of nil pointer' : `len of type ${typeNameOf(value)}`)
  },
  index: (value, ...keys) => keys.reduce(indexOne, value),
  slice: (value, from, to) => {
    if (typeof value !== 'string' && !Array.isArray(value))
      throw new TypeError(`can't slice item of type ${typeNameOf(value)}`)
    const start = from === undefined ? 0 : integer(from)
    const end = to === undefined ? value.length : integer(to)
    if (start < 0 || end > value.length || start > end) throw new TypeError(`index out of range: ${end}`)
    return value.slice(start, end)
  },
  // Go: a space between two operands of which neither is a string.
  print: (...values) =>
    values
      .map((value, at) => {
        const apart = at > 0 && typeof value !== 'string' && typeof values[at - 1] !== 'string'
        return `${apart ? ' ' : ''}${formatValue(value)}`
      })
      .join(''),
  println: (...values) => `${values.map((value) => formatValue(value)).join(' ')}\n`,
  printf: (format, ...values) => sprintf(text(format), values),
  // Docker: rows of lists are written by Go's own encoder, which escapes what HTML would see; plain data are not.
  json: (value) =>
    value instanceof MethodSet ? escapeHtml(JSON.stringify(value)) : JSON.stringify(value ?? null),
  join: (list, separator) => {
    if (!Array.isArray(list))
      throw new TypeError(`wrong type for value; expected []string; got ${typeNameOf(list)}`)
    return list.map((item: unknown) => formatValue(item)).join(text(separator))
  },
  split: (value, separator) => text(value).split(text(separator)),
  lower: (value) => text(value).toLowerCase(),
  upper: (value) => text(value).toUpperCase(),
  title: (value) =>
    text(value).replace(
      /(^|[^\p{L}\p{N}_'])(\p{L})/gu,
      (_, before: string, ch: string) => before + ch.toUpperCase(),
    ),
  pad: (value, before, after) =>
    text(value) === '' ? '' : ' '.repeat(integer(before)) + text(value) + ' '.repeat(integer(after)),
  truncate: (value, length) => text(value).slice(0, integer(length)),
  html: (value) =>
    formatValue(value).replace(
      /[&<>"']/g,
      (ch) => `&${{ '&': 'amp', '<': 'lt', '>': 'gt', '"': '#34', "'": '#39' }[ch] ?? ''};`,
    ),
  js: (value) =>
    formatValue(value).replace(
      /[\\'"<>&=\p{Cc}\u2028\u2029]/gu,
      (ch) => scriptEscapes[ch] ?? `\\u${ch.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
    ),
  urlquery: (value) => encodeURIComponent(formatValue(value)).replaceAll('%20', '+'),
}

export function isFunction(name: string): boolean {
  return Object.hasOwn(functions, name) || Object.hasOwn(lazy, name)
}

/** Parameters are evaluated here, so that `and` and `or` can stop early. */
export function callFunction(name: string, call: (() => unknown)[]): unknown {
  const early = Object.hasOwn(lazy, name) ? lazy[name] : undefined
  if (early) return early(call)
  return functions[name]?.(...call.map((parameter) => parameter()))
}

function shortCircuit(call: (() => unknown)[], stopAt: boolean): unknown {
  let value: unknown
  for (const parameter of call) {
    value = parameter()
    if (isTrue(value) === stopAt) return value
  }
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string')
    throw new TypeError(`wrong type for value; expected string; got ${typeNameOf(value)}`)
  return value
}

function integer(value: unknown): number {
  if (typeof value !== 'number')
    throw new TypeError(`cannot index slice/array with type ${typeNameOf(value)}`)
  return value
}

function indexOne(value: unknown, key: unknown): unknown {
  if (value === null || value === undefined) throw new TypeError('index of untyped nil')
  if (typeof value === 'string' || Array.isArray(value)) {
    const index = integer(key)
    if (index < 0 || index >= value.length) throw new TypeError(`index out of range: ${index}`)
    return typeof value === 'string' ? Buffer.from(value)[index] : (value[index] as unknown)
  }
  if (typeof value !== 'object') throw new TypeError(`can't index item of type ${typeNameOf(value)}`)
  if (typeof key !== 'string') throw new TypeError(`value has type ${typeNameOf(key)}; should be string`)
  if (Object.hasOwn(value, key)) return (value as Record<string, unknown>)[key]
  // Go: a missing key gives the zero value of the map's values.
  return isMapOfStrings(value) ? '' : undefined
}

function equal(a: unknown, b: unknown): boolean {
  if (a == null || b == null) return a == null && b == null
  if (typeof a === 'object' || typeof b === 'object') throw new TypeError('non-comparable type')
  if (typeof a !== typeof b) throw new TypeError('incompatible types for comparison')
  return a === b
}

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0
  throw new TypeError(
    typeof a === typeof b ? 'invalid type for comparison' : 'incompatible types for comparison',
  )
}

/** Go's Sprintf for the verbs that make sense on JSON values. */
function sprintf(format: string, values: readonly unknown[]): string {
  let next = 0
  const out = format.replace(
    /%([-+# 0]*)(\d+|\*)?(?:\.(\d+))?([a-zA-Z%])/g,
    (_, flags: string, widthText: string | undefined, precision: string | undefined, verb: string) => {
      if (verb === '%') return '%'
      const width = widthText === '*' ? integer(values[next++]) : Number(widthText ?? 0)
      if (next >= values.length) return `%!${verb}(MISSING)`
      const body = formatVerb(verb, flags, precision, values[next++])
      if (flags.includes('-')) return body.padEnd(width)
      if (!flags.includes('0') || !/^[-+]?[\d.]+$/.test(body)) return body.padStart(width)
      const sign = /^[-+]/.exec(body)?.[0] ?? ''
      return sign + body.slice(sign.length).padStart(width - sign.length, '0')
    },
  )
  if (next >= values.length) return out
  const rest = values.slice(next).map((value) => `${typeNameOf(value)}=${formatValue(value)}`)
  return `${out}%!(EXTRA ${rest.join(', ')})`
}

function formatVerb(verb: string, flags: string, precision: string | undefined, value: unknown): string {
  const wrong = () => `%!${verb}(${typeNameOf(value)}=${formatValue(value)})`
  switch (verb) {
    case 'v':
    case 's': {
      if (verb === 's' && (typeof value === 'number' || typeof value === 'boolean')) return wrong()
      const body = formatValue(value)
      return precision === undefined ? body : body.slice(0, Number(precision))
    }
    case 'q':
      return JSON.stringify(typeof value === 'string' ? value : formatValue(value))
    case 'd':
      if (typeof value !== 'number') return wrong()
      return (flags.includes('+') && value >= 0 ? '+' : '') + formatValue(value)
    case 'f':
      return typeof value === 'number' ? value.toFixed(Number(precision ?? 6)) : wrong()
    case 't':
      return typeof value === 'boolean' ? String(value) : wrong()
    case 'x':
    case 'X': {
      const hex =
        typeof value === 'number' ? value.toString(16) : Buffer.from(formatValue(value)).toString('hex')
      return verb === 'x' ? hex : hex.toUpperCase()
    }
    case 'T':
      return typeNameOf(value)
    default:
      return wrong()
  }
}
