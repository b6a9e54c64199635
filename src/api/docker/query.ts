import { EngineError } from '../../lib/errors.ts'

/** Query parameters, decoded as docker's server does. */
export class Query {
  readonly #values: URLSearchParams

  constructor(search: string) {
    this.#values = new URLSearchParams(search)
  }

  /** The first value; empty when absent. */
  text(name: string): string {
    return this.#values.get(name) ?? ''
  }

  optional(name: string): string | undefined {
    return this.#values.get(name) || undefined
  }

  all(name: string): string[] {
    return this.#values.getAll(name)
  }

  has(name: string): boolean {
    return this.#values.has(name)
  }

  /** Docker: empty, 0, no, false and none are false (any case), everything else is true. */
  flag(name: string, o: { fallback?: boolean } = {}): boolean {
    const value = this.#values.get(name)
    if (value === null) return o.fallback ?? false
    return !['', '0', 'no', 'false', 'none'].includes(value.trim().toLowerCase())
  }

  /** A whole number; throws kind `invalid` naming the parameter. */
  integer(name: string): number | undefined {
    const value = this.#values.get(name)
    if (value === null || value === '') return undefined
    if (!/^-?\d{1,15}$/.test(value))
      throw new EngineError(
        'invalid',
        `invalid value for ${name}: ${JSON.stringify(value)}: want a whole number`,
      )
    return Number(value)
  }

  /** JSON in a parameter, undecoded. */
  json(name: string): unknown {
    const value = this.#values.get(name)
    if (value === null || value === '') return undefined
    try {
      return JSON.parse(value)
    } catch (cause) {
      throw new EngineError('invalid', `invalid value for ${name}: not JSON`, { cause })
    }
  }
}
