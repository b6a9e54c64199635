import { EngineError } from '../lib/errors.ts'
import { parseDuration } from '../lib/units.ts'

/**
 * Decodes `--since` and `--until`: a duration back from now (`42m`), Unix seconds, or a date (`2013-01-02`,
 * `2013-01-02T13:23:37Z`; without a zone, local). Gives `seconds.nanoseconds`, as the API takes it. Throws kind `invalid`.
 */
export function parseTimestamp(text: string, now: number = Date.now()): string {
  if (/^\d+(\.\d{1,9})?$/.test(text)) return text
  if (/^\d{4}-/.test(text)) return parseDate(text)
  const milliseconds = now - durationOf(text) / 1e6
  const seconds = Math.floor(milliseconds / 1000)
  return `${seconds}.${String(Math.round((milliseconds - seconds * 1000) * 1e6)).padStart(9, '0')}`
}

function durationOf(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new EngineError('invalid', unreadable(text), { cause: error })
  }
}

const unreadable = (text: string) => `failed to parse value as time or duration: ${JSON.stringify(text)}`

function parseDate(text: string): string {
  const match = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d))?(?::(\d\d))?(\.\d{1,9})?)?(Z|[-+]\d\d:\d\d)?$/.exec(
    text,
  )
  const [, date = '', hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = match ?? []
  const milliseconds = Date.parse(`${date}T${hour}:${minute}:${second}${zone}`)
  if (!match || Number.isNaN(milliseconds)) throw new EngineError('invalid', unreadable(text))
  return `${Math.floor(milliseconds / 1000)}.${fraction.slice(1).padEnd(9, '0')}`
}

/** Go's `2024-01-02 15:04:05 +0000 UTC`, in local time. */
export function goTime(milliseconds: number): string {
  const date = new Date(milliseconds)
  const pad = (n: number) => String(Math.abs(n)).padStart(2, '0')
  const offset = -date.getTimezoneOffset()
  const zone = `${offset < 0 ? '-' : '+'}${pad(Math.trunc(offset / 60))}${pad(offset % 60)}`
  const name =
    offset === 0
      ? 'UTC'
      : new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).format(date).split(' ').at(-1)
  return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())} ${zone} ${name}`
}

/** Go's RFC3339 in local time, with nanoseconds when given. */
export function rfc3339(seconds: number, nanoseconds = 0): string {
  const date = new Date(seconds * 1000)
  const offset = -date.getTimezoneOffset()
  const pad = (n: number) => String(Math.abs(n)).padStart(2, '0')
  const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, 19)
  const zone =
    offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${pad(Math.trunc(offset / 60))}:${pad(offset % 60)}`
  return `${local}${nanoseconds === 0 ? '' : `.${String(nanoseconds).padStart(9, '0')}`}${zone}`
}
