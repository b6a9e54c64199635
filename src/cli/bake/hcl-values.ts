import { HclError, type Value, type ValueMap } from './hcl-syntax.ts'

export const isMap = (value: Value): value is ValueMap => value instanceof Map

export function typeName(value: Value): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (isMap(value)) return 'an object'
  return (
    { string: 'a string', number: 'a number', boolean: 'a bool' }[typeof value as 'string'] ?? typeof value
  )
}

export const show = (value: Value): string => JSON.stringify(plain(value))

/** As JSON has it. */
export function plain(value: Value): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (isMap(value)) return Object.fromEntries([...value].map(([key, each]) => [key, plain(each)]))
  return value
}

export function fromPlain(value: unknown): Value {
  if (value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
    return value
  if (Array.isArray(value)) return value.map(fromPlain)
  if (typeof value === 'object')
    return new Map(Object.entries(value).map(([key, each]) => [key, fromPlain(each)]))
  throw new HclError(`a value of type ${typeof value} has no place here`)
}

export function toText(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'boolean') return String(value)
  throw new HclError(`${show(value)} is ${typeName(value)}: a string is needed`)
}

/** In plain digits, without what binary fractions add. */
function numberText(value: number): string {
  return Number.isInteger(value) ? BigInt(value).toString() : String(Number(value.toPrecision(15)))
}

export function toNumber(value: Value): number {
  if (typeof value === 'number') return value
  if (typeof value === 'string' && /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return Number(value)
  throw new HclError(`${show(value)} is ${typeName(value)}: a number is needed`)
}

export function toBoolean(value: Value): boolean {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw new HclError(`${show(value)} is ${typeName(value)}: a bool is needed`)
}

export function toList(value: Value): Value[] {
  if (Array.isArray(value)) return value
  throw new HclError(`${show(value)} is ${typeName(value)}: a list is needed`)
}

export function toMap(value: Value): ValueMap {
  if (isMap(value)) return value
  throw new HclError(`${show(value)} is ${typeName(value)}: an object is needed`)
}

export function equal(a: Value, b: Value): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, index) => equal(item, b[index] ?? null))
  if (a instanceof Map && b instanceof Map)
    return a.size === b.size && [...a].every(([key, value]) => b.has(key) && equal(value, b.get(key) ?? null))
  return a === b
}
