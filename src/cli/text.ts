/** Plain output: tables, and writing that cannot be lost at exit. */
import { hasCode } from '../lib/errors.ts'
import { ExitError } from './command.ts'

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
  const answer = await readLine()
  if (answer.trim() === '') return initial && answer.endsWith('\n')
  return /^y(es)?$/i.test(answer.trim())
}

/**
 * With its end, where it has one; what follows is left for the next question. Ctrl+C ends the command, whoever else listens. Not
 * by `readSync`: once anybody has looked at `process.stdin`, a terminal does not wait with its answer (EAGAIN).
 */
async function readLine(): Promise<string> {
  const { stdin } = process
  const interrupted = Promise.withResolvers<never>()
  const onInterrupt = () => {
    writeText(1, '\n')
    interrupted.reject(new ExitError(130))
  }
  process.once('SIGINT', onInterrupt)
  const line: Buffer[] = []
  try {
    for (;;) {
      const byte = stdin.read(1) as Buffer | null
      if (byte) line.push(byte)
      if (byte?.[0] === 10 || stdin.readableEnded || stdin.destroyed) return Buffer.concat(line).toString()
      if (!byte) await Promise.race([news(stdin), interrupted.promise])
    }
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}

/** Something may be read, or nothing will. */
function news(stream: NodeJS.ReadStream): Promise<void> {
  const events = ['readable', 'end', 'error', 'close'] as const
  return new Promise((resolve) => {
    const heard = () => {
      for (const event of events) stream.off(event, heard)
      resolve()
    }
    for (const event of events) stream.on(event, heard)
  })
}
