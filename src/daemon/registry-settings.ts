import { resolve as resolvePath } from 'node:path'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { LogLevel } from '../lib/log.ts'
import { parseBinarySize, parseDuration } from '../lib/units.ts'
import { registryOptions, type RegistryOption, type RegistryOptionType } from '../wire/registry-options.ts'
import type { Flags } from './flags.ts'
import { unknownKeys } from './unknown-keys.ts'

type Name = (typeof registryOptions)[number]['name']

interface Decoded {
  readonly string: string
  readonly path: string
  readonly boolean: boolean
  readonly integer: number
  /** Bytes. */
  readonly size: number
  /** Milliseconds. */
  readonly duration: number
  readonly level: LogLevel
}

/** What flags and file say, by the names of the table; absent ones have their defaults. */
export type RegistrySettings = {
  readonly [O in (typeof registryOptions)[number] as O['name']]?: Decoded[O['type']]
}

const size = z.union([z.int().nonnegative(), z.string().transform(parseBinarySize)])
/** Docker's registry writes durations as Go does; a number counts seconds, as in daemon.json. */
const duration = z.union([
  z
    .int()
    .nonnegative()
    .transform((seconds) => seconds * 1000),
  z.string().transform(milliseconds),
])
const schemas: Record<RegistryOptionType, z.ZodType> = {
  string: z.string().min(1),
  path: z.string().min(1),
  boolean: z.boolean(),
  integer: z.int().nonnegative(),
  size,
  duration,
  level: z.enum(['debug', 'info', 'warn', 'error']),
}

const options: readonly RegistryOption[] = registryOptions
const keys: readonly RegistryOption[] = options.filter(({ noKey }) => noKey !== true)

/** Decodes a configuration file, or the object `registry` of daemon.json. Throws kind `invalid` naming what is wrong where. */
export function registrySettingsOf(where: string, value: unknown): RegistrySettings {
  const fail = (why: string, cause?: unknown) =>
    new EngineError('invalid', `unable to configure the registry with ${where}: ${why}`, { cause })
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw fail('want a JSON object')
  const known = keys.map(({ name }) => name)
  const unknown = unknownKeys(Object.keys(value), known)
  if (unknown !== undefined) throw fail(unknown)
  return decode(Object.entries(value), (name, why, cause) => fail(`${name}: ${why}`, cause))
}

/** Decodes the text of a configuration file. */
export function parseRegistryFile(path: string, text: string): RegistrySettings {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'not JSON'
    throw new EngineError('invalid', `unable to configure the registry with file ${path}: ${why}`, { cause })
  }
  return registrySettingsOf(`file ${path}`, value)
}

/** Decodes flags. Throws kind `invalid` naming the flag. */
export function registrySettingsOfFlags(flags: Flags): RegistrySettings {
  const given = keys.flatMap(({ name, type }): [string, unknown][] => {
    const value = flags.get(name)
    if (value === undefined) return []
    const text = String(value)
    if (type === 'integer' && /^\d+$/.test(text)) return [[name, Number(text)]]
    if (type === 'path' && text !== '' && !text.startsWith('s3://')) return [[name, resolvePath(text)]]
    return [[name, value]]
  })
  return decode(
    given,
    (name, why, cause) =>
      new EngineError(
        'invalid',
        `invalid argument ${JSON.stringify(flags.get(name))} for "--${name}" flag: ${why}`,
        { cause },
      ),
  )
}

/** Joins both; what is set on both sides is refused, as gantryd does: which one wins would be a guess. */
export function mergeRegistrySettings(
  path: string,
  file: RegistrySettings,
  flags: RegistrySettings,
): RegistrySettings {
  const both = Object.keys(file).filter((key) => key in flags)
  if (both.length > 0)
    throw new EngineError(
      'invalid',
      `unable to configure the registry with file ${path}: the following directives are specified both as a flag and in the configuration file: ${both.join(', ')}`,
    )
  return { ...file, ...flags }
}

function decode(
  entries: readonly (readonly [string, unknown])[],
  fail: (name: Name, why: string, cause?: unknown) => EngineError,
): RegistrySettings {
  const settings: Record<string, unknown> = {}
  for (const { name, type } of registryOptions) {
    const entry = entries.find(([key]) => key === name)
    if (!entry) continue
    let result
    try {
      result = schemas[type].safeParse(entry[1])
    } catch (cause) {
      throw fail(name, cause instanceof Error ? cause.message : String(cause), cause)
    }
    if (!result.success) throw fail(name, result.error.issues[0]?.message ?? 'invalid')
    settings[name] = result.data
  }
  // Each value came through the schema of its type in the table.
  return settings
}

function milliseconds(text: string): number {
  const value = parseDuration(text) / 1e6
  if (value < 0) throw new EngineError('invalid', `${text} is negative`)
  return Math.round(value)
}
