/** Syntax of Go's text/template: text to tree. What the tree means is in go-template.ts. */
import { EngineError } from './errors.ts'

/** A bad template or one that does not fit its data; the message is Go's. */
export class TemplateError extends EngineError {
  constructor(message: string) {
    super('invalid', message)
    this.name = 'TemplateError'
  }
}

export type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'action'; readonly pipe: Pipe }
  | {
      readonly type: 'if' | 'with' | 'range'
      readonly pipe: Pipe
      readonly body: Node[]
      readonly otherwise: Node[]
    }
  | { readonly type: 'break' | 'continue' }
  /** `{{template "name" pipe}}`; a `{{block}}` is a definition and this. */
  | { readonly type: 'template'; readonly name: string; readonly pipe: Pipe | undefined; readonly at: At }

export interface Tree {
  readonly nodes: readonly Node[]
  /** Bodies of `{{define}}` and `{{block}}` by their names. */
  readonly definitions: ReadonlyMap<string, readonly Node[]>
}

export interface Pipe {
  /** Variables that the pipeline sets, with their `$`. */
  readonly variables: readonly string[]
  readonly declares: boolean
  readonly commands: readonly Command[]
  readonly at: At
}

export interface Command {
  readonly operands: readonly Operand[]
  readonly at: At
}

/** Where in the template a piece stands (byte offset) and how it reads, for error texts. */
export interface At {
  readonly offset: number
  readonly text: string
}

export type Operand =
  | { readonly type: 'dot'; readonly at: At }
  | { readonly type: 'literal'; readonly value: string | number | boolean | null; readonly at: At }
  | { readonly type: 'function'; readonly name: string; readonly at: At }
  | { readonly type: 'variable'; readonly name: string; readonly at: At }
  | {
      readonly type: 'field'
      readonly base: Operand | undefined
      readonly names: readonly string[]
      readonly at: At
    }
  | { readonly type: 'pipe'; readonly pipe: Pipe; readonly at: At }

type TokenType =
  | 'text'
  | 'open'
  | 'close'
  | 'field'
  | 'variable'
  | 'word'
  | 'dot'
  | 'literal'
  | 'symbol'
  | 'end'

interface Token {
  readonly type: TokenType
  readonly text: string
  readonly offset: number
  readonly value?: string | number
  /** White space came before: `.A .B` are two operands, `.A.B` is one. */
  readonly spaced: boolean
}

/** Byte offset within its line, and the line: as Go gives positions. */
export function position(source: string, offset: number): { line: number; column: number } {
  const before = source.slice(0, offset)
  const start = before.lastIndexOf('\n') + 1
  return { line: before.split('\n').length, column: Buffer.byteLength(before.slice(start)) }
}

export function parseTemplate(source: string, isFunction: (name: string) => boolean): Tree {
  return new Parser(source, tokenize(source), isFunction).parse()
}

function failure(source: string, offset: number, message: string): TemplateError {
  return new TemplateError(`template: :${position(source, offset).line}: ${message}`)
}

function tokenize(source: string): Token[] {
  const tokens: Token[] = []
  let offset = 0
  let trimNext = false
  while (offset < source.length) {
    const open = source.indexOf('{{', offset)
    let text = source.slice(offset, open < 0 ? source.length : open)
    if (trimNext) text = text.trimStart()
    const trimsLeft = open >= 0 && /^-\s/.test(source.slice(open + 2, open + 4))
    if (trimsLeft) text = text.trimEnd()
    if (text !== '') tokens.push({ type: 'text', text, offset, spaced: false })
    if (open < 0) break
    const start = open + 2 + (trimsLeft ? 1 : 0)
    const comment = /^\s*\/\*[\s\S]*?\*\/(\s-)?\s*\}\}/.exec(source.slice(start))
    if (comment) {
      offset = start + comment[0].length
      trimNext = comment[1] !== undefined
      continue
    }
    tokens.push({ type: 'open', text: '{{', offset: open, spaced: false })
    const end = tokenizeAction(source, start, tokens)
    offset = end.offset
    trimNext = end.trim
  }
  tokens.push({ type: 'end', text: 'EOF', offset: source.length, spaced: false })
  return tokens
}

const lexemes: readonly (readonly [TokenType, RegExp])[] = [
  ['field', /\.[\p{L}_][\p{L}\p{N}_]*/uy],
  ['variable', /\$[\p{L}\p{N}_]*/uy],
  ['literal', /"(?:\\.|[^"\\\n])*"|`[^`]*`|'(?:\\.|[^'\\\n])+'/y],
  ['literal', /[-+]?(?:0[xX][0-9a-fA-F]+|\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)/y],
  ['word', /[\p{L}_][\p{L}\p{N}_]*/uy],
  ['dot', /\./y],
  ['symbol', /:=|[=|(),]/y],
]

function tokenizeAction(source: string, start: number, tokens: Token[]): { offset: number; trim: boolean } {
  let offset = start
  for (;;) {
    const space = /\s*/y
    space.lastIndex = offset
    const blank = space.exec(source)?.[0].length ?? 0
    offset += blank
    const spaced = blank > 0
    const close =
      spaced && source.startsWith('-}}', offset) ? '-}}' : source.startsWith('}}', offset) ? '}}' : ''
    if (close !== '') {
      tokens.push({ type: 'close', text: '}}', offset, spaced })
      return { offset: offset + close.length, trim: close === '-}}' }
    }
    if (offset >= source.length) throw failure(source, start, 'unclosed action')
    const token = lexeme(source, offset, spaced)
    tokens.push(token)
    offset += token.text.length
  }
}

function lexeme(source: string, offset: number, spaced: boolean): Token {
  for (const [type, regexp] of lexemes) {
    regexp.lastIndex = offset
    const text = regexp.exec(source)?.[0]
    if (text === undefined) continue
    if (type !== 'literal') return { type, text, offset, spaced }
    return { type, text, offset, spaced, value: literalValue(source, offset, text) }
  }
  const ch = String.fromCodePoint(source.codePointAt(offset) ?? 0)
  if (ch === '"') throw failure(source, offset, 'unterminated quoted string')
  if (ch === '`') throw failure(source, offset, 'unterminated raw quoted string')
  throw failure(
    source,
    offset,
    `unrecognized character in action: U+${(ch.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')} '${ch}'`,
  )
}

function literalValue(source: string, offset: number, text: string): string | number {
  if (text.startsWith('`')) return text.slice(1, -1)
  if (!/^["']/.test(text)) return Number(text)
  const body = text.slice(1, -1)
  const simple: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    a: '\x07',
    b: '\b',
    f: '\f',
    v: '\v',
  }
  const value = body.replace(
    /\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|([ntrabfv\\"']))|\\./g,
    (all: string, x?: string, u?: string, long?: string, octal?: string, plain?: string) => {
      if (plain !== undefined) return simple[plain] ?? plain
      const hex = x ?? u ?? long
      if (hex === undefined && octal === undefined)
        throw failure(source, offset, `invalid syntax: ${text} (${all})`)
      return String.fromCodePoint(
        hex === undefined ? Number.parseInt(octal ?? '', 8) : Number.parseInt(hex, 16),
      )
    },
  )
  return text.startsWith("'") ? (value.codePointAt(0) ?? 0) : value
}

const blocks = ['if', 'with', 'range'] as const

class Parser {
  readonly #source: string
  readonly #tokens: readonly Token[]
  readonly #isFunction: (name: string) => boolean
  #index = 0
  #variables: string[] = ['$']
  #loops = 0
  readonly #definitions = new Map<string, readonly Node[]>()

  constructor(source: string, tokens: readonly Token[], isFunction: (name: string) => boolean) {
    this.#source = source
    this.#tokens = tokens
    this.#isFunction = isFunction
  }

  parse(): Tree {
    const { nodes, end } = this.#list()
    if (end) throw this.#fail(`unexpected {{${end}}}`)
    return { nodes, definitions: this.#definitions }
  }

  /** Nodes up to `{{end}}`, `{{else …}}` or the end of the text. */
  #list(): { nodes: Node[]; end: 'end' | 'else' | undefined } {
    const nodes: Node[] = []
    for (;;) {
      const token = this.#next()
      if (token.type === 'end') return { nodes, end: undefined }
      if (token.type === 'text') {
        nodes.push({ type: 'text', text: token.text })
        continue
      }
      const word = this.#peek().type === 'word' ? this.#peek().text : ''
      if (word === 'end') {
        this.#next()
        this.#close('end')
        return { nodes, end: 'end' }
      }
      if (word === 'else') {
        this.#next()
        return { nodes, end: 'else' }
      }
      if (word === 'define') this.#define()
      else nodes.push(this.#action(word))
    }
  }

  #action(word: string): Node {
    const block = blocks.find((name) => name === word)
    if (block) {
      this.#next()
      return this.#block(block)
    }
    if (word === 'break' || word === 'continue') {
      this.#next()
      if (this.#loops === 0) throw this.#fail(`{{${word}}} outside {{range}}`)
      this.#close(word)
      return { type: word }
    }
    if (word === 'template' || word === 'block') return this.#template(word)
    const pipe = this.#pipe('command')
    this.#close('command')
    return { type: 'action', pipe }
  }

  #define(): void {
    this.#next()
    const { name } = this.#name('define')
    this.#close('define')
    this.#body(name)
  }

  #template(word: 'template' | 'block'): Node {
    this.#next()
    const { name, at } = this.#name(word)
    const pipe = this.#peek().type === 'close' ? undefined : this.#pipe(word)
    this.#close(word)
    if (word === 'block') this.#body(name)
    return { type: 'template', name, pipe, at }
  }

  #name(context: string): { name: string; at: At } {
    const token = this.#next()
    if (token.type !== 'literal' || typeof token.value !== 'string')
      throw this.#fail(`unexpected ${JSON.stringify(token.text)} in ${context} clause`)
    return { name: token.value, at: { offset: token.offset, text: `{{template ${token.text}}}` } }
  }

  /** Up to `{{end}}`. Go: a definition sees no variables but `$`, which is what it is given. */
  #body(name: string): void {
    const [variables, loops] = [this.#variables, this.#loops]
    this.#variables = ['$']
    this.#loops = 0
    const { nodes, end } = this.#list()
    if (end !== 'end') throw this.#fail(end === undefined ? 'unexpected EOF' : `unexpected {{${end}}}`)
    this.#definitions.set(name, nodes)
    this.#variables = variables
    this.#loops = loops
  }

  #block(type: (typeof blocks)[number]): Node {
    const scope = this.#variables
    this.#variables = [...scope]
    const pipe = this.#pipe(type)
    this.#close(type)
    if (type === 'range') this.#loops++
    const { nodes, end } = this.#list()
    if (type === 'range') this.#loops--
    let otherwise: Node[] = []
    if (end === undefined) throw this.#fail('unexpected EOF')
    if (end === 'else') otherwise = this.#else(type)
    this.#variables = scope
    return { type, pipe, body: nodes, otherwise }
  }

  #else(type: (typeof blocks)[number]): Node[] {
    const chained = this.#peek()
    if (chained.type === 'word' && chained.text === type && type !== 'range') {
      this.#next()
      // `{{else if}}` nests, and shares the one `{{end}}`.
      return [this.#block(type)]
    }
    this.#close('else')
    const { nodes, end } = this.#list()
    if (end === undefined) throw this.#fail('unexpected EOF')
    if (end === 'else') throw this.#fail('expected end; found {{else}}')
    return nodes
  }

  #pipe(context: string): Pipe {
    const start = this.#peek()
    const { variables, declares } = this.#declarations(context)
    const commands: Command[] = []
    for (;;) {
      const command = this.#command(context)
      const first = command.operands[0]
      if (commands.length > 0 && first && (first.type === 'literal' || first.type === 'dot'))
        throw this.#fail(`non executable command in pipeline stage ${commands.length + 1}`)
      commands.push(command)
      if (this.#peek().text !== '|' || this.#peek().type !== 'symbol') break
      this.#next()
    }
    // A variable is known from after its pipeline on.
    if (declares) this.#variables.push(...variables)
    return { variables, declares, commands, at: this.#at(start.offset, this.#peek().offset) }
  }

  #declarations(context: string): { variables: string[]; declares: boolean } {
    const none = { variables: [], declares: false }
    const first = this.#peek()
    if (first.type !== 'variable') return none
    const second = this.#tokens[this.#index + 1]
    const third = this.#tokens[this.#index + 2]
    const fourth = this.#tokens[this.#index + 3]
    if (second?.text === ',' && third?.type === 'variable' && context === 'range') {
      if (fourth?.text !== ':=' && fourth?.text !== '=') throw this.#fail('missing := in range')
      this.#index += 4
      return { variables: [first.text, third.text], declares: fourth.text === ':=' }
    }
    if (second?.type !== 'symbol' || (second.text !== ':=' && second.text !== '=')) return none
    this.#index += 2
    if (second.text === '=') this.#known(first)
    return { variables: [first.text], declares: second.text === ':=' }
  }

  #command(context: string): Command {
    const operands: Operand[] = []
    const start = this.#peek()
    for (;;) {
      const token = this.#peek()
      if (
        token.type === 'close' ||
        token.type === 'end' ||
        (token.type === 'symbol' && /[|)]/.test(token.text))
      )
        break
      operands.push(this.#operand())
    }
    if (operands.length === 0) {
      const token = this.#peek()
      if (token.type === 'close' || token.text === ')') throw this.#fail(`missing value for ${context}`)
      throw this.#fail(`unexpected "${token.text}" in ${context}`)
    }
    return { operands, at: this.#at(start.offset, this.#peek().offset) }
  }

  #operand(): Operand {
    const token = this.#next()
    let operand = this.#term(token)
    const first = this.#peek()
    if (first.type !== 'field' || first.spaced) return operand
    const names: string[] = []
    while (this.#peek().type === 'field' && !this.#peek().spaced) names.push(this.#next().text.slice(1))
    if (operand.type === 'literal') throw this.#fail(`unexpected <.${names[0]}> after term ${token.text}`)
    const text = this.#source.slice(token.offset, this.#lastEnd())
    // Go: the position of a chain is that of its second part.
    const at = { offset: first.offset, text }
    operand =
      operand.type === 'field' && operand.base === undefined
        ? { ...operand, names: [...operand.names, ...names], at }
        : { type: 'field', base: operand, names, at }
    return operand
  }

  #term(token: Token): Operand {
    const at = { offset: token.offset, text: token.text }
    switch (token.type) {
      case 'dot':
        return { type: 'dot', at }
      case 'field':
        return { type: 'field', base: undefined, names: [token.text.slice(1)], at }
      case 'literal':
        return { type: 'literal', value: token.value ?? '', at }
      case 'variable':
        this.#known(token)
        return { type: 'variable', name: token.text, at }
      case 'word':
        if (token.text === 'true' || token.text === 'false')
          return { type: 'literal', value: token.text === 'true', at }
        if (token.text === 'nil') return { type: 'literal', value: null, at }
        if (!this.#isFunction(token.text)) throw this.#fail(`function "${token.text}" not defined`)
        return { type: 'function', name: token.text, at }
      case 'symbol':
        if (token.text === '(') {
          const pipe = this.#pipe('parenthesized pipeline')
          const end = this.#next()
          if (end.text !== ')') throw this.#fail('unclosed left paren')
          return { type: 'pipe', pipe, at: this.#at(token.offset, end.offset + 1) }
        }
        throw this.#fail(`unexpected "${token.text}" in operand`)
      default:
        throw this.#fail(`unexpected "${token.text}" in operand`)
    }
  }

  #known(token: Token): void {
    if (!this.#variables.includes(token.text)) throw this.#fail(`undefined variable "${token.text}"`)
  }

  #close(context: string): void {
    const token = this.#next()
    if (token.type !== 'close') throw this.#fail(`unexpected "${token.text}" in ${context}`)
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#index, this.#tokens.length - 1)] as Token
  }

  #next(): Token {
    const token = this.#peek()
    this.#index++
    return token
  }

  #lastEnd(): number {
    const last = this.#tokens[this.#index - 1] as Token
    return last.offset + last.text.length
  }

  #at(start: number, end: number): At {
    return { offset: start, text: this.#source.slice(start, end).trim() }
  }

  #fail(message: string): TemplateError {
    return failure(this.#source, this.#peek().offset, message)
  }
}
