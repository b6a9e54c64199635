import type { BuildDetail } from '../../wire/builds.ts'
import { seconds } from './progress.ts'

/** One vertex on the time line; seconds from the build's start. */
export interface TimeLineRow {
  readonly id: string
  readonly name: string
  readonly start: number
  readonly duration: number
  readonly state: 'cached' | 'done' | 'error' | 'canceled' | 'running' | 'waiting'
}

/** When each vertex ran, in the order in which they began. */
export function timeLineRows(build: BuildDetail): TimeLineRow[] {
  const origin = Date.parse(build.startedAt)
  const end = build.endedAt === undefined ? Date.now() : Date.parse(build.endedAt)
  const isRunning = build.status === 'running'
  return build.vertices
    .map((vertex) => {
      const started = vertex.started ?? vertex.completed ?? end
      const completed = vertex.completed ?? end
      return {
        id: vertex.id,
        name: vertex.name,
        start: Math.max(0, started - origin) / 1000,
        duration: vertex.started === undefined ? 0 : Math.max(0, completed - started) / 1000,
        state: stateOf(vertex, isRunning),
      }
    })
    .toSorted((a, b) => a.start - b.start || Number(a.id) - Number(b.id))
}

function stateOf(vertex: BuildDetail['vertices'][number], isRunning: boolean): TimeLineRow['state'] {
  if (vertex.error === 'canceled') return 'canceled'
  if (vertex.error !== undefined) return 'error'
  if (vertex.completed !== undefined) return vertex.cached ? 'cached' : 'done'
  if (vertex.started === undefined) return 'waiting'
  return isRunning ? 'running' : 'canceled'
}

const colourOf: Readonly<Record<TimeLineRow['state'], string>> = {
  cached: '\x1b[2m',
  done: '\x1b[34m',
  error: '\x1b[31m',
  canceled: '\x1b[33m',
  running: '\x1b[32m',
  waiting: '\x1b[2m',
}

/** Bars over time, one line a vertex; `width` columns wide. */
export function timeLine(build: BuildDetail, o: { width: number; colours: boolean }): string {
  const rows = timeLineRows(build)
  if (rows.length === 0) return ''
  const total = Math.max(0.001, ...rows.map((row) => row.start + row.duration))
  const idWidth = Math.max(...rows.map((row) => row.id.length)) + 1
  const times = rows.map((row) => timeOf(row))
  const timeWidth = Math.max(...times.map((time) => time.length))
  const room = Math.max(30, o.width - idWidth - timeWidth - 4)
  const nameWidth = Math.min(Math.max(...rows.map((row) => row.name.length)), Math.ceil(room * 0.5))
  const barWidth = Math.max(10, room - nameWidth)
  const lines = rows.map((row, index) => {
    const from = Math.min(barWidth - 1, Math.floor((row.start / total) * barWidth))
    const to = Math.max(
      from + 1,
      Math.min(barWidth, Math.round(((row.start + row.duration) / total) * barWidth)),
    )
    const mark = row.state === 'cached' ? '·' : row.state === 'waiting' ? ' ' : '█'
    const bar = `${' '.repeat(from)}${mark.repeat(to - from)}`.padEnd(barWidth)
    const shown = o.colours ? `${colourOf[row.state]}${bar}\x1b[0m` : bar
    const name = row.name.length > nameWidth ? `${row.name.slice(0, nameWidth - 3)}...` : row.name
    return `#${row.id.padEnd(idWidth)}${name.padEnd(nameWidth)} ${shown} ${(times[index] ?? '').padStart(timeWidth)}`
  })
  const scale = `${' '.repeat(idWidth + 1 + nameWidth + 1)}0s${seconds(total * 1000).padStart(barWidth - 2)}`
  return `${[scale, ...lines].map((line) => line.trimEnd()).join('\n')}\n`
}

function timeOf(row: TimeLineRow): string {
  switch (row.state) {
    case 'cached':
      return 'CACHED'
    case 'waiting':
      return ''
    case 'canceled':
      return 'CANCELED'
    case 'error':
      return `ERROR ${seconds(row.duration * 1000)}`
    case 'running':
    case 'done':
      return seconds(row.duration * 1000)
  }
}
