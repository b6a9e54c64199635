import { EngineError } from '../../lib/errors.ts'
import { parseBool } from '../../lib/parse-bool.ts'
import { parseBinarySize } from '../../lib/units.ts'
import { didYouMean } from './suggest.ts'

const types = ['bind', 'cache', 'tmpfs', 'secret', 'ssh'] as const
const sharings = ['shared', 'private', 'locked'] as const
export type MountType = (typeof types)[number]
export type Sharing = (typeof sharings)[number]

/** `RUN --mount=…` as written, variables expanded; what is not given is absent. */
export interface MountFlag {
  readonly type: MountType
  readonly from: string
  readonly source: string
  readonly target: string
  readonly id: string
  readonly readonly: boolean
  readonly required: boolean
  readonly sharing?: Sharing
  readonly size?: number
  readonly env?: string
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
}

const keys = ['type', 'from', 'source', 'target', 'readonly', 'id', 'sharing', 'required', 'size', 'mode']
keys.push('uid', 'gid', 'src', 'dst', 'destination', 'ro', 'rw', 'readwrite', 'env')

/** What can be said before variables are known. Throws kind `invalid` in BuildKit's words. */
export function checkMountFlag(text: string): void {
  for (const field of csvFields(text)) {
    const { key, value } = cut(field)
    if (key === 'from' && /\$./.test(value ?? ''))
      throw invalid(`'from' doesn't support variable expansion, define alias stage instead`)
  }
}

/** Throws kind `invalid` in BuildKit's words. */
export function parseMountFlag(text: string, expand: (value: string) => string): MountFlag {
  const m: { -readonly [K in keyof MountFlag]: MountFlag[K] } = {
    type: 'bind',
    from: '',
    source: '',
    target: '',
    id: '',
    readonly: true,
    required: false,
  }
  let readonly: boolean | undefined
  const unexpected = (key: string) => invalid(`unexpected key '${key}' for mount type '${m.type}'`)
  for (const field of csvFields(text)) {
    const { key, value: raw } = cut(field)
    const value = raw === undefined ? undefined : expand(raw)
    const flag = () => (value === undefined ? true : boolean(key, value))
    switch (key) {
      case 'readonly':
      case 'ro':
        readonly = flag()
        continue
      case 'readwrite':
      case 'rw':
        readonly = !flag()
        continue
      case 'required':
        if (m.type !== 'secret' && m.type !== 'ssh') throw unexpected(key)
        m.required = flag()
        continue
    }
    if (value === undefined) throw invalid(`invalid field '${field}' must be a key=value pair`)
    switch (key) {
      case 'type':
        m.type = oneOf(types, value, 'mount type')
        break
      case 'from':
        m.from = value
        break
      case 'source':
      case 'src':
        m.source = value
        break
      case 'target':
      case 'dst':
      case 'destination':
        m.target = value
        break
      case 'size':
        if (m.type !== 'tmpfs') throw unexpected(key)
        m.size = size(value)
        break
      case 'id':
        m.id = value
        break
      case 'sharing':
        m.sharing = oneOf(sharings, value, 'sharing value')
        break
      case 'mode':
        m.mode = number(key, value, 8)
        break
      case 'uid':
      case 'gid':
        m[key] = number(key, value, 10)
        break
      case 'env':
        if (m.type !== 'secret') throw unexpected(key)
        m.env = value
        break
      default:
        throw invalid(`unexpected key '${key}' in '${field}'${didYouMean(key, keys)}`)
    }
  }
  m.readonly = readonly ?? (m.type !== 'cache' && m.type !== 'tmpfs')
  validate(m)
  return m
}

function validate(m: MountFlag): void {
  for (const name of ['mode', 'uid', 'gid'] as const)
    if (m[name] !== undefined && (m.type === 'bind' || m.type === 'tmpfs'))
      throw invalid(`${name} not allowed for "${m.type}" type mounts`)
  if (m.type === 'secret') {
    if (m.from !== '') throw invalid('secret mount should not have a from')
    if (m.sharing) throw invalid('secret mount should not define sharing')
    if (m.source === '' && m.target === '' && m.id === '')
      throw invalid('invalid secret mount. one of source, target required')
    if (m.source !== '' && m.id !== '') throw invalid("both source and id can't be set")
  }
  if (m.sharing && m.type !== 'cache') throw invalid(`invalid cache sharing set for ${m.type} mount`)
}

function cut(field: string): { key: string; value?: string } {
  const equals = field.indexOf('=')
  if (equals < 0) return { key: field.toLowerCase() }
  return { key: field.slice(0, equals).toLowerCase(), value: field.slice(equals + 1) }
}

/** One line of CSV: a field in double quotes may hold commas, and a quote written twice. */
function csvFields(text: string): string[] {
  const fields: string[] = []
  let rest = text
  for (;;) {
    const quoted = /^"((?:[^"]|"")*)"(?=,|$)/.exec(rest)
    if (!quoted && /^[^,]*"/.test(rest))
      throw invalid(
        `failed to parse csv mounts: parse error on line 1, column ${text.length - rest.length + rest.indexOf('"') + 1}: bare " in non-quoted-field`,
      )
    const raw = quoted?.[0] ?? /^[^,]*/.exec(rest)?.[0] ?? ''
    fields.push(quoted?.[1]?.replaceAll('""', '"') ?? raw)
    if (raw.length === rest.length) return fields
    rest = rest.slice(raw.length + 1)
  }
}

function oneOf<T extends string>(options: readonly T[], value: string, what: string): T {
  const found = options.find((option) => option === value.toLowerCase())
  if (found === undefined)
    throw invalid(`unsupported ${what} ${JSON.stringify(value)}${didYouMean(value, options)}`)
  return found
}

function boolean(key: string, value: string): boolean {
  const result = parseBool(value)
  if (result === undefined) throw invalid(`invalid value for ${key}: ${value}`)
  return result
}

function number(key: string, value: string, base: 8 | 10): number {
  const digits = base === 8 ? /^[0-7]{1,12}$/ : /^\d{1,10}$/
  const result = Number.parseInt(value, base)
  if (!digits.test(value) || result > 0xffffffff) throw invalid(`invalid value ${value} for ${key}`)
  return result
}

function size(value: string): number {
  try {
    return parseBinarySize(value)
  } catch (cause) {
    throw new EngineError('invalid', `invalid value for size: ${value}`, { cause })
  }
}

const invalid = (message: string) => new EngineError('invalid', message)
