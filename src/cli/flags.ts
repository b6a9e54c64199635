import { parseBool } from '../lib/parse-bool.ts'

/**
 * Docker's flag grammar (spf13/pflag): `--name value`, `--name=value`, `-n value`, `-nvalue`, `-n=value`, clusters `-it`,
 * `--` ends the flags, booleans take a value only with `=`. Commands whose arguments belong to somebody else (run, exec)
 * stop at the first argument.
 */

/** One flag of a command. `initial` is its value when it is not given. */
export interface Flag<T = unknown> {
  /** Word for the value in the help text; empty for a boolean. */
  readonly kind: string
  readonly help: string
  readonly short: string | undefined
  readonly initial: T
  /** Value of the flag when written without one. */
  readonly bare: string | undefined
  /** Shown as `(default …)`. */
  readonly shown: string | undefined
  readonly hidden: boolean
  /** Throws a plain Error whose message becomes docker's `invalid argument …`. */
  read(text: string, previous: T): T
}

export type Flags = Readonly<Record<string, Flag>>
export type Values<F extends Flags> = { readonly [K in keyof F]: F[K] extends Flag<infer T> ? T : never }

export interface Parsed<F extends Flags> {
  readonly values: Values<F>
  readonly given: ReadonlySet<keyof F & string>
  readonly rest: string[]
}

/** A command line that docker's parser refuses. */
export class FlagError extends Error {}

interface Extra {
  readonly short?: string
  readonly hidden?: boolean
  readonly kind?: string
  readonly shown?: string
}

function make<T>(
  kind: string,
  help: string,
  initial: T,
  read: (text: string, previous: T) => T,
  extra: Extra = {},
): Flag<T> {
  return {
    kind: extra.kind ?? kind,
    help,
    short: extra.short,
    initial,
    bare: undefined,
    shown: extra.shown,
    hidden: extra.hidden ?? false,
    read,
  }
}

export function bool(help: string, extra: Extra & { initial?: boolean } = {}): Flag<boolean> {
  const initial = extra.initial ?? false
  const read = (text: string) => {
    const value = parseBool(text)
    if (value === undefined)
      throw new Error(`strconv.ParseBool: parsing ${JSON.stringify(text)}: invalid syntax`)
    return value
  }
  return {
    ...make('', help, initial, read, extra),
    bare: 'true',
    shown: extra.shown ?? (initial ? 'true' : undefined),
  }
}

export function string(help: string, extra: Extra & { initial?: string } = {}): Flag<string> {
  const shown = extra.shown ?? (extra.initial ? JSON.stringify(extra.initial) : undefined)
  return make('string', help, extra.initial ?? '', (text) => text, {
    ...extra,
    ...(shown !== undefined && { shown }),
  })
}

/** May be given several times; each value is kept. */
export function list(
  help: string,
  extra: Extra & { check?: (text: string) => string } = {},
): Flag<readonly string[]> {
  const { check = (text: string) => text } = extra
  return make<readonly string[]>('list', help, [], (text, previous) => [...previous, check(text)], extra)
}

export function int(help: string, extra: Extra & { initial?: number } = {}): Flag<number> {
  const read = (text: string) => {
    if (!/^[-+]?(\d+|0[xX][0-9a-fA-F]+)$/.test(text))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`)
    return Number(text)
  }
  const shown = extra.shown ?? (extra.initial ? String(extra.initial) : undefined)
  return make('int', help, extra.initial ?? 0, read, { ...extra, ...(shown !== undefined && { shown }) })
}

/** Anything else: `read` decodes and throws a plain Error for what it does not take. */
export function value<T>(
  kind: string,
  help: string,
  initial: T,
  read: (text: string, previous: T) => T,
  extra: Extra = {},
): Flag<T> {
  return make(kind, help, initial, read, extra)
}

/** Takes a command line apart. Throws FlagError with docker's text. */
export function parseFlags<F extends Flags>(
  flags: F,
  argv: readonly string[],
  o: { interspersed: boolean },
): Parsed<F> {
  const values: Record<string, unknown> = {}
  for (const [name, flag] of Object.entries(flags)) values[name] = flag.initial
  const given = new Set<keyof F & string>()
  const rest: string[] = []
  const set = (name: string, flag: Flag, text: string) => {
    try {
      values[name] = flag.read(text, values[name])
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      const label = flag.short === undefined ? `--${name}` : `-${flag.short}, --${name}`
      throw new FlagError(`invalid argument ${JSON.stringify(text)} for "${label}" flag: ${why}`)
    }
    given.add(name)
  }
  let index = 0
  const next = () => argv[index++]
  for (let word = next(); word !== undefined; word = next()) {
    if (word === '--') {
      rest.push(...argv.slice(index))
      break
    }
    if (!word.startsWith('-') || word === '-') {
      rest.push(word)
      if (o.interspersed) continue
      rest.push(...argv.slice(index))
      break
    }
    if (word.startsWith('--')) longFlag(flags, word, next, set)
    else shortFlags(flags, word, next, set)
  }
  // Each value came from its flag's own `initial` or `read`.
  return { values: values as Values<F>, given, rest }
}

type Set_ = (name: string, flag: Flag, text: string) => void

function longFlag(flags: Flags, word: string, next: () => string | undefined, set: Set_): void {
  const equals = word.indexOf('=')
  const name = word.slice(2, equals < 0 ? undefined : equals)
  if (name === '' || name.startsWith('-')) throw new FlagError(`bad flag syntax: ${word}`)
  const flag = Object.hasOwn(flags, name) ? flags[name] : undefined
  if (!flag) throw name === 'help' ? new HelpRequest() : new FlagError(`unknown flag: --${name}`)
  const text = equals >= 0 ? word.slice(equals + 1) : (flag.bare ?? next())
  if (text === undefined) throw new FlagError(`flag needs an argument: --${name}`)
  set(name, flag, text)
}

function shortFlags(flags: Flags, word: string, next: () => string | undefined, set: Set_): void {
  for (let at = 1; at < word.length; at++) {
    const ch = word[at] ?? ''
    const rest = word.slice(at + 1)
    const found = Object.entries(flags).find(([, flag]) => flag.short === ch)
    if (!found)
      throw ch === 'h'
        ? new HelpRequest()
        : new FlagError(`unknown shorthand flag: '${ch}' in -${word.slice(at)}`)
    const [name, flag] = found
    if (rest.startsWith('=')) return set(name, flag, rest.slice(1))
    if (flag.bare !== undefined) {
      set(name, flag, flag.bare)
      continue
    }
    const text = rest === '' ? next() : rest
    if (text === undefined) throw new FlagError(`flag needs an argument: '${ch}' in -${word.slice(at)}`)
    return set(name, flag, text)
  }
}

/** `--help` was asked for. */
export class HelpRequest extends Error {}
