/**
 * `.dockerignore` exactly as docker matches it: Go's filepath.Match plus `**`, `!` exceptions in order, the last
 * matching pattern wins, a pattern that matches a directory holds for all below it.
 */
import { EngineError } from './errors.ts'
import { compileGlob, notNewline, notSlash, single, type CodeSet, type Glob, type Piece } from './glob.ts'

export interface IgnorePattern {
  /** Cleaned, without `!`. */
  readonly pattern: string
  readonly exception: boolean
  /** 1-based line in the ignore file. */
  readonly line: number
}

/** What is known about a directory when its children are asked about: which patterns it matched. */
export type ParentMatch = readonly boolean[]

/** Go's path.Clean for slash-separated paths. */
export function cleanPath(path: string): string {
  if (path === '') return '.'
  const rooted = path.startsWith('/')
  const out: string[] = []
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue
    if (part !== '..') out.push(part)
    else if (out.length > 0 && out.at(-1) !== '..') out.pop()
    else if (!rooted) out.push('..')
  }
  return (rooted ? '/' : '') + out.join('/') || '.'
}

/** Reads an ignore file: comments, blank lines, trimming and rooting as docker does it. */
export function parseIgnore(text: string): IgnorePattern[] {
  const patterns: IgnorePattern[] = []
  for (const [index, raw] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    // Docker: only a `#` in the first column is a comment.
    if (raw.startsWith('#')) continue
    let pattern = raw.trim()
    if (pattern === '') continue
    const exception = pattern.startsWith('!')
    if (exception) pattern = pattern.slice(1).trim()
    if (pattern !== '') {
      pattern = cleanPath(pattern)
      if (pattern.length > 1 && pattern.startsWith('/')) pattern = pattern.slice(1)
    }
    // Docker: `!/` is cleaned once more, and nothing is left of it.
    if (pattern === '' || (exception && pattern === '/'))
      throw new EngineError('invalid', `illegal exclusion pattern: "!" (line ${index + 1})`)
    patterns.push({ pattern, exception, line: index + 1 })
  }
  return patterns
}

type Compiled = IgnorePattern & { readonly test: (path: string) => boolean }

/** Decides which paths an ordered list of patterns keeps out. Paths are relative, with slashes, without `./`. */
export class IgnoreMatcher {
  readonly #patterns: readonly Compiled[]

  constructor(patterns: readonly IgnorePattern[]) {
    this.#patterns = patterns.map((p) => ({ ...p, test: compile(p) }))
  }

  static parse(text: string): IgnoreMatcher {
    return new IgnoreMatcher(parseIgnore(text))
  }

  get empty(): boolean {
    return this.#patterns.length === 0
  }

  /** With exceptions an ignored directory may still hold kept files: it has to be walked. */
  get hasExceptions(): boolean {
    return this.#patterns.some((p) => p.exception)
  }

  /** True when the path, taken alone with all its parents, is kept out. */
  ignores(path: string): boolean {
    return this.reason(path) !== undefined
  }

  /** The pattern that keeps the path out, if one does. */
  reason(path: string): IgnorePattern | undefined {
    const prefixes = prefixesOf(path)
    let verdict: IgnorePattern | undefined
    for (const pattern of this.#patterns) {
      // Docker: an exception is only looked at when ignored so far, and the other way round.
      if (pattern.exception !== (verdict !== undefined)) continue
      if (prefixes.some((prefix) => pattern.test(prefix))) verdict = pattern.exception ? undefined : pattern
    }
    return verdict
  }

  /** For walkers: the verdict on one entry given its parent's matches (undefined at the top), and the matches its own children need. */
  step(path: string, parent: ParentMatch | undefined): { ignored: boolean; matches: ParentMatch } {
    let ignored = false
    const matches: boolean[] = []
    for (const [index, pattern] of this.#patterns.entries()) {
      let match = parent?.[index] ?? false
      if (!match && pattern.exception === ignored) match = pattern.test(path)
      matches.push(match)
      if (match) ignored = !pattern.exception
    }
    return { ignored, matches }
  }
}

function prefixesOf(path: string): string[] {
  const parts = path.split('/')
  return parts.map((_, index) => parts.slice(0, index + 1).join('/'))
}

function compile(p: IgnorePattern): (path: string) => boolean {
  const { pattern } = p
  assertGlob(pattern, p.line)
  if (!/[*?[\]\\]/.test(pattern)) return (path) => path === pattern
  const tail = pattern.slice(2)
  // The two shapes that Docker matches without a regular expression; the results differ for `**` in odd places.
  if (pattern === '**' || pattern === '**/') return () => true
  if (pattern.startsWith('**') && !/[*?[\]\\]/.test(tail))
    return (path) => path.endsWith(tail) || (tail.startsWith('/') && path === tail.slice(1))
  if (pattern.endsWith('**') && !/[*?[\]\\]/.test(pattern.slice(0, -2))) {
    const head = pattern.slice(0, -2)
    return (path) => path.startsWith(head)
  }
  const glob = compileGlob(ignorePieces(pattern, p.line))
  return (path) => glob.test(path)
}

function badPattern(pattern: string, line: number, cause?: unknown): EngineError {
  const place = line > 0 ? ` (.dockerignore line ${line})` : ''
  return new EngineError('invalid', `syntax error in pattern ${JSON.stringify(pattern)}${place}`, { cause })
}

/**
 * Docker rewrites a pattern as a regular expression of Go's, character by character, and takes no care of classes: what
 * comes of a `*` between brackets is not what one would think. Here it comes out the same.
 */
function goExpression(pattern: string): string {
  let out = ''
  const chars = Array.from(pattern)
  for (let i = 0; i < chars.length; i++) {
    const ch = chars[i] ?? ''
    if (ch === '*' && chars[i + 1] === '*') {
      i++
      if (chars[i + 1] === '/') i++
      // Any number of directories, none included; at the end everything below.
      out += i + 1 >= chars.length ? '.*' : '(.*/)?'
    } else if (ch === '*') out += '[^/]*'
    else if (ch === '?') out += '[^/]'
    else if ('.+()|{}$'.includes(ch)) out += `\\${ch}`
    else if (ch === '\\' && i + 1 < chars.length) out += `\\${chars[++i] ?? ''}`
    else out += ch
  }
  return out
}

/** Reads the part of Go's syntax that `goExpression` can write. */
function ignorePieces(pattern: string, line: number): Piece[] {
  const chars = Array.from(goExpression(pattern))
  const pieces: Piece[] = []
  let i = 0
  const bad = () => badPattern(pattern, line)
  const directories = Array.from('(.*/)?')
  while (i < chars.length) {
    const ch = chars[i] ?? ''
    if (ch === '(' && directories.every((each, k) => chars[i + k] === each)) {
      pieces.push({ kind: 'directories' })
      i += directories.length
      continue
    }
    let set: CodeSet
    if (ch === '[') {
      const found = goClass(chars, i, bad)
      set = found.set
      i = found.next
    } else if (ch === '\\') {
      set = escaped(chars[i + 1] ?? '', bad)
      i += 2
    } else {
      if (ch === '^') {
        pieces.push({ kind: 'start' })
        i++
        continue
      }
      set = ch === '.' ? notNewline : single(codeOf(ch))
      i++
    }
    const repeated = chars[i] === '*'
    if (repeated) i++
    pieces.push({ kind: repeated ? 'any' : 'one', set })
  }
  return pieces
}

const codeOf = (ch: string): number => ch.codePointAt(0) ?? 0

const escapes: Readonly<Record<string, CodeSet>> = {
  a: single(7),
  f: single(12),
  t: single(9),
  n: single(10),
  r: single(13),
  v: single(11),
  d: { negated: false, ranges: [[48, 57]] },
  D: { negated: true, ranges: [[48, 57]] },
  s: {
    negated: false,
    ranges: [
      [9, 10],
      [12, 13],
      [32, 32],
    ],
  },
  S: {
    negated: true,
    ranges: [
      [9, 10],
      [12, 13],
      [32, 32],
    ],
  },
  w: {
    negated: false,
    ranges: [
      [48, 57],
      [65, 90],
      [95, 95],
      [97, 122],
    ],
  },
  W: {
    negated: true,
    ranges: [
      [48, 57],
      [65, 90],
      [95, 95],
      [97, 122],
    ],
  },
}

/** A sign stands for itself; of letters and digits only those have a meaning that Go's expressions give them. */
function escaped(ch: string, bad: () => EngineError): CodeSet {
  const known = Object.hasOwn(escapes, ch) ? escapes[ch] : undefined
  if (known) return known
  if (/^[A-Za-z0-9]?$/.test(ch)) throw bad()
  return single(codeOf(ch))
}

/** `[a-z]`, `[^x]`, `[\]]`; `start` is at `[`, `next` behind its `]`. */
function goClass(
  chars: readonly string[],
  start: number,
  bad: () => EngineError,
): { set: CodeSet; next: number } {
  let i = start + 1
  const negated = chars[i] === '^'
  if (negated) i++
  const ranges: (readonly [number, number])[] = []
  const one = (): CodeSet => {
    const ch = chars[i++]
    if (ch === undefined) throw bad()
    return ch === '\\' ? escaped(chars[i++] ?? '', bad) : single(codeOf(ch))
  }
  const codeIn = (set: CodeSet): number => {
    const [range] = set.ranges
    if (!range || set.negated || set.ranges.length > 1 || range[0] !== range[1]) throw bad()
    return range[0]
  }
  for (let first = true; first || chars[i] !== ']'; first = false) {
    const from = one()
    if (chars[i] === '-' && chars[i + 1] !== ']') {
      i++
      const range = [codeIn(from), codeIn(one())] as const
      if (range[0] > range[1]) throw bad()
      ranges.push(range)
    } else if (from.negated) throw bad()
    else ranges.push(...from.ranges)
  }
  return { set: { negated, ranges }, next: i + 1 }
}

/** Refuses what Go's filepath.Match calls a syntax error: an unclosed or empty class, a range without an end. */
function assertGlob(pattern: string, line: number): void {
  const bad = () => badPattern(pattern, line)
  for (let i = 0; i < pattern.length; i++) {
    if (pattern[i] === '\\') {
      if (++i >= pattern.length) throw bad()
      continue
    }
    if (pattern[i] !== '[') continue
    i++
    if (pattern[i] === '^') i++
    let members = 0
    for (; pattern[i] !== ']' || members === 0; i++, members++) {
      const ch = pattern[i]
      if (ch === undefined || ch === '-' || ch === ']') throw bad()
      if (ch === '\\' && pattern[++i] === undefined) throw bad()
      if (pattern[i + 1] !== '-') continue
      i += 2
      if (pattern[i] === undefined || pattern[i] === ']' || pattern[i] === '-') throw bad()
      if (pattern[i] === '\\' && pattern[++i] === undefined) throw bad()
    }
  }
}

/** Go's filepath.Match for one path segment, without `**`: what COPY's wildcards mean. */
export function segmentGlob(pattern: string): Glob {
  assertGlob(pattern, 0)
  const chars = Array.from(pattern)
  const pieces: Piece[] = []
  const bad = () => badPattern(pattern, 0)
  for (let i = 0; i < chars.length;) {
    const ch = chars[i] ?? ''
    if (ch === '[') {
      const { set, next } = matchClass(chars, i, bad)
      pieces.push({ kind: 'one', set })
      i = next
      continue
    }
    if (ch === '*') {
      if (chars[i - 1] !== '*' || pieces.at(-1)?.kind !== 'any') pieces.push({ kind: 'any', set: notSlash })
    } else if (ch === '?') pieces.push({ kind: 'one', set: notSlash })
    else if (ch === '\\') pieces.push({ kind: 'one', set: single(codeOf(chars[++i] ?? '')) })
    else pieces.push({ kind: 'one', set: single(codeOf(ch)) })
    i++
  }
  return compileGlob(pieces)
}

/** A class of filepath.Match: a backslash takes the meaning of any character, and ranges may be the wrong way round. */
function matchClass(
  chars: readonly string[],
  start: number,
  bad: () => EngineError,
): { set: CodeSet; next: number } {
  let i = start + 1
  const negated = chars[i] === '^'
  if (negated) i++
  const ranges: (readonly [number, number])[] = []
  const one = (): number => {
    if (chars[i] === '\\') i++
    const ch = chars[i++]
    if (ch === undefined) throw bad()
    return codeOf(ch)
  }
  for (let first = true; first || chars[i] !== ']'; first = false) {
    const from = one()
    if (chars[i] !== '-') ranges.push([from, from])
    else {
      i++
      const to = one()
      if (from <= to) ranges.push([from, to])
    }
  }
  return { set: { negated, ranges }, next: i + 1 }
}

export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern)
}
