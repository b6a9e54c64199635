import { anything, Machine, single, type Piece } from '../../lib/glob.ts'

/**
 * Variable expansion and word splitting as BuildKit's shell lexer does it: quotes, escapes, `$x`, `${x}` and the
 * modifiers `-` `:-` `+` `:+` `?` `:?` `#` `##` `%` `%%` `/` `//`.
 */
export interface Expansion {
  /** The whole text, expanded, quotes removed. */
  readonly text: string
  /** The text split at unquoted white space, also at white space that came out of variables. */
  readonly words: readonly string[]
  /** Names looked up and not found, at their offset in the input. */
  readonly missing: readonly { name: string; offset: number }[]
  readonly used: ReadonlySet<string>
}

export interface ExpandOptions {
  readonly escape: '\\' | '`'
  /** Here-document content: quotes mean nothing. */
  readonly keepQuotes?: boolean
  /** Unset variables stay as written (for showing a command). */
  readonly keepUnset?: boolean
}

/** A fault in the text; `offset` points into it. */
export class ExpandError extends Error {
  readonly offset: number
  constructor(message: string, offset: number) {
    super(message)
    this.name = 'ExpandError'
    this.offset = offset
  }
}

export function expand(input: string, env: ReadonlyMap<string, string>, options: ExpandOptions): Expansion {
  return new Expander(input, env, options).run()
}

/** A few lines that double a variable could fill the memory; no process takes a variable of an eighth of it. */
const maxTaken = 1 << 20

class Words {
  readonly list: string[] = []
  #word = ''
  #open = false

  /** Text in which white space separates words. */
  loose(text: string): void {
    if (!/\s/.test(text)) return this.solid(text)
    for (const piece of text.split(/(\s+)/)) {
      if (piece === '') continue
      if (!/^\s/.test(piece)) this.solid(piece)
      else if (this.#open && this.#word !== '') this.#flush()
    }
  }

  solid(text: string): void {
    this.#word += text
    this.#open = true
  }

  finish(): string[] {
    if (this.#word !== '') this.#flush()
    return this.list
  }

  #flush(): void {
    this.list.push(this.#word)
    this.#word = ''
    this.#open = false
  }
}

class Expander {
  readonly #input: string
  readonly #env: ReadonlyMap<string, string>
  readonly #options: ExpandOptions
  readonly #missing: { name: string; offset: number }[] = []
  readonly #used = new Set<string>()
  #at = 0
  /** Characters that came out of variables. */
  #taken = 0
  #depth = 0

  constructor(input: string, env: ReadonlyMap<string, string>, options: ExpandOptions) {
    this.#input = input
    this.#env = env
    this.#options = options
  }

  run(): Expansion {
    const { text, words } = this.#until(undefined, false)
    return { text, words, missing: this.#missing, used: this.#used }
  }

  #peek(): string | undefined {
    return this.#input[this.#at]
  }

  #until(stop: string | undefined, rawEscapes: boolean): { text: string; words: string[] } {
    if (++this.#depth > 100) throw this.#error('substitutions are nested too deeply')
    const start = this.#at
    const words = new Words()
    let text = ''
    for (let ch = this.#peek(); ch !== undefined; ch = this.#peek()) {
      if (ch === stop) {
        this.#at++
        this.#depth--
        return { text, words: words.finish() }
      }
      if (ch === '$') {
        const value = this.#dollar()
        text += value
        words.loose(value)
      } else if (!this.#options.keepQuotes && (ch === "'" || ch === '"')) {
        const value = ch === "'" ? this.#singleQuoted() : this.#doubleQuoted(rawEscapes)
        text += value
        words.solid(value)
      } else if (ch === this.#options.escape) {
        this.#at++
        if (rawEscapes) {
          text += ch
          words.solid(ch)
        }
        const next = this.#peek()
        if (next === undefined) break
        this.#at++
        text += next
        words.solid(next)
      } else {
        this.#at++
        text += ch
        words.loose(ch)
      }
    }
    this.#depth--
    if (stop !== undefined)
      throw new ExpandError(
        stop === '}' ? "syntax error: missing '}'" : `syntax error: missing '${stop}' in \${}`,
        start,
      )
    return { text, words: words.finish() }
  }

  #singleQuoted(): string {
    const end = this.#input.indexOf("'", this.#at + 1)
    if (end < 0) throw this.#error('unexpected end of statement while looking for matching single-quote')
    const value = this.#input.slice(this.#at + 1, end)
    this.#at = end + 1
    return value
  }

  #doubleQuoted(rawEscapes: boolean): string {
    const start = this.#at++
    let value = ''
    for (;;) {
      const ch = this.#peek()
      if (ch === undefined)
        throw new ExpandError('unexpected end of statement while looking for matching double-quote', start)
      if (ch === '$') {
        value += this.#dollar()
        continue
      }
      this.#at++
      if (ch === '"') return value
      if (ch !== this.#options.escape) {
        value += ch
        continue
      }
      if (rawEscapes) value += ch
      const next = this.#peek()
      if (next === undefined) continue
      // Only these can be escaped inside double quotes; before others the escape stays.
      if (next === '"' || next === '$' || next === this.#options.escape) {
        this.#at++
        value += next
      } else value += ch
    }
  }

  #dollar(): string {
    const start = this.#at++
    if (this.#peek() !== '{') {
      const name = this.#name()
      if (name === '') return '$'
      const value = this.#lookup(name, start)
      return value ?? (this.#options.keepUnset ? `$${name}` : '')
    }
    this.#at++
    const first = this.#peek()
    if (first === undefined) throw new ExpandError("syntax error: missing '}'", start)
    if (first === '{' || first === '}' || first === ':')
      throw new ExpandError('syntax error: bad substitution', start)
    const name = this.#name()
    const operator = this.#peek()
    if (operator === undefined) throw new ExpandError("syntax error: missing '}'", start)
    this.#at++
    if (operator === '}') return this.#lookup(name, start) ?? (this.#options.keepUnset ? `\${${name}}` : '')
    if (operator === '/') return this.#replace(name, start)
    return this.#modifier(name, operator, start)
  }

  #modifier(name: string, operator: string, start: number): string {
    const nullIsUnset = operator === ':'
    const kind = nullIsUnset ? (this.#peek() ?? '') : operator
    if (nullIsUnset) this.#at++
    if (!'+-?#%'.includes(kind) || kind === '')
      throw new ExpandError(`unsupported modifier (${nullIsUnset ? ':' : ''}${kind}) in substitution`, start)
    const before = this.#missing.length
    const { text: word } = this.#until('}', kind === '#' || kind === '%')
    const inner = this.#missing.splice(before)
    // A name with a default is not a mistake when it is unset.
    const value =
      kind === '-' || kind === '+' || kind === '?' ? this.#quietLookup(name) : this.#lookup(name, start)
    const absent = value === undefined || (nullIsUnset && value === '')
    if (value === undefined && this.#options.keepUnset) return this.#input.slice(start, this.#at)
    if (kind === '-') {
      if (!absent) return value
      this.#missing.push(...inner)
      return word
    }
    if (kind === '+') {
      if (absent) return ''
      this.#missing.push(...inner)
      return word
    }
    if (kind === '?') {
      if (!absent) return value
      const reason = value === undefined ? 'is not allowed to be unset' : 'is not allowed to be empty'
      throw new ExpandError(`${name}: ${word === '' ? reason : word}`, start)
    }
    const greedy = word.startsWith(kind)
    const pieces = this.#pattern(greedy ? word.slice(1) : word, start)
    const text = Array.from(value ?? '')
    if (kind === '%') {
      // The end of a text is the beginning of it read backwards.
      const length = matched(text.toReversed(), pieces.toReversed(), greedy)
      return text.slice(0, text.length - length).join('')
    }
    return text.slice(matched(text, pieces, greedy)).join('')
  }

  #replace(name: string, start: number): string {
    const all = this.#peek() === '/'
    if (all) this.#at++
    const { text: pattern } = this.#until('/', true)
    const { text: replacement } = this.#until('}', true)
    const value = this.#lookup(name, start)
    if (value === undefined) return this.#options.keepUnset ? this.#input.slice(start, this.#at) : ''
    if (pattern === '') return value
    const machine = new Machine(this.#pattern(pattern, start))
    const text = Array.from(value)
    let out = ''
    let at = 0
    // Nothing matches right behind a match.
    for (let from = 0, last = -1; from <= text.length;) {
      const found = machine.find(text, from)
      if (!found) break
      const { start: begin, end } = found
      from = end > begin ? end : end + 1
      if (end === begin && begin === last) continue
      out += text.slice(at, begin).join('') + replacement
      at = last = end
      if (!all) break
    }
    return out + text.slice(at).join('')
  }

  #name(): string {
    const rest = this.#input.slice(this.#at)
    const name = /^(?:\d+|[@*#?$!-]|[\p{L}_][\p{L}\p{Nd}_]*)/u.exec(rest)?.[0] ?? ''
    this.#at += name.length
    return name
  }

  #quietLookup(name: string): string | undefined {
    this.#used.add(name)
    const value = this.#env.get(name)
    this.#taken += value?.length ?? 0
    if (this.#taken > maxTaken) throw this.#error(`its variables hold more than ${maxTaken >> 20} MiB`)
    return value
  }

  #lookup(name: string, offset: number): string | undefined {
    const value = this.#quietLookup(name)
    if (value === undefined) this.#missing.push({ name, offset })
    return value
  }

  #pattern(pattern: string, offset: number): Piece[] {
    const pieces: Piece[] = []
    const chars = Array.from(pattern)
    for (let i = 0; i < chars.length; i++) {
      let ch = chars[i] ?? ''
      if (ch === '*') pieces.push({ kind: 'any', set: anything })
      else if (ch === '?') pieces.push({ kind: 'one', set: anything })
      else {
        if (ch === '\\') {
          ch = chars[++i] ?? ''
          if (!'*?\\}/'.includes(ch) || ch === '')
            throw new ExpandError(
              `invalid pattern (${pattern}) in substitution: invalid escape '\\${ch}'`,
              offset,
            )
        }
        pieces.push({ kind: 'one', set: single(ch.codePointAt(0) ?? 0) })
      }
    }
    return pieces
  }

  #error(message: string): ExpandError {
    return new ExpandError(message, this.#at)
  }
}

/** How many code points at the beginning match; 0 when none do. */
function matched(text: readonly string[], pieces: readonly Piece[], greedy: boolean): number {
  const machine = new Machine(pieces)
  return Math.max(0, greedy ? machine.longest(text) : machine.shortest(text))
}
