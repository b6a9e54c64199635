import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from '../../wire/build.ts'
import { durationOf, LineBuffer, seconds, type Progress } from './progress.ts'
import { warningsText } from './warnings.ts'

const { stripVTControlCharacters } = process.getBuiltinModule('node:util')

const frameTime = 80
const logLines = 6

interface Screen {
  readonly columns: number
  readonly rows: number
}

/**
 * The picture of a build on a terminal: finished steps, running ones with their last lines of output, elapsed times.
 * It is drawn over itself: each frame is one write that moves up and replaces lines, never clearing the screen.
 */
export class TtyProgress implements Progress {
  readonly #write: (text: string) => void
  readonly #screen: () => Screen
  readonly #vertices = new Map<string, VertexEvent>()
  readonly #statuses = new Map<string, StatusEvent[]>()
  readonly #logs = new Map<string, { buffer: LineBuffer; lines: string[] }>()
  readonly #warnings: WarningEvent[] = []
  readonly #debug: boolean
  readonly #started = Date.now()
  readonly #timer: NodeJS.Timeout
  #drawn = 0
  #closed = false

  constructor(write: (text: string) => void, screen: () => Screen, o: { debug?: boolean } = {}) {
    this.#write = write
    this.#debug = o.debug ?? false
    this.#screen = screen
    this.#timer = setInterval(() => this.#draw(), frameTime)
    this.#write('\x1b[?25l')
    process.once('exit', this.#showCursor)
  }

  readonly #showCursor = () => this.#write('\x1b[?25h')

  handle(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex':
        this.#vertices.set(event.id, event)
        return
      case 'log': {
        const log = this.#logs.get(event.vertex) ?? { buffer: new LineBuffer(), lines: [] }
        this.#logs.set(event.vertex, log)
        // A line that is not finished yet is progress too: what a carriage return left of it.
        log.lines = [...log.lines, ...log.buffer.push(event.data)].slice(-logLines)
        return
      }
      case 'status': {
        const known = (this.#statuses.get(event.vertex) ?? []).filter((status) => status.text !== event.text)
        this.#statuses.set(event.vertex, [...known, event])
        return
      }
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
    this.#draw()
    this.#write(warningsText(this.#warnings, { debug: this.#debug, colour: true }))
    process.off('exit', this.#showCursor)
    this.#showCursor()
  }

  #draw(): void {
    const { columns, rows } = this.#screen()
    const lines = this.#picture(columns)
    // What does not fit would scroll, and could never be drawn over: the oldest steps give way.
    const room = Math.max(3, rows - 1)
    const shown =
      this.#closed || lines.length <= room ? lines : [lines[0] ?? '', ...lines.slice(lines.length - room + 1)]
    const up = this.#drawn > 0 ? `\x1b[${this.#drawn}A` : ''
    const gone = Math.max(0, this.#drawn - shown.length)
    const frame = shown.map((line) => `\r${line}\x1b[K\n`).join('') + '\r\x1b[K\n'.repeat(gone)
    this.#write(`${up}${frame}${gone > 0 ? `\x1b[${gone}A` : ''}`)
    this.#drawn = shown.length
  }

  #picture(columns: number): string[] {
    const now = Date.now()
    const vertices = Array.from(this.#vertices.values())
    const done = vertices.filter((vertex) => isDone(vertex)).length
    const lines = [
      `[+] Building ${seconds(now - this.#started)} (${done}/${vertices.length})${this.#closed ? ' FINISHED' : ''}`,
    ]
    for (const vertex of vertices) {
      if (vertex.started === undefined && !isDone(vertex)) continue
      const state =
        vertex.error === undefined
          ? vertex.cached
            ? 'CACHED '
            : ''
          : vertex.error === 'canceled'
            ? 'CANCELED '
            : 'ERROR '
      const colour = vertex.error === undefined ? (isDone(vertex) ? '\x1b[34m' : '') : '\x1b[31m'
      lines.push(row(` => ${state}${vertex.name}`, seconds(durationOf(vertex, now)), columns, colour))
      for (const status of this.#statuses.get(vertex.id) ?? [])
        lines.push(
          row(` => => ${status.text}`, seconds((status.completed ?? now) - status.started), columns, colour),
        )
      if (isDone(vertex)) continue
      for (const line of this.#logs.get(vertex.id)?.lines ?? [])
        lines.push(`\x1b[2m${clip(` => => # ${clean(line)}`, columns)}\x1b[0m`)
    }
    return lines
  }
}

function isDone(vertex: VertexEvent): boolean {
  return vertex.completed !== undefined || vertex.cached || vertex.error !== undefined
}

function row(left: string, right: string, columns: number, colour: string): string {
  const room = columns - right.length - 2
  const text = clip(clean(left), room).padEnd(room)
  return `${colour}${text} ${right}${colour === '' ? '' : '\x1b[0m'}`
}

/** Control characters of a step's output would move our cursor; of a line drawn over itself the last state counts. */
function clean(text: string): string {
  const last = text.slice(text.lastIndexOf('\r') + 1)
  return stripVTControlCharacters(last)
    .replaceAll('\t', '    ')
    .replace(/\p{Cc}/gu, '')
}

function clip(text: string, room: number): string {
  return text.length <= room ? text : `${text.slice(0, Math.max(0, room - 3))}...`
}
