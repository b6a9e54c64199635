/**
 * `.dockerignore` exactly as docker matches it: Go's filepath.Match plus `**`, `!` exceptions in order, the last
 * matching pattern wins, a pattern that matches a directory holds for all below it.
 */
import { EngineError } from './errors.ts'

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
    if (pattern === '') throw new EngineError('invalid', `illegal exclusion pattern: "!" (line ${index + 1})`)
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
  const regexp = regExpOf(pattern, p.line)
  return (path) => regexp.test(path)
}

function regExpOf(pattern: string, line: number): RegExp {
  try {
    return new RegExp(toRegExp(pattern), 'us')
  } catch (cause) {
    throw badPattern(pattern, line, cause)
  }
}

function badPattern(pattern: string, line: number, cause?: unknown): EngineError {
  const place = line > 0 ? ` (.dockerignore line ${line})` : ''
  return new EngineError('invalid', `syntax error in pattern ${JSON.stringify(pattern)}${place}`, { cause })
}

function toRegExp(pattern: string): string {
  let out = '^'
  const chars = Array.from(pattern)
  for (let i = 0; i < chars.length; i++) {
    const ch = chars[i] ?? ''
    if (ch === '*' && chars[i + 1] === '*') {
      i++
      if (chars[i + 1] === '/') i++
      // Any number of directories, none included; at the end everything below.
      out += i + 1 >= chars.length ? '.*' : '(?:.*/)?'
    } else if (ch === '*') out += '[^/]*'
    else if (ch === '?') out += '[^/]'
    else if (ch === '[') {
      const { source, next } = characterClass(chars, i)
      out += source
      i = next
    } else if (ch === '\\') {
      i++
      out += literal(chars[i] ?? '\\')
    } else out += literal(ch)
  }
  return `${out}$`
}

function literal(ch: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(ch) ? `\\${ch}` : ch
}

/** A Go character class `[a-z]`, `[^x]` with backslash escapes; `start` is at `[`, `next` at its `]`. */
function characterClass(chars: readonly string[], start: number): { source: string; next: number } {
  let i = start + 1
  let source = '['
  if (chars[i] === '^') {
    source += '^'
    i++
  }
  for (; i < chars.length && chars[i] !== ']'; i++) {
    const ch = chars[i] ?? ''
    if (ch === '\\') {
      i++
      source += classLiteral(chars[i] ?? '')
    } else source += ch === '-' ? '-' : classLiteral(ch)
  }
  return { source: `${source}]`, next: i }
}

function classLiteral(ch: string): string {
  return /[\\\]^[\-&~|]/.test(ch) ? `\\${ch}` : ch
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

/** Go's filepath.Match for one path segment list, without `**`: what COPY's wildcards mean. */
export function globToRegExp(pattern: string): RegExp {
  assertGlob(pattern, 0)
  return regExpOf(pattern.replace(/\*{2,}/g, '*'), 0)
}

export function hasWildcard(pattern: string): boolean {
  return /[*?[\\]/.test(pattern)
}
