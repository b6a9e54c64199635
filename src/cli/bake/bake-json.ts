import { parseExpression } from './hcl-parser.ts'
import { Scanner } from './hcl-scanner.ts'
import { HclError, type Block, type Body, type Expression } from './hcl-syntax.ts'
import { wholeTemplate } from './hcl-template.ts'

/** HCL's JSON form: texts are templates, blocks are objects by name. */
export function parseJsonBake(text: string, file: string): Body {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new HclError(`${file}: this is not JSON: ${cause instanceof Error ? cause.message : ''}`, { cause })
  }
  const attributes = new Map<string, Expression>()
  const blocks: Block[] = []
  for (const [key, each] of entriesOf(value, file)) {
    if (!['target', 'group', 'variable', 'function'].includes(key))
      attributes.set(key, expressionOf(each, file))
    else
      for (const [name, body] of entriesOf(each, `${file}: ${key}`))
        blocks.push(blockOf(key, name, { value: body, file }))
  }
  return { attributes, blocks }
}

function blockOf(type: string, name: string, o: { value: unknown; file: string }): Block {
  const where = `${o.file}: ${type} ${JSON.stringify(name)}`
  const attributes = new Map<string, Expression>()
  const blocks: Block[] = []
  for (const [key, each] of entriesOf(o.value, where)) {
    if (type === 'variable' && key === 'validation')
      for (const one of Array.isArray(each) ? (each as unknown[]) : [each])
        blocks.push(blockOf('validation', name, { value: one, file: o.file }))
    // What a function gives, and its names, are expressions in themselves.
    else if ((type === 'function' && key === 'result') || (type === 'validation' && key === 'condition'))
      attributes.set(key, rawExpression(each, o.file))
    else attributes.set(key, expressionOf(each, o.file))
  }
  return { type, labels: type === 'validation' ? [] : [name], body: { attributes, blocks }, at: 0 }
}

function rawExpression(value: unknown, file: string): Expression {
  if (typeof value !== 'string') return expressionOf(value, file)
  return value.includes('${') ? expressionOf(value, file) : parseExpression(new Scanner(value, file))
}

function expressionOf(value: unknown, file: string): Expression {
  if (typeof value === 'string') return wholeTemplate(new Scanner(value, file), parseExpression)
  if (value === null || typeof value === 'number' || typeof value === 'boolean')
    return { kind: 'literal', value }
  if (Array.isArray(value)) return { kind: 'tuple', items: value.map((item) => expressionOf(item, file)) }
  return {
    kind: 'object',
    entries: entriesOf(value, file).map(([key, each]) => [
      { kind: 'literal', value: key },
      expressionOf(each, file),
    ]),
  }
}

function entriesOf(value: unknown, where: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HclError(`${where}: an object is needed`)
  return Object.entries(value)
}
