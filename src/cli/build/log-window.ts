const { stripVTControlCharacters } = process.getBuiltinModule('node:util')

/** Longer lines are never shown whole. Characters. */
const maxLine = 1024

/**
 * The last lines of a step's output as a terminal would show them: carriage returns and backspaces move, what is
 * written over is gone, colours and other sequences are left out.
 */
export class LogWindow {
  readonly #size: number
  readonly #lines: string[] = []
  /** The line that has no end yet, and where in it the next character goes. */
  #line: string[] = []
  #column = 0
  /** A control sequence that is cut at the end of what came. */
  #rest = ''

  constructor(size: number) {
    this.#size = size
  }

  write(data: string): void {
    const text = this.#rest + data
    // oxlint-disable-next-line no-control-regex -- an escape sequence without its end
    const open = /\x1b(?:\[[0-9;?]*|\][^\x07\x1b]*)?$/.exec(text)
    this.#rest = open && open[0].length < 256 ? open[0] : ''
    const whole = this.#rest === '' ? text : text.slice(0, open?.index)
    for (const character of stripVTControlCharacters(this.#newest(whole))) this.#put(character)
  }

  /** The newest lines; an unfinished one counts when something is in it. */
  lines(): string[] {
    const last = this.#line.join('').trimEnd()
    return [...this.#lines, ...(last === '' ? [] : [last])].slice(-this.#size)
  }

  /** Of much that comes at once only the last lines can be seen: the rest need not be looked at. */
  #newest(text: string): string {
    let cut = text.length
    for (let count = 0; count <= this.#size; count++) {
      cut = cut > 0 ? text.lastIndexOf('\n', cut - 1) : -1
      if (cut < 0) return text
    }
    this.#lines.length = 0
    this.#line = []
    this.#column = 0
    return text.slice(cut + 1)
  }

  #put(character: string): void {
    switch (character) {
      case '\n':
        this.#lines.push(this.#line.join('').trimEnd())
        if (this.#lines.length > this.#size) this.#lines.shift()
        this.#line = []
        this.#column = 0
        return
      case '\r':
        this.#column = 0
        return
      case '\b':
        this.#column = Math.max(0, this.#column - 1)
        return
      case '\t':
        do this.#put(' ')
        while (this.#column % 8 !== 0)
        return
      default:
        if (/\p{Cc}/u.test(character) || this.#column >= maxLine) return
        this.#line[this.#column++] = character
    }
  }
}
