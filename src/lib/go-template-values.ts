/** How Go sees and prints values that came as JSON. */

const maps = new WeakMap<object, { readonly ofStrings: boolean }>()

/** Says that an object is a map, not a struct; a key that a map of strings does not have gives "" to `index`. */
export function asMap<T extends object>(object: T, o: { ofStrings: boolean } = { ofStrings: false }): T {
  maps.set(object, o)
  return object
}

export function isMapOfStrings(value: object): boolean {
  return maps.get(value)?.ofStrings ?? false
}

export function isMap(value: object): boolean {
  return maps.has(value)
}

class NilList extends Array<unknown> {
  toJSON(): null {
    return null
  }
}

/** A null where Go has a slice: prints `[]`, is JSON `null`. */
export function nilList(): unknown[] {
  return new NilList()
}

/** A null where Go has a map: prints `map[]`, is JSON `null`. */
export function nilMap(o?: { ofStrings: boolean }): object {
  return asMap(Object.defineProperty({}, 'toJSON', { value: () => null }), o)
}

/** Data whose fields are computed when a template asks for them. */
export class MethodSet {
  readonly #methods: Readonly<Record<string, (...parameters: never[]) => unknown>>
  constructor(methods: Readonly<Record<string, (...parameters: never[]) => unknown>>) {
    this.#methods = methods
  }

  method(name: string): ((...parameters: readonly unknown[]) => unknown) | undefined {
    if (!Object.hasOwn(this.#methods, name)) return undefined
    // The template supplies strings and numbers; a method with parameters converts what it gets.
    return this.#methods[name] as (...parameters: readonly unknown[]) => unknown
  }

  /** All fields without parameters, sorted: docker's `--format json`. */
  toJSON(): Record<string, unknown> {
    const plain = Object.entries(this.#methods).filter(([, method]) => method.length === 0)
    plain.sort(([a], [b]) => (a < b ? -1 : 1))
    return Object.fromEntries(plain.map(([name, method]) => [name, method()]))
  }
}

/** Go's truth: not zero, not empty; a struct is always true. */
export function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  if (typeof value === 'object' && value !== null && isMap(value)) return Object.keys(value).length > 0
  return Boolean(value)
}

/** Go's `%v`. A missing or nil value prints `<no value>` as a whole output, `<nil>` inside another. */
export function formatValue(value: unknown, depth: 'top' | 'inner' = 'inner'): string {
  if (value === undefined) return depth === 'top' ? '<no value>' : '<nil>'
  if (value === null) return '<nil>'
  if (typeof value === 'string') return value
  if (typeof value === 'number') return formatNumber(value)
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value)
  if (Array.isArray(value)) return `[${value.map((item: unknown) => formatValue(item)).join(' ')}]`
  if (value instanceof MethodSet) return formatValue(value.toJSON())
  if (typeof value !== 'object') return ''
  const entries = Object.entries(value)
  if (!isMap(value)) return `{${entries.map(([, item]) => formatValue(item)).join(' ')}}`
  entries.sort(([a], [b]) => (a < b ? -1 : 1))
  return `map[${entries.map(([key, item]) => `${key}:${formatValue(item)}`).join(' ')}]`
}

/** Go's `%v` of an int64, else of a float64. */
function formatNumber(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString()
  const exponent = Math.floor(Math.log10(Math.abs(value)))
  if (exponent >= -4 && exponent < 21) return String(value)
  return value.toExponential().replace(/e([-+])(\d)$/, 'e$10$2')
}

export function typeNameOf(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return 'string'
    case 'number':
      return Number.isInteger(value) ? 'int' : 'float64'
    case 'boolean':
      return 'bool'
    default:
      return 'interface {}'
  }
}
