import { formatDuration } from '../../lib/units.ts'
import type { HealthConfig } from '../../wire/container.ts'

/** History rows are Go values printed by BuildKit: here is how they look. */
export function quoteList(args: readonly string[]): string {
  return `[${args.map((arg) => JSON.stringify(arg)).join(' ')}]`
}

/** BuildKit prints a Go structure with `%q`: the number of retries becomes a quoted character. */
export function showHealth(h: HealthConfig): string {
  const durations = [h.Interval, h.Timeout, h.StartPeriod, h.StartInterval]
  const shown = durations.map((value) => `"${formatDuration(value ?? 0)}"`)
  return `&{${quoteList(h.Test ?? [])} ${shown.join(' ')} '${quotedRune(h.Retries ?? 0)}'}`
}

const namedRunes: Readonly<Record<number, string>> = {
  7: '\\a',
  8: '\\b',
  9: '\\t',
  10: '\\n',
  11: '\\v',
  12: '\\f',
  13: '\\r',
  39: "\\'",
  92: '\\\\',
}

function quotedRune(code: number): string {
  const named = namedRunes[code]
  if (named !== undefined) return named
  if (code < 32 || code === 127) return `\\x${code.toString(16).padStart(2, '0')}`
  return code > 0x10ffff ? '\uFFFD' : String.fromCodePoint(code)
}

export function showPorts(ports: readonly string[]): string {
  return `map[${[...new Set(ports)]
    .sort()
    .map((port) => `${port}:{}`)
    .join(' ')}]`
}
