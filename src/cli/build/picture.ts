import type { StatusEvent, VertexEvent } from '../../wire/build.ts'
import type { Colours } from './colours.ts'
import type { LogWindow } from './log-window.ts'
import { durationOf, seconds } from './progress.ts'
import { cellsOf, clipCells } from './text-cells.ts'

/** What is known of a vertex. */
export interface ShownVertex {
  event: VertexEvent
  readonly statuses: Map<string, StatusEvent>
  readonly log: LogWindow
  /** Characters of output. */
  written: number
}

export interface PictureOptions {
  readonly now: number
  readonly started: number
  readonly columns: number
  readonly rows: number
  readonly colours: Colours
  /** The last picture shows all steps and no output. */
  readonly final: boolean
}

/** A build as lines of a terminal, none wider than it; while it runs, no more of them than fit. */
export function pictureOf(vertices: readonly ShownVertex[], o: PictureOptions): string[] {
  const done = vertices.filter(({ event }) => isDone(event)).length
  const isOver = o.final && done === vertices.length && done > 0
  const head = `[+] Building ${seconds(o.now - o.started)} (${done}/${vertices.length})${isOver ? ' FINISHED' : ''}`
  const shown = vertices.filter(({ event }) => event.started !== undefined || isDone(event))
  const blocks = shown.map((vertex) => ({ vertex, isDone: isDone(vertex.event), lines: linesOf(vertex, o) }))
  const first = clipCells(head, o.columns - 1)
  if (o.final) return [first, ...blocks.flatMap(({ lines }) => lines)]
  // The cursor stands below the picture, or its first line would scroll away and could not be drawn over.
  const room = Math.max(1, o.rows - 2)
  const running = blocks.filter((block) => !block.isDone)
  let free = room - running.reduce((sum, { lines }) => sum + lines.length, 0)
  const windows = new Map<ShownVertex, string[]>()
  for (const { vertex } of running.toSorted((a, b) => b.vertex.written - a.vertex.written)) {
    const lines = vertex.log.lines()
    if (lines.length === 0 || lines.length > free) continue
    windows.set(vertex, lines)
    free -= lines.length
  }
  // Of steps that are over the newest are shown, as far as there is room.
  const over = blocks.filter((block) => block.isDone)
  const kept = new Set<ShownVertex>()
  for (const block of over.toReversed()) {
    if (block.lines.length > free) break
    free -= block.lines.length
    kept.add(block.vertex)
  }
  const lines = blocks.flatMap((block) => {
    if (block.isDone) return kept.has(block.vertex) ? block.lines : []
    const output = windows.get(block.vertex) ?? []
    return [...block.lines, ...output.map((line) => faint(` => => # ${line}`, o))]
  })
  return [first, ...lines.slice(-room)]
}

function isDone(vertex: VertexEvent): boolean {
  return vertex.completed !== undefined || vertex.cached || vertex.error !== undefined
}

function linesOf({ event, statuses }: ShownVertex, o: PictureOptions): string[] {
  const state =
    event.error === undefined
      ? event.cached
        ? 'CACHED '
        : ''
      : event.error === 'canceled'
        ? 'CANCELED '
        : 'ERROR '
  const colour = colourOf(event, o.colours)
  const lines = [row(` => ${state}${oneLine(event.name)}`, durationOf(event, o.now), { ...o, colour })]
  if (event.miss) lines.push(faint(` => => MISS ${event.miss.map(oneLine).join(', ')}`, o))
  for (const status of statuses.values()) {
    const colour_ = status.completed === undefined && !isDone(event) ? '' : colour || o.colours.run
    const duration = (status.completed ?? event.completed ?? o.now) - status.started
    lines.push(row(` => => ${oneLine(status.text)}`, duration, { ...o, colour: colour_ }))
  }
  return lines
}

function colourOf(vertex: VertexEvent, colours: Colours): string {
  if (vertex.error === 'canceled') return colours.cancel
  if (vertex.error !== undefined) return colours.error
  return isDone(vertex) ? colours.run : ''
}

/** The time stands at the right edge; one column stays free, where some terminals wrap. */
function row(
  left: string,
  duration: number,
  o: { columns: number; colour: string; colours: Colours },
): string {
  // Docker: what is too short to be told is nothing.
  const time = seconds(duration < 50 ? 0 : duration)
  const room = Math.max(4, o.columns - 1 - time.length - 1)
  const text = clipCells(left, room)
  const line = `${text}${' '.repeat(Math.max(0, room - cellsOf(text)))} ${time}`
  return o.colour === '' ? line : `${o.colour}${line}${o.colours.reset}`
}

function faint(text: string, o: PictureOptions): string {
  return `${o.colours.faint}${clipCells(text, o.columns - 1)}${o.colours.reset}`
}

/** Names come from Dockerfiles: what would move the cursor is left out. */
const oneLine = (text: string): string => text.replace(/\s+/g, ' ').replace(/\p{Cc}/gu, '')
