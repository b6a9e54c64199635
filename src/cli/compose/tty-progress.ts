import type { ProgressEvent } from '../../compose/index.ts'
import { humanSize } from '../../lib/units.ts'
import { cellsOf, clipCells } from '../build/text-cells.ts'
import type { Progress } from './progress.ts'

const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

interface Line {
  event: ProgressEvent
  readonly began: number
  ended: number | undefined
}

export interface TtyOptions {
  readonly title: string
  /** Before what each line says. */
  readonly prefix?: string
  readonly write: (text: string) => void
  readonly columns: () => number
  readonly rows: () => number
  readonly colour: boolean
  readonly now?: () => number
  /** Milliseconds between pictures. */
  readonly frameTime?: number
}

/** A line for each container, network and volume, drawn over itself; docker compose's look. */
export class TtyProgress implements Progress {
  readonly #o: TtyOptions
  readonly #now: () => number
  readonly #lines = new Map<string, Line>()
  readonly #timer: NodeJS.Timeout
  #frame = 0
  #drawn = 0
  #changed = false
  #closed = false

  constructor(o: TtyOptions) {
    this.#o = o
    this.#now = o.now ?? Date.now
    this.#timer = setInterval(() => this.#draw(), o.frameTime ?? 100)
    // The work that is shown keeps the process alive, not the picture.
    this.#timer.unref()
  }

  readonly report = (event: ProgressEvent): void => {
    const ended = event.status === 'working' ? undefined : this.#now()
    // Images share layers: each shows its own.
    const key = `${event.parent ?? ''} ${event.id}`
    const line = this.#lines.get(key)
    if (line) {
      line.event = event
      line.ended = ended
    } else this.#lines.set(key, { event, began: this.#now(), ended })
    this.#changed = true
  }

  async aside<T>(work: () => Promise<T>): Promise<T> {
    this.#draw()
    try {
      return await work()
    } finally {
      // What stands above is left alone.
      this.#drawn = 0
      this.#changed = true
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    if (this.#lines.size > 0) this.#draw()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #draw(): void {
    const lines = inOrder([...this.#lines.values()])
    const working = lines.some((line) => line.ended === undefined)
    if (lines.length === 0 || (!working && !this.#changed)) return
    this.#changed = false
    this.#frame++
    const top = lines.filter(({ event }) => event.parent === undefined)
    const done = top.filter(({ event }) => event.status !== 'working' && event.status !== 'error').length
    const head = this.#paint(36, `[+] ${this.#o.title} ${done}/${top.length}`)
    // A picture higher than the screen would scroll away under itself: the last lines are those that move.
    const room = Math.max(1, this.#o.rows() - 2)
    const shown = this.#closed ? lines : lines.slice(-room)
    const picture = [head, ...this.#picture(shown)]
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''
    this.#o.write(`\x1b[?25l${up}${picture.map((line) => `\x1b[2K${line}\n`).join('')}\x1b[0J\x1b[?25h`)
    this.#drawn = picture.length
  }

  #picture(lines: readonly Line[]): string[] {
    const prefix = this.#o.prefix ?? ''
    const columns = this.#o.columns() - prefix.length
    const bodies = lines.map(({ event }) => bodyOf(event))
    const width = Math.min(Math.max(...bodies.map(cellsOf)), Math.max(10, columns - 12))
    return lines.map((line, index) => {
      const body = clipCells(bodies[index] ?? '', width)
      const time = `${(((line.ended ?? this.#now()) - line.began) / 1000).toFixed(1)}s`
      const gap = ' '.repeat(Math.max(1, Math.min(columns - 12, width + 8) - cellsOf(body)))
      return ` ${this.#mark(line)} ${prefix && this.#paint(36, prefix)}${this.#coloured(line, body)}${gap}${this.#paint(34, time)}`
    })
  }

  #mark({ event: { status } }: Line): string {
    switch (status) {
      case 'working':
        return this.#paint(33, spinner[this.#frame % spinner.length] ?? '')
      case 'done':
        return this.#paint(32, '✔')
      case 'warning':
        return this.#paint(33, '!')
      case 'error':
        return this.#paint(31, '✘')
    }
  }

  #coloured({ event }: Line, body: string): string {
    if (event.status === 'error') return this.#paint(31, body)
    return body
  }

  #paint(code: number, text: string): string {
    return this.#o.colour ? `\x1b[${code}m${text}\x1b[0m` : text
  }
}

/** Parts stand below what they are a part of. */
function inOrder(lines: readonly Line[]): Line[] {
  const parts = Map.groupBy(lines, ({ event }) => event.parent)
  const whole = new Set((parts.get(undefined) ?? []).map(({ event }) => event.id))
  return lines.flatMap((line) => {
    const { id, parent } = line.event
    if (parent !== undefined) return whole.has(parent) ? [] : [line]
    return [line, ...(parts.get(id) ?? [])]
  })
}

function bodyOf({ id, text, details = '', parent, current, total, status }: ProgressEvent): string {
  const amount =
    status === 'working' && current !== undefined && total !== undefined
      ? `  ${humanSize(current)}/${humanSize(total)}`
      : ''
  // A daemon's text does not move our cursor.
  return `${parent === undefined ? '' : '  '}${id}  ${text}${amount}${details === '' ? '' : `  ${details}`}`.replace(
    /\p{Cc}+/gu,
    ' ',
  )
}
