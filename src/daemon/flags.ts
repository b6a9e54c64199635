import { EngineError } from '../lib/errors.ts'
import { closest } from '../lib/closest.ts'
import { daemonOptions, flagAliases, unsupportedKeys } from './options.ts'

/** Flags as given, by long name; what may repeat is a list, switches are booleans, the rest is text still to be decoded. */
export type Flags = ReadonlyMap<string, string | boolean | readonly string[]>

/** The flags of one program. */
export interface FlagTable {
  readonly program: string
  readonly options: readonly { readonly flag?: string; readonly short?: string; readonly type: string }[]
  /** Why a flag is refused that is known and not supported. */
  readonly unsupported: (name: string) => string | undefined
}

const gantryd: FlagTable = {
  program: 'gantryd',
  options: daemonOptions,
  unsupported: (name) =>
    unsupportedKeys.includes(flagAliases[name] ?? name)
      ? `--${name} is a flag of dockerd that Gantry does not support yet`
      : undefined,
}

const repeatable: ReadonlySet<string> = new Set([
  'list',
  'ulimits',
  'runtimes',
  'pools',
  'map',
  'features',
  'network-options',
])

/** Reads a command line as dockerd's (pflag): `--name value`, `--name=value`, `-Nvalue`, `--switch[=false]`. Throws kind `invalid`. */
export function parseFlags(argv: readonly string[], table: FlagTable = gantryd): Flags {
  const flags = new Map<string, string | boolean | string[]>()
  const rest = [...argv]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-') || word === '-')
      throw new EngineError('invalid', `${table.program} takes no arguments: ${JSON.stringify(word)}`)
    const long = word.startsWith('--')
    const equals = word.indexOf('=')
    const end = equals < 0 ? word.length : equals
    const name = long ? word.slice(2, end) : word.slice(1, 2)
    const option = find(table, name, { long })
    const attached = long
      ? equals < 0
        ? undefined
        : word.slice(equals + 1)
      : word.slice(2).replace(/^=/, '')
    const shown = long ? `--${name}` : `-${name}`
    const key = option.flag ?? name
    if (option.type === 'boolean') {
      // `-Dv`: more switches behind the first one
      if (!long && attached && equals < 0) rest.unshift(`-${attached}`)
      flags.set(key, !(long || equals >= 0) || !attached ? true : boolean(attached, shown))
      continue
    }
    const value = attached || (long && equals >= 0) ? (attached ?? '') : rest.shift()
    if (value === undefined) throw new EngineError('invalid', `flag needs an argument: ${shown}`)
    if (!repeatable.has(option.type)) flags.set(key, value)
    else {
      const list = flags.get(key)
      flags.set(key, Array.isArray(list) ? [...list, value] : [value])
    }
  }
  return flags
}

function find(table: FlagTable, name: string, o: { long: boolean }): FlagTable['options'][number] {
  const found = table.options.find((option) => (o.long ? option.flag : option.short) === name)
  if (found) return found
  if (!o.long) throw new EngineError('invalid', `unknown shorthand flag: '${name}' in -${name}`)
  const why = table.unsupported(name)
  if (why !== undefined) throw new EngineError('unsupported', why)
  const near = closest(
    name,
    table.options.flatMap((option) => option.flag ?? []),
  )
  throw new EngineError('invalid', `unknown flag: --${name}${near ? ` (did you mean --${near}?)` : ''}`)
}

function boolean(text: string, flag: string): boolean {
  if (/^(true|t|1)$/i.test(text)) return true
  if (/^(false|f|0)$/i.test(text)) return false
  throw new EngineError(
    'invalid',
    `invalid argument ${JSON.stringify(text)} for ${JSON.stringify(flag)} flag: want true or false`,
  )
}
