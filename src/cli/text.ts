/** Plain output: tables, and writing that cannot be lost at exit. */
import { hasCode } from '../lib/errors.ts'

const { writeSync } = process.getBuiltinModule('node:fs')

/** Writes all of it before it returns. A reader that went away ends the process as SIGPIPE would. */
export function writeText(fd: 1 | 2, text: string): void {
  let data = Buffer.from(text)
  while (data.length > 0) {
    try {
      data = data.subarray(writeSync(fd, data))
    } catch (error) {
      if (hasCode(error, 'EPIPE')) process.exit(141)
      if (!hasCode(error, 'EAGAIN')) throw error
      // The other end made the pipe non-blocking and is slow.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
  }
}

/** Docker's tabwriter: columns at least 10 wide, 3 spaces between, the last cell of a line not padded. */
export function alignTable(lines: readonly (readonly string[])[], minimum = 10): string {
  const widths: number[] = []
  for (const cells of lines)
    for (const [index, cell] of cells.entries())
      if (index < cells.length - 1) widths[index] = Math.max(widths[index] ?? minimum, widthOf(cell) + 3)
  let out = ''
  for (const cells of lines) {
    for (const [index, cell] of cells.entries())
      out += index < cells.length - 1 ? cell + ' '.repeat((widths[index] ?? 0) - widthOf(cell)) : cell
    out += '\n'
  }
  return out
}

function widthOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let width = 0
  for (const _ of text) width++
  return width
}

/** Docker's Ellipsis: at most `length` characters, the last of which is `…`. */
export function ellipsis(text: string, length: number): string {
  if (text.length <= length) return text
  const characters = Array.from(text)
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`
}

/** Asks on the terminal; an empty line is `initial`, else no; so is anything but y, and the end of input. */
export async function confirm(question: string, { initial = false } = {}): Promise<boolean> {
  writeText(1, `${question} ${initial ? '[Y/n]' : '[y/N]'} `)
  const { readSync } = await import('node:fs')
  const byte = Buffer.alloc(1)
  let answer = ''
  while (readSync(0, byte) > 0 && byte[0] !== 10) answer += byte.toString('latin1')
  if (answer.trim() === '') return initial && byte[0] === 10
  return /^y(es)?$/i.test(answer.trim())
}
