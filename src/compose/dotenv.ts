/**
 * `.env` files as docker compose reads them: `KEY=value` or `KEY: value`, `export` before it, comments, quotes over several
 * lines, variables of the file itself and of the surroundings; a name alone takes its value from the surroundings.
 */
import { used } from './interpolate.ts'
import { ComposeError, nowhere, placedOver, type Place } from './node.ts'
import { substitute, TemplateError, type Lookup } from './template.ts'

export interface EnvValue {
  readonly value: string
  readonly at: Place
}

export type EnvFile = Map<string, EnvValue>

interface Options {
  /** How faults name the file. */
  readonly file: string
  readonly lookup: Lookup
  /** Where the value of a variable that `lookup` knows is from. */
  readonly placeOf?: (name: string) => Place
  readonly missing?: (name: string) => void
  /** Format `raw` of env_file: everything after `=` is the value, nothing is replaced. */
  readonly raw?: boolean
}

/** Throws ComposeError with the line. */
export function parseDotenv(text: string, o: Options): EnvFile {
  return new Parser(text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n'), o).all()
}

class Parser {
  readonly #text: string
  readonly #o: Options
  readonly #found: EnvFile = new Map()
  #at = 0

  /** Surroundings win over the file, as they do for the value of the variable itself. */
  readonly #lookup: Lookup = (name) => this.#o.lookup(name) ?? this.#found.get(name)?.value

  constructor(text: string, o: Options) {
    this.#text = text
    this.#o = o
  }

  all(): EnvFile {
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) this.#statement()
    return this.#found
  }

  /** Blanks, empty lines, comments. */
  #skip(): void {
    this.#at += /^(?:\s|#.*(?:\n|$))*/.exec(this.#text.slice(this.#at))?.[0].length ?? 0
  }

  #statement(): void {
    const at = this.#place(this.#at)
    const line = this.#line()
    const exported = /^export[ \t]+/.exec(line)?.[0].length ?? 0
    const match = /^([^=:\n]*?)[ \t]*([=:]|$)/.exec(line.slice(exported))
    const [all = '', key = '', separator = ''] = match ?? []
    const wrong = /[^\p{L}\p{N}_.\-[\] \t]/u.exec(key)?.[0]
    if (wrong !== undefined)
      throw new ComposeError(
        at,
        `unexpected character ${JSON.stringify(wrong)} in variable name ${JSON.stringify(key)}`,
      )
    if (/\s/.test(key))
      throw new ComposeError(at, `variable name ${JSON.stringify(key)} cannot contain a space`)
    if (key === '') throw new ComposeError(at, 'a line without a variable name')
    this.#at += exported + all.length
    if (separator === '') {
      const value = this.#o.lookup(key)
      if (value !== undefined) this.#add(key, { value, at: { ...at, ...this.#used(`$${key}`) } })
      return
    }
    this.#at += /^[ \t]*/.exec(this.#line())?.[0].length ?? 0
    if (this.#o.raw) return this.#add(key, { value: this.#rest(), at })
    const start = this.#at
    const value = this.#value(at)
    const written = this.#text.slice(start, this.#at)
    this.#add(key, { value, at: { ...at, ...(written.startsWith("'") ? {} : this.#used(written)) } })
  }

  /** The later line of two counts. */
  #add(key: string, { value, at }: EnvValue): void {
    const before = this.#found.get(key)
    this.#found.set(key, { value, at: before ? placedOver(at, before) : at })
  }

  #used(text: string) {
    const { lookup, placeOf = () => nowhere } = this.#o
    return used(text, {
      lookup: this.#lookup,
      placeOf: (name) =>
        (lookup(name) === undefined ? this.#found.get(name)?.at : undefined) ?? placeOf(name),
    })
  }

  #line(): string {
    const end = this.#text.indexOf('\n', this.#at)
    return this.#text.slice(this.#at, end < 0 ? undefined : end)
  }

  #rest(): string {
    const line = this.#line()
    this.#at += line.length
    return line
  }

  #value(at: Place): string {
    const quote = this.#text[this.#at]
    if (quote !== '"' && quote !== "'") {
      const value = this.#rest().replace(/\s+#.*$/, '')
      return this.#replaced(value.trimEnd(), at)
    }
    const end = this.#closing(quote, at)
    const inside = this.#text.slice(this.#at + 1, end)
    this.#at = end + 1
    return quote === "'" ? inside.replaceAll("\\'", "'") : this.#replaced(unescaped(inside), at)
  }

  #closing(quote: string, at: Place): number {
    for (let end = this.#at + 1; end < this.#text.length; end++) {
      if (this.#text[end] === '\\') end++
      else if (this.#text[end] === quote) return end
    }
    throw new ComposeError(at, `unterminated quoted value ${this.#line()}`)
  }

  #replaced(text: string, at: Place): string {
    try {
      return substitute(text, this.#lookup, this.#o.missing ?? (() => undefined))
    } catch (error) {
      throw error instanceof TemplateError ? new ComposeError(at, formatted(error), { cause: error }) : error
    }
  }

  #place(offset: number): Place {
    const before = this.#text.slice(0, offset)
    const line = before.split('\n').length
    return { file: this.#o.file, line, column: offset - before.lastIndexOf('\n') }
  }
}

function formatted({ problem, message }: TemplateError): string {
  return problem === 'format' ? `invalid interpolation format: ${message}` : message
}

const controls: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  a: '\x07',
  b: '\b',
  f: '\f',
  v: '\v',
}

/** `\$` stays a dollar that nothing replaces. */
function unescaped(text: string): string {
  return text.replace(/\\(.)/gs, (all, letter: string) => {
    if (letter === '$') return '$$'
    return '\\"\''.includes(letter) ? letter : (controls[letter] ?? all)
  })
}
