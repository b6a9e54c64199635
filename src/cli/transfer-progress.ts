/** Docker's JSON streams of pull and push, as people see them: a line for each layer on a terminal, news alone elsewhere. */
import { formatProgress } from '../lib/progress-bar.ts'
import type { ProgressMessage } from '../wire/image.ts'
import { ExitError } from './command.ts'

/** Lines may be narrower than docker's bar: then the numbers stand alone (pkg/jsonmessage). */
const barColumns = 110

/** Prints messages until there are no more. Throws what the stream reports. `aux` gets what is not for people. */
export async function showTransfer(
  messages: AsyncIterable<ProgressMessage>,
  o: {
    write: (text: string) => void
    /** Width of the terminal; undefined: there is none. */
    columns: number | undefined
    quiet?: boolean
    aux?: (value: unknown) => void
  },
): Promise<void> {
  const screen = new Screen(o.write, o.columns)
  for await (const message of messages) {
    if (message.errorDetail || message.error !== undefined)
      throw new ExitError(1, message.errorDetail?.message ?? message.error ?? '')
    if (message.aux !== undefined) o.aux?.(message.aux)
    else if (!o.quiet) screen.show(message)
  }
}

class Screen {
  readonly #write: (text: string) => void
  readonly #columns: number | undefined
  /** Id to the number of its line. */
  readonly #lines = new Map<string, number>()
  #count = 0

  constructor(write: (text: string) => void, columns: number | undefined) {
    this.#write = write
    this.#columns = columns
  }

  show(message: ProgressMessage): void {
    const { id, status = message.stream } = message
    if (status === undefined) return
    const moving = progressOf(message, this.#columns ?? barColumns)
    const text = `${id === undefined ? '' : `${clean(id)}: `}${clean(status)}`
    if (this.#columns === undefined) {
      // What goes on moving is not for a file.
      if (moving === '') this.#write(`${text}\n`)
      return
    }
    if (id === undefined || message.progressDetail === undefined) {
      // A line for itself: what is above stays as it is.
      this.#lines.clear()
      this.#count = 0
      this.#write(`${text}\n`)
      return
    }
    let line = this.#lines.get(id)
    if (line === undefined) {
      line = this.#count++
      this.#lines.set(id, line)
      this.#write('\n')
    }
    const up = this.#count - line
    this.#write(`\x1b[${up}A\x1b[2K\r${text}${moving === '' ? '' : ` ${moving}`}\r\x1b[${up}B`)
  }
}

function progressOf({ progressDetail }: ProgressMessage, columns: number): string {
  const { current = 0, total = 0 } = progressDetail ?? {}
  return formatProgress(current, total, { bar: columns >= barColumns })
}

/** A registry's or a daemon's text does not move our cursor. */
function clean(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}
