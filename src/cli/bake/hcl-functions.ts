import { HclError, type Value } from './hcl-syntax.ts'
import { elementOf } from './hcl-evaluate.ts'
import {
  equal,
  fromPlain,
  isMap,
  plain,
  show,
  toBoolean,
  toList,
  toMap,
  toNumber,
  toText,
} from './hcl-values.ts'

const { createHash, randomUUID } = process.getBuiltinModule('node:crypto')
const { basename, dirname } = process.getBuiltinModule('node:path').posix

type Apply = (args: readonly Value[]) => Value

const text = (args: readonly Value[], index: number) => toText(args[index] ?? null)
const number = (args: readonly Value[], index: number) => toNumber(args[index] ?? null)
const list = (args: readonly Value[], index: number) => toList(args[index] ?? null)
const hash = (algorithm: string) => (args: readonly Value[]) =>
  createHash(algorithm).update(text(args, 0)).digest('hex')

/** The functions that bake knows besides those of a file: of go-cty's standard library and buildx's own. */
const functions: Readonly<Record<string, { least: number; most: number; apply: Apply }>> = {
  absolute: fixed(1, (a) => Math.abs(number(a, 0))),
  add: fixed(2, (a) => number(a, 0) + number(a, 1)),
  and: fixed(2, (a) => toBoolean(a[0] ?? null) && toBoolean(a[1] ?? null)),
  base64decode: fixed(1, (a) => Buffer.from(text(a, 0), 'base64').toString('utf8')),
  base64encode: fixed(1, (a) => Buffer.from(text(a, 0)).toString('base64')),
  basename: fixed(1, (a) => basename(text(a, 0))),
  ceil: fixed(1, (a) => Math.ceil(number(a, 0))),
  chomp: fixed(1, (a) => text(a, 0).replace(/[\r\n]+$/, '')),
  chunklist: fixed(2, (a) => {
    const items = list(a, 0)
    const size = number(a, 1) || items.length || 1
    return Array.from({ length: Math.ceil(items.length / size) }, (_, i) =>
      items.slice(i * size, (i + 1) * size),
    )
  }),
  coalesce: many(1, (a) => {
    const found = a.find((value) => value !== null)
    if (found === undefined) throw new HclError('coalesce(…): all arguments are null')
    return found
  }),
  coalescelist: many(1, (a) => a.find((value) => Array.isArray(value) && value.length > 0) ?? []),
  compact: fixed(1, (a) => list(a, 0).filter((value) => value !== null && value !== '')),
  concat: many(1, (a) => a.flatMap((value) => toList(value))),
  contains: fixed(2, (a) => list(a, 0).some((value) => equal(value, a[1] ?? null))),
  dirname: fixed(1, (a) => dirname(text(a, 0))),
  distinct: fixed(1, (a) => unique(list(a, 0))),
  divide: fixed(2, (a) => {
    if (number(a, 1) === 0) throw new HclError('division by zero')
    return number(a, 0) / number(a, 1)
  }),
  element: fixed(2, (a) => {
    const items = list(a, 0)
    return elementOf(
      items,
      items.length === 0 ? 0 : ((number(a, 1) % items.length) + items.length) % items.length,
    )
  }),
  equal: fixed(2, (a) => equal(a[0] ?? null, a[1] ?? null)),
  flatten: fixed(1, (a) => flatten(list(a, 0))),
  floor: fixed(1, (a) => Math.floor(number(a, 0))),
  format: many(1, (a) => format(text(a, 0), a.slice(1))),
  formatlist: many(1, (a) => {
    const lengths = a.slice(1).flatMap((value) => (Array.isArray(value) ? [value.length] : []))
    const count = Math.max(1, ...lengths)
    return Array.from({ length: count }, (_, index) =>
      format(
        text(a, 0),
        a.slice(1).map((value) => (Array.isArray(value) ? (value[index] ?? null) : value)),
      ),
    )
  }),
  greaterthan: fixed(2, (a) => number(a, 0) > number(a, 1)),
  greaterthanorequalto: fixed(2, (a) => number(a, 0) >= number(a, 1)),
  hasindex: fixed(2, (a) => {
    const [of = null, key = null] = a
    return isMap(of) ? of.has(toText(key)) : toNumber(key) >= 0 && toNumber(key) < toList(of).length
  }),
  indent: fixed(2, (a) => text(a, 1).replaceAll('\n', `\n${' '.repeat(number(a, 0))}`)),
  index: fixed(2, (a) => elementOf(a[0] ?? null, a[1] ?? null)),
  indexof: fixed(2, (a) => {
    const at = list(a, 0).findIndex((value) => equal(value, a[1] ?? null))
    if (at < 0) throw new HclError(`indexof(…): ${show(a[1] ?? null)} is not in the list`)
    return at
  }),
  int: fixed(1, (a) => Math.trunc(number(a, 0))),
  join: many(1, (a) =>
    a
      .slice(1)
      .flatMap((value) => toList(value).map(toText))
      .join(text(a, 0)),
  ),
  jsondecode: fixed(1, (a) => {
    try {
      return fromPlain(JSON.parse(text(a, 0)))
    } catch (cause) {
      throw new HclError('jsondecode(…): this is not JSON', { cause })
    }
  }),
  jsonencode: fixed(1, (a) => JSON.stringify(plain(a[0] ?? null))),
  keys: fixed(1, (a) => [...toMap(a[0] ?? null).keys()].toSorted()),
  length: fixed(1, (a) => lengthOf(a[0] ?? null)),
  lessthan: fixed(2, (a) => number(a, 0) < number(a, 1)),
  lessthanorequalto: fixed(2, (a) => number(a, 0) <= number(a, 1)),
  lookup: { least: 2, most: 3, apply: (a) => toMap(a[0] ?? null).get(text(a, 1)) ?? defaultOf(a) },
  lower: fixed(1, (a) => text(a, 0).toLowerCase()),
  max: many(1, (a) => Math.max(...a.map(toNumber))),
  md5: fixed(1, hash('md5')),
  merge: many(0, (a) => new Map(a.filter((value) => value !== null).flatMap((value) => [...toMap(value)]))),
  min: many(1, (a) => Math.min(...a.map(toNumber))),
  modulo: fixed(2, (a) => number(a, 0) % number(a, 1)),
  multiply: fixed(2, (a) => number(a, 0) * number(a, 1)),
  negate: fixed(1, (a) => -number(a, 0)),
  not: fixed(1, (a) => !toBoolean(a[0] ?? null)),
  notequal: fixed(2, (a) => !equal(a[0] ?? null, a[1] ?? null)),
  or: fixed(2, (a) => toBoolean(a[0] ?? null) || toBoolean(a[1] ?? null)),
  parseint: fixed(2, (a) => {
    const parsed = Number.parseInt(text(a, 0), number(a, 1))
    if (Number.isNaN(parsed)) throw new HclError(`parseint(…): ${show(a[0] ?? null)} is no number`)
    return parsed
  }),
  pow: fixed(2, (a) => number(a, 0) ** number(a, 1)),
  range: { least: 1, most: 3, apply: range },
  regex_replace: fixed(3, (a) => text(a, 0).replace(pattern(text(a, 1), 'g'), goReplacement(text(a, 2)))),
  regexreplace: fixed(3, (a) => text(a, 0).replace(pattern(text(a, 1), 'g'), goReplacement(text(a, 2)))),
  regex: fixed(2, (a) => {
    const found = pattern(text(a, 0), '').exec(text(a, 1))
    if (!found) throw new HclError(`regex(…): ${show(a[1] ?? null)} does not match`)
    return matchOf(found)
  }),
  regexall: fixed(2, (a) => [...text(a, 1).matchAll(pattern(text(a, 0), 'g'))].map(matchOf)),
  replace: fixed(3, (a) => text(a, 0).replaceAll(text(a, 1), () => text(a, 2))),
  reverse: fixed(1, (a) => Array.from(text(a, 0)).toReversed().join('')),
  reverselist: fixed(1, (a) => list(a, 0).toReversed()),
  sanitize: fixed(1, (a) => text(a, 0).replace(/[^a-zA-Z0-9_-]/g, '_')),
  sha1: fixed(1, hash('sha1')),
  sha256: fixed(1, hash('sha256')),
  sha512: fixed(1, hash('sha512')),
  signum: fixed(1, (a) => Math.sign(number(a, 0))),
  slice: fixed(3, (a) => list(a, 0).slice(number(a, 1), number(a, 2))),
  sort: fixed(1, (a) => list(a, 0).map(toText).toSorted()),
  split: fixed(2, (a) => text(a, 1).split(text(a, 0))),
  strlen: fixed(1, (a) => Array.from(text(a, 0)).length),
  substr: fixed(3, (a) => {
    const characters = Array.from(text(a, 0))
    const start = number(a, 1) < 0 ? characters.length + number(a, 1) : number(a, 1)
    return characters.slice(start, number(a, 2) < 0 ? undefined : start + number(a, 2)).join('')
  }),
  subtract: fixed(2, (a) => number(a, 0) - number(a, 1)),
  timestamp: fixed(0, () => new Date().toISOString().replace(/\.\d+Z$/, 'Z')),
  title: fixed(1, (a) =>
    text(a, 0).replace(/(^|\s)(\p{L})/gu, (_, space: string, ch: string) => space + ch.toUpperCase()),
  ),
  tobool: fixed(1, (a) => toBoolean(a[0] ?? null)),
  tolist: fixed(1, (a) => [...list(a, 0)]),
  tonumber: fixed(1, (a) => number(a, 0)),
  toset: fixed(1, (a) => unique(list(a, 0))),
  tostring: fixed(1, (a) => text(a, 0)),
  trim: fixed(2, (a) => trim(text(a, 0), text(a, 1))),
  trimprefix: fixed(2, (a) =>
    text(a, 0).startsWith(text(a, 1)) ? text(a, 0).slice(text(a, 1).length) : text(a, 0),
  ),
  trimspace: fixed(1, (a) => text(a, 0).trim()),
  trimsuffix: fixed(2, (a) =>
    text(a, 1) !== '' && text(a, 0).endsWith(text(a, 1))
      ? text(a, 0).slice(0, -text(a, 1).length)
      : text(a, 0),
  ),
  upper: fixed(1, (a) => text(a, 0).toUpperCase()),
  urlencode: fixed(1, (a) => encodeURIComponent(text(a, 0)).replaceAll('%20', '+')),
  uuidv4: fixed(0, () => randomUUID()),
  values: fixed(1, (a) => {
    const map = toMap(a[0] ?? null)
    return [...map.keys()].toSorted().map((key) => map.get(key) ?? null)
  }),
  zipmap: fixed(2, (a) => new Map(list(a, 0).map((key, index) => [toText(key), list(a, 1)[index] ?? null]))),
}

function fixed(count: number, apply: Apply) {
  return { least: count, most: count, apply }
}

function many(least: number, apply: Apply) {
  return { least, most: Infinity, apply }
}

/** Throws HclError for functions that there are not, and for wrong arguments. */
export function callFunction(name: string, args: readonly Value[]): Value {
  const found = Object.hasOwn(functions, name) ? functions[name] : undefined
  if (!found) throw new HclError(`there is no function ${JSON.stringify(name)}`)
  if (args.length < found.least || args.length > found.most)
    throw new HclError(
      `${name}(…) takes ${found.least}${found.most > found.least ? ' or more' : ''} arguments, not ${args.length}`,
    )
  return found.apply(args)
}

function defaultOf(args: readonly Value[]): Value {
  const given = args[2]
  if (given === undefined) throw new HclError(`lookup(…): there is no ${show(args[1] ?? null)}`)
  return given
}

function unique(items: readonly Value[]): Value[] {
  return items.filter((item, index) => items.findIndex((each) => equal(each, item)) === index)
}

function flatten(items: readonly Value[]): Value[] {
  return items.flatMap((item) => (Array.isArray(item) ? flatten(item) : [item]))
}

function lengthOf(value: Value): number {
  if (typeof value === 'string') return Array.from(value).length
  return isMap(value) ? value.size : toList(value).length
}

function range(args: readonly Value[]): Value {
  const numbers = args.map(toNumber)
  const [start, end] = numbers.length === 1 ? [0, numbers[0] ?? 0] : [numbers[0] ?? 0, numbers[1] ?? 0]
  const step = numbers[2] ?? (end < start ? -1 : 1)
  if (step === 0) throw new HclError('range(…): the step is zero')
  const count = Math.max(0, Math.ceil((end - start) / step))
  if (count > 1024) throw new HclError('range(…) gives more than 1024 numbers')
  return Array.from({ length: count }, (_, index) => start + index * step)
}

function pattern(source: string, flags: string): RegExp {
  try {
    return new RegExp(source.replaceAll('(?P<', '(?<'), `${flags}u`)
  } catch (cause) {
    throw new HclError(`${JSON.stringify(source)} is no regular expression`, { cause })
  }
}

/** `$1` and `${name}` → what JavaScript knows. */
const goReplacement = (replacement: string) =>
  replacement.replace(/\$\{(\w+)\}/g, (_, name: string) => (/^\d+$/.test(name) ? `$${name}` : `$<${name}>`))

function matchOf(found: RegExpExecArray | RegExpMatchArray): Value {
  if (found.groups) return new Map(Object.entries(found.groups))
  return found.length > 1 ? found.slice(1) : found[0]
}

function trim(value: string, cutset: string): string {
  const out = new Set(cutset)
  const characters = Array.from(value)
  const first = characters.findIndex((ch) => !out.has(ch))
  const last = characters.findLastIndex((ch) => !out.has(ch))
  return first < 0 ? '' : characters.slice(first, last + 1).join('')
}

/** Go's verbs, those that people use. */
function format(pattern_: string, args: readonly Value[]): string {
  let next = 0
  return pattern_.replace(
    /%(%|([-+0 #]*)(\d+)?(?:\.(\d+))?([vdsqtfegxXbo]))/g,
    (whole, verb: string, flags = '', width = '', precision = '', letter = '') => {
      if (verb === '%') return '%'
      const value = args[next++]
      if (value === undefined) throw new HclError(`format(…): there is no argument for ${whole}`)
      return pad(formatOne(value, { letter, flags, precision }), { width: Number(width || 0), flags })
    },
  )
}

function formatOne(value: Value, o: { letter: string; flags: string; precision: string }): string {
  switch (o.letter) {
    case 's':
      return o.precision === ''
        ? toText(value)
        : Array.from(toText(value)).slice(0, Number(o.precision)).join('')
    case 'q':
      return JSON.stringify(toText(value))
    case 't':
      return String(toBoolean(value))
    case 'd':
      return (o.flags.includes('+') && toNumber(value) >= 0 ? '+' : '') + String(Math.trunc(toNumber(value)))
    case 'f':
    case 'e':
    case 'g': {
      const number_ = toNumber(value)
      const digits = o.precision === '' ? 6 : Number(o.precision)
      if (o.letter === 'g')
        return o.precision === '' ? String(number_) : String(Number(number_.toPrecision(digits)))
      return o.letter === 'f' ? number_.toFixed(digits) : number_.toExponential(digits)
    }
    case 'x':
    case 'X': {
      const hex = typeof value === 'number' ? value.toString(16) : Buffer.from(toText(value)).toString('hex')
      return o.letter === 'X' ? hex.toUpperCase() : hex
    }
    case 'b':
      return toNumber(value).toString(2)
    case 'o':
      return toNumber(value).toString(8)
    default:
      return typeof value === 'object' && value !== null
        ? show(value)
        : value === null
          ? 'null'
          : toText(value)
  }
}

function pad(text_: string, o: { width: number; flags: string }): string {
  if (o.flags.includes('-')) return text_.padEnd(o.width)
  return o.flags.includes('0') ? text_.padStart(o.width, '0') : text_.padStart(o.width)
}
