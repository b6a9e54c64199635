import { BuildError, Source, type Position, type Range } from './source.ts'

/**
 * Text → syntax tree. Knows lines, continuations, comments, parser directives and here-documents, but nothing of what
 * instructions mean. Follows BuildKit's line rules.
 */
export interface Dockerfile {
  readonly source: Source
  readonly directives: ReadonlyMap<string, { value: string; range: Range }>
  readonly escape: '\\' | '`'
  readonly instructions: readonly InstructionNode[]
  /** Lines inside a continuation that are empty: docker warns about them. */
  readonly emptyContinuations: readonly Range[]
}

export interface InstructionNode {
  /** As written. */
  readonly keyword: string
  readonly keywordRange: Range
  /** All lines of the instruction, here-documents included. */
  readonly range: Range
  /** The arguments on one logical line: continuations joined, outer white space trimmed. */
  readonly args: LogicalText
  /** `RUN a b` on one line, as docker shows it. */
  readonly original: string
  readonly heredocs: readonly Heredoc[]
}

export interface Heredoc {
  readonly name: string
  /** `<<-`: leading tabs of the content do not count. */
  readonly chomp: boolean
  /** False when the name was quoted: variables stay as they are. */
  readonly expand: boolean
  /** With its last newline; tabs still there. */
  readonly content: string
  readonly fd: number
}

interface Piece {
  readonly offset: number
  readonly at: Position
}

/** Text put together from pieces of several lines, which still knows where each character came from. */
export class LogicalText {
  readonly text: string
  /** In order; those of the whole that this is a part of, which begins at `shift`. */
  readonly #pieces: readonly Piece[]
  readonly #shift: number

  constructor(text: string, pieces: readonly Piece[], shift = 0) {
    this.text = text
    this.#pieces = pieces
    this.#shift = shift
  }

  positionOf(offset: number): Position {
    const whole = offset + this.#shift
    let [low, high] = [0, this.#pieces.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#pieces[middle]?.offset ?? 0) <= whole) low = middle + 1
      else high = middle
    }
    const { offset: begin, at } = this.#pieces[low - 1] ?? { offset: 0, at: { line: 1, column: 1 } }
    return { line: at.line, column: at.column + whole - begin }
  }

  range(start: number, end: number): Range {
    if (end <= start) return { start: this.positionOf(start), end: this.positionOf(start) }
    const last = this.positionOf(end - 1)
    return { start: this.positionOf(start), end: { line: last.line, column: last.column + 1 } }
  }

  /** The part from `start`, white space trimmed on both sides. */
  rest(start: number): LogicalText {
    const tail = this.text.slice(start)
    const skipped = tail.length - tail.trimStart().length
    return this.slice(start + skipped, start + tail.trimEnd().length)
  }

  slice(start: number, end: number): LogicalText {
    return new LogicalText(this.text.slice(start, Math.max(start, end)), this.#pieces, this.#shift + start)
  }
}

const heredocInstructions = new Set(['RUN', 'COPY', 'ADD'])
const knownDirectives = new Set(['syntax', 'escape', 'check'])

/** Throws BuildError (kind `invalid`) with the place of the fault. */
export function parseDockerfile(name: string, text: string): Dockerfile {
  const source = new Source(name, text)
  const binary = source.lines.findIndex((line) => line.includes('\0'))
  if (binary >= 0)
    throw new BuildError(
      'invalid',
      'a NUL byte is no text: a Dockerfile is UTF-8, not UTF-16 and not binary',
      {
        source,
        range: lineRange(source, binary + 1),
      },
    )
  const { directives, escape, firstLine } = parseDirectives(source)
  const emptyContinuations: Range[] = []
  const instructions: InstructionNode[] = []
  let index = firstLine
  while (index < source.lines.length) {
    const line = source.lines[index] ?? ''
    if (line.trim() === '' || isComment(line)) {
      index++
      continue
    }
    const logical = joinLines(source, index, escape, emptyContinuations)
    const node = parseInstruction(source, logical, index, escape)
    instructions.push(node)
    index = node.range.end.line
  }
  if (instructions.length === 0) {
    const last = source.lines.findLastIndex((line) => line.trim() !== '')
    const range = lineRange(source, Math.max(0, last) + 1)
    throw new BuildError('invalid', 'file with no instructions', { source, range })
  }
  return { source, directives, escape, instructions, emptyContinuations }
}

function parseDirectives(source: Source) {
  const directives = new Map<string, { value: string; range: Range }>()
  let escape: Dockerfile['escape'] = '\\'
  let index = 0
  // A `#!` line may come first, so that a Dockerfile can be executable.
  if (source.lines[0]?.startsWith('#!')) index++
  for (; index < source.lines.length; index++) {
    const line = source.lines[index] ?? ''
    const match = /^\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=(.*)$/.exec(line)
    const key = match?.[1]?.toLowerCase() ?? ''
    const value = (match?.[2] ?? '').trim()
    if (!knownDirectives.has(key) || value === '') break
    const range = lineRange(source, index + 1)
    if (directives.has(key))
      throw new BuildError('invalid', `only one ${key} parser directive can be used`, { source, range })
    directives.set(key, { value, range })
    if (key !== 'escape') continue
    if (value !== '\\' && value !== '`')
      throw new BuildError('invalid', `invalid escape token '${value}' does not match \` or \\`, {
        source,
        range,
      })
    escape = value
  }
  return { directives, escape, firstLine: index }
}

const isComment = (line: string): boolean => line.trimStart().startsWith('#')

function lineRange(source: Source, first: number, last = first): Range {
  const start = (source.lines[first - 1] ?? '').length - (source.lines[first - 1] ?? '').trimStart().length
  return {
    start: { line: first, column: start + 1 },
    end: { line: last, column: (source.lines[last - 1] ?? '').length + 1 },
  }
}

interface Logical {
  text: LogicalText
  /** 0-based index of the line after the last one used. */
  next: number
}

function joinLines(source: Source, first: number, escape: string, empty: Range[]): Logical {
  const pieces: Piece[] = []
  let text = ''
  let index = first
  for (; index < source.lines.length; index++) {
    let line = source.lines[index] ?? ''
    let column = 1
    if (index > first) {
      if (isComment(line)) continue
      if (line.trim() === '') {
        empty.push(lineRange(source, index + 1))
        continue
      }
    } else {
      column += line.length - line.trimStart().length
      line = line.trimStart()
    }
    pieces.push({ offset: text.length, at: { line: index + 1, column } })
    const end = endOfBlanks(line)
    // An escaped escape character continues nothing.
    if (line[end - 1] !== escape || line[end - 2] === escape) {
      text += line
      index++
      break
    }
    text += line.slice(0, end - 1)
  }
  return { text: new LogicalText(text, pieces), next: Math.max(first + 1, index) }
}

/** Where the blanks at the end of a line begin. */
function endOfBlanks(line: string): number {
  let end = line.length
  while (end > 0 && (line[end - 1] === ' ' || line[end - 1] === '\t')) end--
  return end
}

function parseInstruction(source: Source, logical: Logical, first: number, escape: string): InstructionNode {
  const { text } = logical
  const keyword = /^\S+/.exec(text.text)?.[0] ?? ''
  const args = text.rest(keyword.length)
  let next = logical.next
  const heredocs: Heredoc[] = []
  if (takesHeredocs(keyword, args.text)) {
    for (const start of findHeredocs(args.text, escape)) {
      const lines: string[] = []
      let closed = false
      for (; next < source.lines.length && !closed; next++) {
        const line = source.lines[next] ?? ''
        const candidate = start.chomp ? line.replace(/^\t+/, '') : line
        if (candidate === start.name) closed = true
        else lines.push(source.rawLines[next] ?? '')
      }
      if (!closed)
        throw new BuildError(
          'invalid',
          `unterminated heredoc: there is no line ${JSON.stringify(start.name)}`,
          {
            source,
            range: args.range(start.offset, start.offset + start.length),
          },
        )
      heredocs.push({
        name: start.name,
        chomp: start.chomp,
        expand: start.expand,
        fd: start.fd,
        content: lines.map((line) => `${line}\n`).join(''),
      })
    }
  }
  return {
    keyword,
    keywordRange: text.range(0, keyword.length),
    range: lineRange(source, first + 1, next),
    args,
    original: `${keyword} ${args.text}`.trim(),
    heredocs,
  }
}

function takesHeredocs(keyword: string, args: string): boolean {
  const upper = keyword.toUpperCase()
  if (upper !== 'ONBUILD') return heredocInstructions.has(upper)
  return heredocInstructions.has((/^\S+/.exec(args)?.[0] ?? '').toUpperCase())
}

interface HeredocStart {
  name: string
  chomp: boolean
  expand: boolean
  fd: number
  offset: number
  length: number
}

/** `<<NAME`, `<<-NAME`, `<<"NAME"`, `3<<NAME` as whole words outside quotes. */
export function findHeredocs(text: string, escape: string): HeredocStart[] {
  const found: HeredocStart[] = []
  for (const { start, end } of wordSpans(text, escape)) {
    const word = text.slice(start, end)
    const match = /^(\d*)<<(-?)([^<]+)$/.exec(word)
    if (!match) continue
    const raw = match[3] ?? ''
    const name = raw.replace(/\\(.)/g, '$1').replace(/["']/g, '')
    if (name === '' || /\s/.test(name)) continue
    found.push({
      name,
      chomp: match[2] === '-',
      expand: !/["'\\]/.test(raw),
      fd: match[1] === '' ? 0 : Number(match[1]),
      offset: start,
      length: end - start,
    })
  }
  return found
}

/** Spans of words (at most so many) as a shell would split them, quotes and escapes kept inside. */
export function wordSpans(text: string, escape: string, most = Infinity): { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = []
  let start = -1
  let quote = ''
  for (let i = 0; i < text.length && spans.length < most; i++) {
    const ch = text[i] ?? ''
    if (start < 0) {
      if (/\s/.test(ch)) continue
      start = i
    }
    if (ch === escape && quote !== "'") i++
    else if (quote !== '') {
      if (ch === quote) quote = ''
    } else if (ch === '"' || ch === "'") quote = ch
    else if (/\s/.test(ch)) {
      spans.push({ start, end: i })
      start = -1
    }
  }
  if (start >= 0) spans.push({ start, end: text.length })
  return spans
}
