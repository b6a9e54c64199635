/** Sizes and durations as docker reads and writes them (go-units, Go's time.Duration). */
import { EngineError } from './errors.ts'

const decimalUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB', 'EB']
const binaryUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB']

/** `1.23MB` (powers of 1000) with so many significant digits: docker uses 3 in lists, 4 in `system df`. */
export function humanSize(bytes: number, digits = 3): string {
  return scaled(bytes, 1000, decimalUnits, digits)
}

/** `1.234MiB` (powers of 1024), 4 significant digits, as in `stats` and `info`. */
export function humanBinarySize(bytes: number, digits = 4): string {
  return scaled(bytes, 1024, binaryUnits, digits)
}

function scaled(bytes: number, base: number, units: readonly string[], digits: number): string {
  let value = Number.isFinite(bytes) ? bytes : 0
  let unit = 0
  // Rounding first: 999,999 bytes are 1MB, where docker prints 1e+03kB.
  while (Number(value.toPrecision(digits)) >= base && unit < units.length - 1) {
    value /= base
    unit++
  }
  return `${Number(value.toPrecision(digits))}${units[unit]}`
}

/** Bytes of `256m`, `1.5GiB`, `10 kb`: units are powers of 1024, as for `--memory`. Throws kind `invalid` in docker's words. */
export function parseBinarySize(text: string): number {
  return parseSize(text, 1024)
}

/** Bytes of `10MB`: units are powers of 1000. */
export function parseDecimalSize(text: string): number {
  return parseSize(text, 1000)
}

function parseSize(text: string, base: number): number {
  const match = /^(.*[0-9. ])([^0-9. ]*)$/s.exec(text)
  const number = match?.[1]?.replace(/ $/, '') ?? ''
  if (!/^\+?(\d+\.?\d*|\.\d+)$/.test(number)) throw new EngineError('invalid', `invalid size: '${text}'`)
  const suffix = (match?.[2] ?? '').toLowerCase()
  if (suffix === '' || suffix === 'b') return Math.trunc(Number(number))
  const unit = /^([kmgtp])(b|ib)?$/.exec(suffix)?.[1]
  if (unit === undefined) throw new EngineError('invalid', `invalid suffix: '${suffix}'`)
  return Math.trunc(Number(number) * base ** ('kmgtp'.indexOf(unit) + 1))
}

/** A rough duration for people: `5 minutes`, `About an hour`, `3 weeks` (docker's HumanDuration). */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.trunc(milliseconds / 1000)
  if (seconds < 1) return 'Less than a second'
  if (seconds === 1) return '1 second'
  if (seconds < 60) return `${seconds} seconds`
  const minutes = Math.trunc(seconds / 60)
  if (minutes === 1) return 'About a minute'
  if (minutes < 60) return `${minutes} minutes`
  const hours = Math.trunc(milliseconds / 3_600_000 + 0.5)
  if (hours === 1) return 'About an hour'
  if (hours < 48) return `${hours} hours`
  if (hours < 24 * 7 * 2) return `${Math.trunc(hours / 24)} days`
  if (hours < 24 * 30 * 2) return `${Math.trunc(hours / 24 / 7)} weeks`
  if (hours < 24 * 365 * 2) return `${Math.trunc(hours / 24 / 30)} months`
  return `${Math.trunc(milliseconds / 3_600_000 / 24 / 365)} years`
}

const nanoseconds: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
}

/** Nanoseconds of Go's duration text: `1h30m`, `1.5s`, `-300ms`, `0`. Throws kind `invalid` in Go's words. */
export function parseDuration(text: string): number {
  const invalid = (why: string) => new EngineError('invalid', `time: ${why} ${JSON.stringify(text)}`)
  const sign = text.startsWith('-') ? -1 : 1
  let rest = text.replace(/^[-+]/, '')
  if (rest === '0') return 0
  if (rest === '') throw invalid('invalid duration')
  let total = 0
  while (rest !== '') {
    const part = /^(\d+\.?\d*|\.\d+)([^\d.]*)/.exec(rest)
    if (!part) throw invalid('invalid duration')
    const unit = part[2] ?? ''
    if (unit === '') throw invalid('missing unit in duration')
    const factor = nanoseconds[unit]
    if (factor === undefined)
      throw new EngineError(
        'invalid',
        `time: unknown unit ${JSON.stringify(unit)} in duration ${JSON.stringify(text)}`,
      )
    total += Number(part[1]) * factor
    rest = rest.slice(part[0].length)
  }
  return Math.round(total) * sign
}

/** Go's text of a duration in nanoseconds: `1h30m0s`, `1.5s`, `300ms`, `0s`. */
export function formatDuration(ns: number): string {
  const sign = ns < 0 ? '-' : ''
  const value = Math.abs(ns)
  if (value === 0) return '0s'
  if (value < 1e3) return `${sign}${value}ns`
  if (value < 1e6) return `${sign}${value / 1e3}µs`
  if (value < 1e9) return `${sign}${value / 1e6}ms`
  const hours = Math.trunc(value / 3600e9)
  const minutes = Math.trunc((value % 3600e9) / 60e9)
  const seconds = (value % 60e9) / 1e9
  const head = hours > 0 ? `${hours}h${minutes}m` : minutes > 0 ? `${minutes}m` : ''
  return `${sign}${head}${seconds}s`
}
