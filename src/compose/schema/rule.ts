/** The words in which the schema of Compose files is written. */
export type Type = 'string' | 'number' | 'integer' | 'boolean' | 'null'

export type Rule =
  | { readonly kind: 'value'; readonly types: readonly Type[]; readonly limits: Limits }
  | { readonly kind: 'list'; readonly items: Rule; readonly unique: boolean }
  | MappingRule
  | { readonly kind: 'either'; readonly rules: readonly Rule[] }
  | { readonly kind: 'anything' }

export interface MappingRule {
  readonly kind: 'mapping'
  readonly fields: Readonly<Record<string, Rule>>
  /** For keys that are no field: which they may be, and their values. */
  readonly others: { readonly keys: RegExp; readonly rule: Rule } | undefined
  readonly required: readonly string[]
  /** Keys that begin with `x-` are allowed and not looked at. */
  readonly extensible: boolean
}

interface Limits {
  readonly oneOf?: readonly string[]
  readonly pattern?: RegExp
  readonly min?: number
  readonly max?: number
}

export const anything: Rule = { kind: 'anything' }

export function value(...types: readonly Type[]): Rule {
  return { kind: 'value', types, limits: {} }
}

export const text = value('string')
export const flag = value('boolean', 'string')
export const count = value('integer', 'string')
export const number = value('number', 'string')

export function oneOf(...texts: readonly string[]): Rule {
  return { kind: 'value', types: ['string'], limits: { oneOf: texts } }
}

export function matching(pattern: RegExp): Rule {
  return { kind: 'value', types: ['string'], limits: { pattern } }
}

/** Text, or a whole number in the range. */
export function range(min: number, max?: number): Rule {
  return { kind: 'value', types: ['integer', 'string'], limits: { min, ...(max !== undefined && { max }) } }
}

/** Text, or any number from `min` on. */
export function atLeast(min: number): Rule {
  return { kind: 'value', types: ['number', 'string'], limits: { min } }
}

export function list(items: Rule): Rule {
  return { kind: 'list', items, unique: false }
}

/** No value of it twice. */
export function set(items: Rule): Rule {
  return { kind: 'list', items, unique: true }
}

export function either(...rules: readonly Rule[]): Rule {
  return { kind: 'either', rules }
}

export function record(
  fields: Readonly<Record<string, Rule>>,
  required: readonly string[] = [],
): MappingRule {
  return { kind: 'mapping', fields, others: undefined, required, extensible: true }
}

/** Without `x-` keys. */
export function closed(
  fields: Readonly<Record<string, Rule>>,
  required: readonly string[] = [],
): MappingRule {
  return { ...record(fields, required), extensible: false }
}

export function dict(rule: Rule, keys = /./): MappingRule {
  return { kind: 'mapping', fields: {}, others: { keys, rule }, required: [], extensible: false }
}

export const nothing = value('null')
export const texts = set(text)
export const textOrTexts = either(text, texts)
/** `KEY=value` lines or a mapping. */
export const pairs = either(dict(value('boolean', 'null', 'number', 'string')), set(text))
export const options = dict(value('number', 'string'))
/** Names of services, networks, volumes and so on. */
export const name = /^[a-zA-Z0-9._-]+$/
