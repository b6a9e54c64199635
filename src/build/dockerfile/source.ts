import { EngineError, type ErrorKind } from '../../lib/errors.ts'

/** 1-based line and column (in UTF-16 units). */
export interface Position {
  readonly line: number
  readonly column: number
}

/** Where a piece of a Dockerfile stands; `end` is just past its last character. */
export interface Range {
  readonly start: Position
  readonly end: Position
}

/** A Dockerfile's text by lines, to show people where they are. */
export class Source {
  readonly name: string
  readonly lines: readonly string[]
  /** With the `\r` of Windows line ends, which is a part of here-documents. */
  readonly rawLines: readonly string[]

  constructor(name: string, text: string) {
    this.name = name
    this.rawLines = text.replace(/^\uFEFF/, '').split('\n')
    const last = this.rawLines.length - 1
    this.lines = this.rawLines.map((line, index) => (index < last ? line.replace(/\r$/, '') : line))
  }

  /** The lines around a range with numbers, `>>>` on those it covers and carets below a part of one line. Ends with a newline. */
  excerpt(range: Range): string {
    const first = Math.max(1, range.start.line - 2)
    const last = Math.min(this.lines.length, range.end.line + 2)
    const out = [`${this.name}:${range.start.line}`, '--------------------']
    for (let line = first; line <= last; line++) {
      // Of one column each, so that carets stay where they belong.
      const text = (this.lines[line - 1] ?? '').replace(/(?!\t)\p{Cc}/gu, '\uFFFD')
      const inside = line >= range.start.line && line <= range.end.line
      if (line > range.end.line && text.trim() === '' && line === last) continue
      out.push(`${String(line).padStart(4)} | ${inside ? '>>>' : '   '} ${text}`.trimEnd())
      if (inside && range.start.line === range.end.line) out.push(caret(text, range))
    }
    out.push('--------------------', '')
    return out.join('\n')
  }
}

/** `^` below the part that is meant; tabs stay tabs so that it lines up. */
function caret(text: string, range: Range): string {
  const before = text.slice(0, range.start.column - 1).replace(/[^\t]/g, ' ')
  const width = Math.max(1, Math.min(text.length + 1, range.end.column) - range.start.column)
  return `     |     ${before}${'^'.repeat(width)}`
}

/** A failure that has a place in the Dockerfile. `message` is one sentence; `excerpt` shows the lines with a caret. */
export class BuildError extends EngineError {
  readonly range: Range
  readonly source: Source
  constructor(kind: ErrorKind, message: string, at: { source: Source; range: Range; cause?: unknown }) {
    super(kind, oneLine(message), at.cause === undefined ? {} : { cause: at.cause })
    this.name = 'BuildError'
    this.source = at.source
    this.range = at.range
  }

  get excerpt(): string {
    return this.source.excerpt(this.range)
  }
}

/** Messages quote what people wrote: control characters are shown, so that a message stays a line and moves no cursor. */
function oneLine(message: string): string {
  const named: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
  return message.replace(
    /\p{Cc}/gu,
    (ch) => named[ch] ?? `\\x${ch.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}
