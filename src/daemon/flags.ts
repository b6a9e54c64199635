import { EngineError } from '../lib/errors.ts'
import { closest } from './closest.ts'
import { daemonOptions, flagAliases, unsupportedKeys, type DaemonOption } from './options.ts'

/** Flags as given, by long name; what may repeat is a list, switches are booleans, the rest is text still to be decoded. */
export type Flags = ReadonlyMap<string, string | boolean | readonly string[]>

const repeatable: ReadonlySet<string> = new Set(['list', 'ulimits', 'runtimes', 'pools'])

/** Reads a command line as dockerd's (pflag): `--name value`, `--name=value`, `-Nvalue`, `--switch[=false]`. Throws kind `invalid`. */
export function parseFlags(argv: readonly string[]): Flags {
  const flags = new Map<string, string | boolean | string[]>()
  const rest = [...argv]
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (!word.startsWith('-') || word === '-')
      throw new EngineError('invalid', `gantryd takes no arguments: ${JSON.stringify(word)}`)
    const long = word.startsWith('--')
    const equals = word.indexOf('=')
    const end = equals < 0 ? word.length : equals
    const name = long ? word.slice(2, end) : word.slice(1, 2)
    const option = find(name, { long })
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

function find(name: string, o: { long: boolean }): DaemonOption {
  const options: readonly DaemonOption[] = daemonOptions
  const found = options.find((option) => (o.long ? option.flag : option.short) === name)
  if (found) return found
  if (!o.long) throw new EngineError('invalid', `unknown shorthand flag: '${name}' in -${name}`)
  if (unsupportedKeys.includes(flagAliases[name] ?? name))
    throw new EngineError('unsupported', `--${name} is a flag of dockerd that Gantry does not support yet`)
  const near = closest(
    name,
    options.flatMap((option) => option.flag ?? []),
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
