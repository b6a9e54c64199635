import { Scanner } from './hcl-scanner.ts'
import type { BinaryOperator, Block, Body, Expression } from './hcl-syntax.ts'
import { heredoc, quotedTemplate } from './hcl-template.ts'

/** Text → tree. Throws HclError with file, line and column. */
export function parseHcl(text: string, file: string): Body {
  const scanner = new Scanner(text.replace(/^\uFEFF/, ''), file)
  const body = parseBody(scanner, { nested: false })
  return body
}

function parseBody(s: Scanner, o: { nested: boolean }): Body {
  const attributes = new Map<string, Expression>()
  const blocks: Block[] = []
  for (;;) {
    s.space(true)
    if (o.nested && s.take('}')) break
    if (s.done) {
      if (o.nested) s.fail('a block without its closing "}"')
      break
    }
    const at = s.at
    // As JSON-minded people write it: "default" = "latest".
    const name = s.peek('"') ? literalString(s) : s.identifier()
    if (name === undefined) s.fail('expected an attribute or a block')
    if (s.peek('=') && !s.peek('==')) {
      s.expect('=')
      if (attributes.has(name)) s.fail(`attribute ${JSON.stringify(name)} is set twice`, at)
      attributes.set(name, parseExpression(s))
    } else blocks.push(parseBlock(s, name, at))
    s.space()
    if (!s.done && !s.peek('\n') && !(o.nested && s.peek('}'))) s.fail('expected a new line')
  }
  return { attributes, blocks }
}

function parseBlock(s: Scanner, type: string, at: number): Block {
  const labels: string[] = []
  while (!s.peek('{')) {
    const label = s.peek('"') ? literalString(s) : s.identifier()
    if (label === undefined) s.fail(`expected "=" or a block after ${JSON.stringify(type)}`)
    labels.push(label)
  }
  s.expect('{')
  return { type, labels, body: s.strictly(() => parseBody(s, { nested: true })), at }
}

function literalString(s: Scanner): string {
  const at = s.at
  const template = quotedTemplate(s, parseExpression)
  if (template.kind === 'literal' && typeof template.value === 'string') return template.value
  return s.fail('a name cannot have interpolations', at)
}

export function parseExpression(s: Scanner): Expression {
  const test = parseBinary(s, 0)
  if (!s.take('?')) return test
  const yes = parseExpression(s)
  s.expect(':')
  return { kind: 'conditional', test, yes, no: parseExpression(s) }
}

const levels: readonly (readonly BinaryOperator[])[] = [
  ['||'],
  ['&&'],
  ['==', '!='],
  ['<=', '>=', '<', '>'],
  ['+', '-'],
  ['*', '/', '%'],
]

function parseBinary(s: Scanner, level: number): Expression {
  const operators = levels[level]
  if (!operators) return parseUnary(s)
  let left = parseBinary(s, level + 1)
  for (;;) {
    const operator = operators.find((each) => s.peek(each))
    if (operator === undefined) return left
    s.expect(operator)
    left = { kind: 'binary', operator, left, right: parseBinary(s, level + 1) }
  }
}

function parseUnary(s: Scanner): Expression {
  if (s.take('-')) return { kind: 'unary', operator: '-', operand: parseUnary(s) }
  if (s.peek('!') && !s.peek('!=')) {
    s.expect('!')
    return { kind: 'unary', operator: '!', operand: parseUnary(s) }
  }
  return parsePostfix(s, parsePrimary(s))
}

function parsePostfix(s: Scanner, start: Expression): Expression {
  let of = start
  for (;;) {
    s.space()
    const at = s.at
    if (s.peek('...')) return of
    if (s.peek('.*') || s.peek('[*]')) {
      const attributesOnly = s.take('.*')
      if (!attributesOnly) s.expect('[*]')
      return { kind: 'splat', of, each: parseSplat(s, attributesOnly) }
    }
    if (s.take('.')) {
      const index = s.number()
      const name = index === undefined ? s.identifier() : undefined
      if (index === undefined && name === undefined) s.fail('expected a name after "."')
      of =
        name === undefined
          ? { kind: 'index', of, key: { kind: 'literal', value: index ?? 0 }, at }
          : { kind: 'attribute', of, name, at }
      continue
    }
    if (!s.take('[')) return of
    const key = s.loosely(() => parseExpression(s))
    s.loosely(() => s.expect(']'))
    of = { kind: 'index', of, key, at }
  }
}

function parseSplat(s: Scanner, attributesOnly: boolean): Expression {
  if (!attributesOnly) return parsePostfix(s, { kind: 'element' })
  let of: Expression = { kind: 'element' }
  while (s.peek('.') && !s.peek('...')) {
    const at = s.at
    s.expect('.')
    const name = s.identifier()
    if (name === undefined) s.fail('expected a name after "."')
    of = { kind: 'attribute', of, name, at }
  }
  return of
}

function parsePrimary(s: Scanner): Expression {
  s.space()
  const at = s.at
  if (s.peek('"')) return quotedTemplate(s, parseExpression)
  if (s.peek('<<')) return heredoc(s, parseExpression)
  if (s.take('('))
    return s.loosely(() => {
      const inner = parseExpression(s)
      s.expect(')')
      return inner
    })
  if (s.take('[')) return s.loosely(() => parseTuple(s))
  if (s.take('{')) return s.loosely(() => parseObject(s))
  const number = s.number()
  if (number !== undefined) return { kind: 'literal', value: number }
  const name = s.identifier()
  if (name === undefined) s.fail('expected a value')
  if (s.text[s.at] === '(') {
    s.at++
    return s.loosely(() => parseCall(s, name, at))
  }
  switch (name) {
    case 'true':
    case 'false':
      return { kind: 'literal', value: name === 'true' }
    case 'null':
      return { kind: 'literal', value: null }
    default:
      return { kind: 'name', name, at }
  }
}

function parseCall(s: Scanner, name: string, at: number): Expression {
  const args: Expression[] = []
  let spread = false
  while (!s.take(')')) {
    args.push(parseExpression(s))
    if (s.take('...')) spread = true
    if (!s.take(',')) {
      s.expect(')')
      break
    }
  }
  return { kind: 'call', name, args, spread, at }
}

function parseTuple(s: Scanner): Expression {
  if (s.keyword('for')) return parseFor(s, ']')
  const items: Expression[] = []
  while (!s.take(']')) {
    items.push(parseExpression(s))
    if (!s.take(',')) {
      s.expect(']')
      break
    }
  }
  return { kind: 'tuple', items }
}

function parseObject(s: Scanner): Expression {
  if (s.keyword('for')) return parseFor(s, '}')
  const entries: [Expression, Expression][] = []
  while (!s.take('}')) {
    const key = parseKey(s)
    if (!s.take('=') && !s.take(':')) s.fail('expected "=" after the key of an object')
    // A line ends an item here, though brackets are around.
    const value = s.strictly(() => parseExpression(s))
    entries.push([key, value])
    s.space(false)
    const newLine = s.text[s.at] === '\n'
    if (!s.take(',') && !newLine) {
      s.expect('}')
      break
    }
  }
  return { kind: 'object', entries }
}

function parseKey(s: Scanner): Expression {
  const before = s.at
  const name = s.identifier()
  s.space()
  // A bare word is its own name; anything longer is an expression.
  if (name !== undefined && (s.peek('=') || s.peek(':'))) return { kind: 'literal', value: name }
  s.at = before
  return parseExpression(s)
}

function parseFor(s: Scanner, close: ']' | '}'): Expression {
  const first = s.identifier()
  const second = s.take(',') ? s.identifier() : undefined
  if (first === undefined || !s.keyword('in')) s.fail('expected "for NAME in …"')
  const of = parseExpression(s)
  s.expect(':')
  let value = parseExpression(s)
  let key: Expression | undefined
  if (close === '}') {
    key = value
    s.expect('=>')
    value = parseExpression(s)
  }
  const grouped = s.take('...')
  const test = s.keyword('if') ? parseExpression(s) : undefined
  s.expect(close)
  const names =
    second === undefined ? { keyName: undefined, valueName: first } : { keyName: first, valueName: second }
  return { kind: 'for', ...names, of, key, value, test, grouped }
}
