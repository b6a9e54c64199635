import { EngineError } from '../../lib/errors.ts'
import type { Query } from './query.ts'

/** Docker's `filters` parameter: any of a key's values must match, and all keys. */
export class Filters {
  readonly #values: ReadonlyMap<string, readonly string[]>

  private constructor(values: ReadonlyMap<string, readonly string[]>) {
    this.#values = values
  }

  /** Decodes `{"key":["value"]}` and the older `{"key":{"value":true}}`; a key not in `known` is refused. */
  static of(query: Query, known: readonly string[]): Filters {
    const raw = query.json('filters') ?? {}
    const wrong = () => new EngineError('invalid', `invalid filters: want {"key":["value", …]}`)
    if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) throw wrong()
    const values = new Map<string, string[]>()
    for (const [key, value] of Object.entries(raw as Record<string, unknown>)) {
      if (!known.includes(key)) throw new EngineError('invalid', `invalid filter '${key}'`)
      if (typeof value !== 'object' || value === null) throw wrong()
      const list: unknown[] = Array.isArray(value)
        ? value
        : Object.entries(value)
            .filter(([, on]) => on === true)
            .map(([text]) => text)
      const texts = list.map((text) => {
        if (typeof text !== 'string') throw wrong()
        return text
      })
      values.set(key, texts)
    }
    return new Filters(values)
  }

  get(key: string): readonly string[] {
    return this.#values.get(key) ?? []
  }

  has(key: string): boolean {
    return this.get(key).length > 0
  }

  /** True when the key is not asked for, or one of its values passes. */
  any(key: string, matches: (value: string) => boolean): boolean {
    const values = this.get(key)
    return values.length === 0 || values.some(matches)
  }

  /** Labels are the exception: all must match, `name` or `name=value`. */
  labels(labels: Readonly<Record<string, string>> | null | undefined, key = 'label'): boolean {
    return this.get(key).every((wanted) => hasLabel(labels, wanted))
  }

  /** `label!`: none may match. */
  withoutLabels(labels: Readonly<Record<string, string>> | null | undefined): boolean {
    return !this.get('label!').some((unwanted) => hasLabel(labels, unwanted))
  }

  /** A switch as `dangling`; throws kind `invalid` for anything but docker's words. */
  flag(key: string): boolean | undefined {
    const value = this.get(key)[0]
    if (value === undefined) return undefined
    if (['true', '1', 't'].includes(value.toLowerCase())) return true
    if (['false', '0', 'f'].includes(value.toLowerCase())) return false
    throw new EngineError('invalid', `invalid filter '${key}=[${value}]'`)
  }
}

function hasLabel(labels: Readonly<Record<string, string>> | null | undefined, wanted: string): boolean {
  const equals = wanted.indexOf('=')
  const name = equals < 0 ? wanted : wanted.slice(0, equals)
  const value = labels && Object.hasOwn(labels, name) ? labels[name] : undefined
  return value !== undefined && (equals < 0 || value === wanted.slice(equals + 1))
}

/** Docker matches names by regular expression, or by substring where the text is not a valid one. */
export function matchesName(name: string, wanted: string): boolean {
  try {
    // oxlint-disable-next-line no-control-regex -- the user's own expression, bounded below
    return wanted.length < 256 && new RegExp(wanted).test(name)
  } catch {
    return name.includes(wanted)
  }
}

/** `until` of prune and `since` of events: Unix seconds with a fraction, RFC 3339, or a Go duration back from now. In seconds. */
export function parseTime(text: string, now: number = Date.now()): number {
  if (/^-?\d+(\.\d{1,9})?$/.test(text)) return Number(text)
  const duration = /^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)
  if (duration) {
    const unit: Record<string, number> = { ns: 1e-9, us: 1e-6, µs: 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 }
    let seconds = 0
    for (const [, count, , name] of text.matchAll(/(\d+(\.\d+)?)(ns|us|µs|ms|s|m|h)/g))
      seconds += Number(count) * (unit[name ?? ''] ?? 0)
    return now / 1000 - seconds
  }
  const time = /^\d{4}-\d\d-\d\d(T\S+)?$/.test(text) ? Date.parse(text) : Number.NaN
  if (Number.isNaN(time))
    throw new EngineError('invalid', `failed to parse value as time or duration: ${JSON.stringify(text)}`)
  return time / 1000
}
