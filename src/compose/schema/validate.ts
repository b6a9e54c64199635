/** Holds a tree to the schema: the first fault in the order of the file, with its place and what was probably meant. */
import { closest } from '../../lib/closest.ts'
import {
  ComposeError,
  dotted,
  printed,
  type Entry,
  type Mapping,
  type Node,
  type Path,
  type Scalar,
} from '../node.ts'
import type { MappingRule, Rule, Type } from './rule.ts'

export function validate(node: Node, rule: Rule, path: Path = []): void {
  switch (rule.kind) {
    case 'anything':
      return
    case 'either':
      return validate(node, chosen(node, rule.rules) ?? refuse(node, rule, path), path)
    case 'mapping':
      if (node.kind !== 'mapping') refuse(node, rule, path)
      else validateMapping(node, rule, path)
      return
    case 'list':
      if (node.kind !== 'sequence') return void refuse(node, rule, path)
      node.items.forEach((item, index) => validate(item, rule.items, [...path, String(index)]))
      if (rule.unique) validateUnique(node.items, path)
      return
    case 'value':
      return validateValue(node, rule, path)
  }
}

/** The alternative that takes this kind of value. */
function chosen(node: Node, rules: readonly Rule[]): Rule | undefined {
  return rules.find((rule) => {
    if (rule.kind === 'value') return node.kind === 'scalar' && hasType(node, rule.types)
    return node.kind === (rule.kind === 'list' ? 'sequence' : rule.kind)
  })
}

function hasType({ value, float = false }: Scalar, types: readonly Type[]): boolean {
  if (value === null) return types.includes('null')
  if (typeof value !== 'number') return types.includes(typeof value as 'string' | 'boolean') // all that is left
  return types.includes('number') || (types.includes('integer') && (!float || Number.isInteger(value)))
}

function refuse(node: Node, rule: Rule, path: Path): never {
  throw new ComposeError(
    node.at,
    `${dotted(path)} must be ${described(rule)}${found(node, rule)}`.trimStart(),
  )
}

function described(rule: Rule): string {
  const names = [...new Set(kindsOf(rule))].toSorted()
  const last = names.pop() ?? 'something else'
  const article = /^[aeiou]/.test(names[0] ?? last) ? 'an' : 'a'
  return names.length === 0 ? `${article} ${last}` : `${article} ${names.join(', ')} or ${last}`
}

function kindsOf(rule: Rule): readonly string[] {
  if (rule.kind === 'either') return rule.rules.flatMap(kindsOf)
  return rule.kind === 'value' ? rule.types : [rule.kind]
}

function found(node: Node, rule: Rule): string {
  if (node.kind !== 'scalar') return `, not a ${node.kind === 'sequence' ? 'list' : node.kind}`
  if (node.value === null) return ', not empty'
  if (typeof node.value === 'string') return ''
  return `, not ${printed(node)}${kindsOf(rule).includes('string') ? ': put it in quotes' : ''}`
}

function validateMapping(node: Mapping, rule: MappingRule, path: Path): void {
  for (const [key, entry] of node.entries) {
    const field = Object.hasOwn(rule.fields, key) ? rule.fields[key] : undefined
    const other = rule.others?.keys.test(key) ? rule.others.rule : undefined
    if (field ?? other) validate(entry.value, field ?? other ?? rule, [...path, key])
    else if (!rule.extensible || !key.startsWith('x-')) refuseKey(key, entry, rule, path)
  }
  const missing = rule.required.find((key) => !node.entries.has(key))
  if (missing !== undefined) throw new ComposeError(node.at, `${dotted(path)} missing property '${missing}'`)
}

function refuseKey(key: string, { at }: Entry, rule: MappingRule, path: Path): never {
  const meant = closest(key, Object.keys(rule.fields))
  const hint =
    meant === undefined ? (rule.others ? whyNoName(rule.others.keys) : '') : `; did you mean '${meant}'?`
  throw new ComposeError(at, `${dotted(path)} additional properties '${key}' not allowed${hint}`.trimStart())
}

function whyNoName(keys: RegExp): string {
  return keys.source === '.' ? ': it is empty' : `; names match ${keys.source}`
}

function validateUnique(items: readonly Node[], path: Path): void {
  const seen = new Map<string, number>()
  for (const [index, item] of items.entries()) {
    if (item.kind !== 'scalar') continue
    const key = `${typeof item.value} ${printed(item)}`
    const earlier = seen.get(key)
    if (earlier !== undefined)
      throw new ComposeError(
        item.at,
        `${dotted(path)} items at ${earlier} and ${index} are equal: ${printed(item)}`,
      )
    seen.set(key, index)
  }
}

function validateValue(node: Node, rule: Extract<Rule, { kind: 'value' }>, path: Path): void {
  if (node.kind !== 'scalar' || !hasType(node, rule.types)) return refuse(node, rule, path)
  const { oneOf, pattern, min = -Infinity, max = Infinity } = rule.limits
  const where = dotted(path)
  if (typeof node.value === 'string') {
    if (oneOf && !oneOf.includes(node.value)) {
      const meant = closest(node.value, oneOf)
      const hint = meant === undefined ? '' : `; did you mean '${meant}'?`
      throw new ComposeError(
        node.at,
        `${where} value must be ${oneOf.length > 1 ? 'one of ' : ''}${oneOf.map((text) => `'${text}'`).join(', ')}${hint}`,
      )
    }
    if (pattern && !pattern.test(node.value))
      throw new ComposeError(
        node.at,
        `${where} '${node.value}' does not match pattern '${pattern.source.replace(/^\^\(\?:(.*)\)\$$/, '$1').replaceAll('(?:', '(')}'`,
      )
  }
  if (typeof node.value === 'number' && (node.value < min || node.value > max))
    throw new ComposeError(
      node.at,
      `${where} must be ${max === Infinity ? `at least ${min}` : `between ${min} and ${max}`}, not ${node.value}`,
    )
}
