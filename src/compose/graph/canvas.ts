/** Letters in a grid; lines that meet become corners and crossings. */

export const up = 1
export const right = 2
export const down = 4
export const left = 8

/** By the directions that lead out of a cell. */
const joints = ' ╵╶└╷│┌├╴┘─┴┐┤┬┼'

export class Canvas {
  readonly #rows: (string | number)[][] = []

  text(x: number, y: number, text: string): void {
    for (const [index, letter] of Array.from(text).entries()) this.#row(y)[x + index] = letter
  }

  /** Joins what is there already; a letter stays. */
  joint(x: number, y: number, directions: number): void {
    const before = this.#row(y)[x] ?? 0
    if (typeof before === 'number') this.#row(y)[x] = before | directions
  }

  horizontal(y: number, from: number, to: number): void {
    if (from >= to) return
    this.joint(from, y, right)
    for (let x = from + 1; x < to; x++) this.joint(x, y, left | right)
    this.joint(to, y, left)
  }

  vertical(x: number, from: number, to: number): void {
    const [top, bottom] = from < to ? [from, to] : [to, from]
    if (top === bottom) return
    this.joint(x, top, down)
    for (let y = top + 1; y < bottom; y++) this.joint(x, y, up | down)
    this.joint(x, bottom, up)
  }

  #row(y: number): (string | number)[] {
    while (this.#rows.length <= y) this.#rows.push([])
    return this.#rows[y] as (string | number)[] // the loop above made it
  }

  toString(): string {
    return this.#rows
      .map(
        (row) =>
          `${Array.from(row, (cell) => (typeof cell === 'string' ? cell : joints[cell ?? 0]))
            .join('')
            .trimEnd()}\n`,
      )
      .join('')
  }
}
