import { HclError } from './hcl-syntax.ts'

/** Walks a text. Newlines count as space only where `loose` says so: within brackets. */
export class Scanner {
  readonly text: string
  readonly #file: string
  at = 0
  #loose = 0

  constructor(text: string, file: string) {
    this.text = text
    this.#file = file
  }

  get done(): boolean {
    return this.at >= this.text.length
  }

  /** Runs `work` where newlines are space. */
  loosely<T>(work: () => T): T {
    this.#loose++
    try {
      return work()
    } finally {
      this.#loose--
    }
  }

  /** Runs `work` where newlines count, whatever is around. */
  strictly<T>(work: () => T): T {
    const before = this.#loose
    this.#loose = 0
    try {
      return work()
    } finally {
      this.#loose = before
    }
  }

  /** Spaces and comments; newlines where they are space, or with `lines`. */
  space(lines: boolean = this.#loose > 0): void {
    for (;;) {
      const rest = this.text[this.at]
      if (rest === ' ' || rest === '\t' || rest === '\r') this.at++
      else if (rest === '\n' && lines) this.at++
      else if (rest === '#' || this.text.startsWith('//', this.at)) {
        const end = this.text.indexOf('\n', this.at)
        this.at = end < 0 ? this.text.length : end
      } else if (this.text.startsWith('/*', this.at)) {
        const end = this.text.indexOf('*/', this.at + 2)
        if (end < 0) this.fail('a comment without an end')
        this.at = end + 2
      } else return
    }
  }

  /** True and past it, when that comes next. */
  take(token: string): boolean {
    this.space()
    if (!this.text.startsWith(token, this.at)) return false
    this.at += token.length
    return true
  }

  expect(token: string): void {
    if (!this.take(token)) this.fail(`expected ${JSON.stringify(token)}`)
  }

  peek(token: string): boolean {
    this.space()
    return this.text.startsWith(token, this.at)
  }

  identifier(): string | undefined {
    this.space()
    const pattern = /[\p{L}_][\p{L}\p{N}_-]*/uy
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found !== undefined) this.at += found.length
    return found
  }

  /** A word of its own: `for`, `in`, `if`. */
  keyword(word: string): boolean {
    this.space()
    const before = this.at
    if (this.identifier() === word) return true
    this.at = before
    return false
  }

  number(): number | undefined {
    this.space()
    const pattern = /\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0]
    if (found === undefined) return undefined
    this.at += found.length
    return Number(found)
  }

  fail(message: string, at: number = this.at): never {
    throw new HclError(`${this.place(at)}: ${message}`)
  }

  place(at: number): string {
    const before = this.text.slice(0, at)
    const line = before.split('\n').length
    return `${this.#file}:${line},${at - before.lastIndexOf('\n')}`
  }
}
