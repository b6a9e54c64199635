import { HclError, type Expression, type ForExpression, type TemplatePart, type Value } from './hcl-syntax.ts'
import { equal, isMap, show, toBoolean, toNumber, toText, typeName } from './hcl-values.ts'

/** Where names lead. Throws HclError for what there is not. */
export interface Scope {
  get(name: string): Value
  /** `target.app.tags` and the like; undefined when it is none of those. */
  blockAttribute?(type: string, block: string, attribute: string): Value | undefined
  call(name: string, args: readonly Value[]): Value
}

/** Names of its own in front of others. */
export function inner(scope: Scope, names: ReadonlyMap<string, Value>): Scope {
  return {
    get: (name) => {
      const own = names.get(name)
      return own === undefined ? scope.get(name) : own
    },
    blockAttribute: (type, block, attribute) => scope.blockAttribute?.(type, block, attribute),
    call: (name, args) => scope.call(name, args),
  }
}

const element = '\0element'

export function evaluate(e: Expression, scope: Scope): Value {
  switch (e.kind) {
    case 'literal':
      return e.value
    case 'template':
      return renderParts(e.parts, scope)
    case 'name':
      return scope.get(e.name)
    case 'attribute':
      return attributeOf(e, scope)
    case 'index':
      return elementOf(evaluate(e.of, scope), evaluate(e.key, scope))
    case 'splat': {
      const of = evaluate(e.of, scope)
      const list = of === null ? [] : Array.isArray(of) ? of : [of]
      return list.map((item) => evaluate(e.each, inner(scope, new Map([[element, item]]))))
    }
    case 'element':
      return scope.get(element)
    case 'call':
      return e.name === 'try' || e.name === 'can'
        ? attempt(e, scope)
        : scope.call(e.name, argumentsOf(e, scope))
    case 'unary': {
      const operand = evaluate(e.operand, scope)
      return e.operator === '-' ? -toNumber(operand) : !toBoolean(operand)
    }
    case 'binary':
      return binary(e, scope)
    case 'conditional':
      return evaluate(toBoolean(evaluate(e.test, scope)) ? e.yes : e.no, scope)
    case 'tuple':
      return e.items.map((item) => evaluate(item, scope))
    case 'object':
      return new Map(e.entries.map(([key, value]) => [toText(evaluate(key, scope)), evaluate(value, scope)]))
    case 'for':
      return forOf(e, scope)
  }
}

/** `try(a, b)`: the first that has a value; `can(a)`: whether it has one. */
function attempt(e: Extract<Expression, { kind: 'call' }>, scope: Scope): Value {
  let last: unknown = new HclError(`${e.name}(…) needs an argument`)
  for (const arg of e.args) {
    try {
      const value = evaluate(arg, scope)
      return e.name === 'can' ? true : value
    } catch (error) {
      if (!(error instanceof HclError)) throw error
      last = error
    }
  }
  if (e.name === 'can' && e.args.length > 0) return false
  throw last
}

function argumentsOf(e: Extract<Expression, { kind: 'call' }>, scope: Scope): Value[] {
  const args = e.args.map((arg) => evaluate(arg, scope))
  if (!e.spread) return args
  const rest = args.pop()
  if (!Array.isArray(rest)) throw new HclError(`${e.name}(…): what stands before "..." must be a list`)
  return [...args, ...rest]
}

function attributeOf(e: Extract<Expression, { kind: 'attribute' }>, scope: Scope): Value {
  const path = pathOf(e)
  const [type, block, attribute] = path ?? []
  if (path?.length === 3 && type !== undefined && block !== undefined && attribute !== undefined) {
    const found = scope.blockAttribute?.(type, block, attribute)
    if (found !== undefined) return found
  }
  const of = evaluate(e.of, scope)
  if (!isMap(of))
    throw new HclError(`${show(of)} is ${typeName(of)}: it has no attribute ${JSON.stringify(e.name)}`)
  const value = of.get(e.name)
  if (value === undefined) throw new HclError(`this object has no attribute ${JSON.stringify(e.name)}`)
  return value
}

/** `a.b.c` as words, when it is no more than that; `a["b"].c` too. */
function pathOf(e: Expression): string[] | undefined {
  if (e.kind === 'name') return [e.name]
  if (e.kind === 'attribute') {
    const before = pathOf(e.of)
    return before && [...before, e.name]
  }
  if (e.kind === 'index' && e.key.kind === 'literal' && typeof e.key.value === 'string') {
    const before = pathOf(e.of)
    return before && [...before, e.key.value]
  }
  return undefined
}

export function elementOf(of: Value, key: Value): Value {
  if (isMap(of)) {
    const value = of.get(toText(key))
    if (value === undefined) throw new HclError(`this object has no element ${show(key)}`)
    return value
  }
  if (!Array.isArray(of)) throw new HclError(`${show(of)} is ${typeName(of)}: it has no elements`)
  const value = of[toNumber(key)]
  if (value === undefined)
    throw new HclError(`this list has ${of.length} elements: there is no element ${show(key)}`)
  return value
}

function binary(e: Extract<Expression, { kind: 'binary' }>, scope: Scope): Value {
  const left = evaluate(e.left, scope)
  // As in HCL, both sides are looked at in any case.
  const right = evaluate(e.right, scope)
  switch (e.operator) {
    case '||':
      return toBoolean(left) || toBoolean(right)
    case '&&':
      return toBoolean(left) && toBoolean(right)
    case '==':
      return equal(left, right)
    case '!=':
      return !equal(left, right)
    case '<':
      return toNumber(left) < toNumber(right)
    case '>':
      return toNumber(left) > toNumber(right)
    case '<=':
      return toNumber(left) <= toNumber(right)
    case '>=':
      return toNumber(left) >= toNumber(right)
    case '+':
      return toNumber(left) + toNumber(right)
    case '-':
      return toNumber(left) - toNumber(right)
    case '*':
      return toNumber(left) * toNumber(right)
    case '/': {
      const by = toNumber(right)
      if (by === 0) throw new HclError('division by zero')
      return toNumber(left) / by
    }
    case '%':
      return toNumber(left) % toNumber(right)
  }
}

function* entriesOf(of: Value): Generator<[Value, Value]> {
  if (Array.isArray(of)) for (const [index, item] of of.entries()) yield [index, item]
  else if (isMap(of)) for (const key of [...of.keys()].toSorted()) yield [key, of.get(key) ?? null]
  else throw new HclError(`${show(of)} is ${typeName(of)}: "for" needs a list or an object`)
}

const bound = (names: { keyName: string | undefined; valueName: string }, key: Value, value: Value) =>
  new Map([
    ...(names.keyName === undefined ? [] : [[names.keyName, key] as const]),
    [names.valueName, value] as const,
  ])

function forOf(e: ForExpression, scope: Scope): Value {
  const list: Value[] = []
  const map = new Map<string, Value>()
  for (const [key, value] of entriesOf(evaluate(e.of, scope))) {
    const own = inner(scope, bound(e, key, value))
    if (e.test && !toBoolean(evaluate(e.test, own))) continue
    const result = evaluate(e.value, own)
    if (!e.key) {
      list.push(result)
      continue
    }
    const name = toText(evaluate(e.key, own))
    const before = map.get(name)
    if (e.grouped) map.set(name, [...(Array.isArray(before) ? before : []), result])
    else if (before === undefined) map.set(name, result)
    else
      throw new HclError(`"for" gives the key ${JSON.stringify(name)} twice: use "..." to collect its values`)
  }
  return e.key ? map : list
}

function renderParts(parts: readonly TemplatePart[], scope: Scope): string {
  return parts.map((part) => renderPart(part, scope)).join('')
}

function renderPart(part: TemplatePart, scope: Scope): string {
  switch (part.kind) {
    case 'text':
      return part.text
    case 'value':
      return toText(evaluate(part.value, scope))
    case 'if':
      return renderParts(toBoolean(evaluate(part.test, scope)) ? part.yes : part.no, scope)
    case 'for':
      return [...entriesOf(evaluate(part.of, scope))]
        .map(([key, value]) => renderParts(part.body, inner(scope, bound(part, key, value))))
        .join('')
  }
}
