import type { BuildEvent, WarningEvent } from '../../wire/build.ts'
import type { Colours } from './colours.ts'
import { LogWindow } from './log-window.ts'
import { pictureOf, type ShownVertex } from './picture.ts'
import type { Progress } from './progress.ts'
import { cellsOf } from './text-cells.ts'
import { warningsText } from './warnings.ts'

const { stripVTControlCharacters } = process.getBuiltinModule('node:util')

interface Screen {
  readonly columns: number
  readonly rows: number
}

export interface TtyOptions {
  readonly colours: Colours
  readonly debug?: boolean
  /** Milliseconds between pictures. */
  readonly frameTime?: number
  /** Lines of output that are shown of a step that runs. */
  readonly logLines?: number
  readonly now?: () => number
}

/**
 * The picture of a build on a terminal, drawn over itself: each is one write that moves up and replaces lines, and one that
 * would be the same is not written. The cursor is hidden only while that happens: however we end, it is there.
 */
export class TtyProgress implements Progress {
  readonly #write: (text: string) => void
  readonly #screen: () => Screen
  readonly #o: Required<TtyOptions>
  readonly #vertices = new Map<string, ShownVertex>()
  readonly #warnings: WarningEvent[] = []
  readonly #started: number
  readonly #timer: NodeJS.Timeout
  /** What stands on the screen. */
  #drawn: readonly string[] = []
  #columns = 0
  #closed = false

  constructor(write: (text: string) => void, screen: () => Screen, o: TtyOptions) {
    this.#write = write
    this.#screen = screen
    this.#o = { debug: false, frameTime: 100, logLines: 6, now: Date.now, ...o }
    this.#started = this.#o.now()
    this.#timer = setInterval(() => this.draw(), this.#o.frameTime)
  }

  handle(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex': {
        const known = this.#vertices.get(event.id)
        if (known) known.event = event
        else
          this.#vertices.set(event.id, {
            event,
            statuses: new Map(),
            log: new LogWindow(this.#o.logLines),
            written: 0,
          })
        return
      }
      case 'log': {
        const vertex = this.#vertices.get(event.vertex)
        if (!vertex) return
        vertex.log.write(event.data)
        vertex.written += event.data.length
        return
      }
      case 'status':
        this.#vertices.get(event.vertex)?.statuses.set(event.text, event)
        return
      case 'warning':
        this.#warnings.push(event)
        return
      case 'error':
      case 'result':
    }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    this.draw()
    const colour = this.#o.colours.reset !== ''
    this.#write(warningsText(this.#warnings, { debug: this.#o.debug, colour }))
  }

  draw(): void {
    const { columns, rows } = this.#screen()
    const lines = pictureOf([...this.#vertices.values()], {
      now: this.#o.now(),
      started: this.#started,
      columns,
      rows,
      colours: this.#o.colours,
      final: this.#closed,
    })
    const isSame = lines.length === this.#drawn.length && lines.every((line, i) => line === this.#drawn[i])
    if (isSame && columns === this.#columns) return
    const up = this.#height(columns)
    const begin = up > 0 ? `\r\x1b[${up}A` : '\r'
    // After a resize the old picture may stand in other places: it goes as a whole.
    const clear = this.#columns !== 0 && columns !== this.#columns ? '\x1b[J' : ''
    const frame = lines.map((line) => `${line}\x1b[K\n`).join('')
    const rest = up > lines.length ? '\x1b[J' : ''
    this.#write(`\x1b[?25l${begin}${clear}${frame}${rest}\x1b[?25h`)
    this.#drawn = lines
    this.#columns = columns
  }

  /** Screen lines that the last picture takes now: a terminal that became narrower has wrapped them. */
  #height(columns: number): number {
    if (columns >= this.#columns) return this.#drawn.length
    return this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(cellsOf(stripVTControlCharacters(line)) / columns)),
      0,
    )
  }
}
