/** A terminal in memory, for tests alone: what its screen shows after all that was written. */
export class VirtualTerminal {
  columns: number
  readonly rows: number
  #lines: string[][] = [[]]
  /** Of the cursor; the row counts from the first line ever written. */
  #row = 0
  #column = 0
  /** The first line on the screen. */
  #top = 0
  isCursorShown = true
  writes = 0

  constructor(columns: number, rows: number) {
    this.columns = columns
    this.rows = rows
  }

  readonly write = (text: string): void => {
    this.writes++
    // oxlint-disable-next-line no-control-regex -- control sequences are what this is about
    for (const [token, parameters = '', final = ''] of text.matchAll(/\x1b\[([0-9;?]*)([A-Za-z])|[^]/gu)) {
      if (final !== '') this.#control(final, parameters)
      else this.#put(token)
    }
  }

  /** The screen, without what has scrolled away. */
  screen(): string {
    return this.#text(this.#lines.slice(this.#top, this.#top + this.rows))
  }

  /** With what has scrolled away. */
  all(): string {
    return this.#text(this.#lines)
  }

  /** As terminals do that reflow: lines that are longer now go on in the next ones. */
  resize(columns: number): void {
    const lines: string[][] = []
    let row = 0
    for (const [index, line] of this.#lines.entries()) {
      if (index === this.#row) row = lines.length
      const end = line.findLastIndex((cell) => cell !== ' ' && cell !== undefined) + 1
      if (end === 0) lines.push([])
      for (let at = 0; at < end; at += columns) lines.push(line.slice(at, Math.min(end, at + columns)))
    }
    this.#lines = lines
    this.#row = row
    this.#top = Math.max(0, lines.length - this.rows)
    this.columns = columns
  }

  #text(lines: readonly string[][]): string {
    return `${lines
      .map((line) =>
        Array.from(line, (cell) => cell ?? ' ')
          .join('')
          .trimEnd(),
      )
      .join('\n')
      .trimEnd()}\n`
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0
    else if (character === '\n') {
      this.#column = 0
      this.#down()
    } else {
      if (this.#column >= this.columns) {
        this.#column = 0
        this.#down()
      }
      this.#line()[this.#column++] = character
    }
  }

  #down(): void {
    this.#row++
    this.#line()
    this.#top = Math.max(this.#top, this.#row - this.rows + 1)
  }

  #line(): string[] {
    while (this.#lines.length <= this.#row) this.#lines.push([])
    return this.#lines[this.#row] ?? []
  }

  #control(final: string, parameters: string): void {
    switch (final) {
      case 'A':
        this.#row = Math.max(this.#top, this.#row - Number(parameters || 1))
        return
      case 'K':
        this.#line().length = Math.min(this.#line().length, this.#column)
        return
      case 'J':
        this.#line().length = Math.min(this.#line().length, this.#column)
        this.#lines.length = this.#row + 1
        return
      case 'h':
      case 'l':
        if (parameters === '?25') this.isCursorShown = final === 'h'
        return
      case 'm':
        return
      default:
        throw new Error(`the virtual terminal does not know CSI ${parameters}${final}`)
    }
  }
}
