/** A project for the terminal: a box for each service, lines to what it depends on, tables of networks and volumes. */
import { Canvas, right } from './canvas.ts'
import { lanesOf, type Net } from './channels.ts'
import {
  factsOf,
  hasOwnNetworks,
  hasVolume,
  inNetwork,
  resourceRows,
  shortened,
  titleOf,
  type Fact,
} from './facts.ts'
import { layout, type Box, type Layout } from './layout.ts'
import type { ProjectGraph } from './project-graph.ts'

export interface TerminalOptions {
  /** Letters in a line; boxes that are wider together are listed one below the other. */
  readonly width: number
  /** Makes text of a file safe to print. */
  readonly visible: (text: string) => string
}

/** A text that is longer than this ends in `…`. */
const maxText = 44

export function drawTerminal(project: ProjectGraph, { width, visible }: TerminalOptions): string {
  const graph = withTexts(project, visible)
  const boxes = boxesOf(graph)
  const picture = drawn(graph, boxes)
  const fits = picture.split('\n').every((line) => Array.from(line).length <= width)
  return [fits ? picture : listed(graph), ...tables(graph)].filter((part) => part !== '').join('\n')
}

/** Before anything is measured. */
function withTexts(graph: ProjectGraph, visible: (text: string) => string): ProjectGraph {
  const through = (value: unknown): unknown => {
    if (typeof value === 'string') return visible(value)
    if (Array.isArray(value)) return value.map(through)
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, through(each)]))
  }
  return through(graph) as ProjectGraph // the same shape, with other texts
}

interface TextBox {
  readonly title: string
  readonly lines: readonly string[]
  readonly width: number
}

function boxesOf(graph: ProjectGraph): Map<string, TextBox> {
  const defaultNetwork = hasOwnNetworks(graph)
  return new Map(
    graph.services.map((service) => {
      const lines = aligned(factsOf(service, { defaultNetwork }))
      const title = titleOf(service)
      const widest = Math.max(...lines.map(lengthOf), lengthOf(title) + 2)
      return [service.name, { title, lines, width: widest + 4 }]
    }),
  )
}

function aligned(facts: readonly Fact[]): string[] {
  const column = Math.max(...facts.map(([word]) => word.length)) + 2
  return facts.map(
    ([word, text], index) =>
      (facts[index - 1]?.[0] === word ? '' : word).padEnd(column) + shortened(text, maxText),
  )
}

const lengthOf = (text: string) => Array.from(text).length

function drawn(graph: ProjectGraph, boxes: ReadonlyMap<string, TextBox>): string {
  const nodes = Array.from(boxes, ([id, { lines, width }]) => ({ id, width, height: lines.length + 2 }))
  const edges = graph.services.flatMap(({ name, needs }) =>
    needs.map((need) => ({ from: name, to: need.service })),
  )
  const found = layout(nodes, edges, { space: 1, lineSpace: 2 })
  const canvas = new Canvas()
  let x = 0
  const gaps = found.columns.map((_, column) => gapAfter(found, column))
  const ends = found.columns.map((column, index) => {
    const begin = x
    const width = Math.max(0, ...column.map((box) => box.width))
    for (const box of column) draw(canvas, box, { x, width, text: boxes.get(box.id) })
    x += width + (gaps[index]?.width ?? 0)
    return { begin, end: begin + width - 1 }
  })
  for (const [column, { lines }] of gaps.entries()) {
    const [here, next] = [ends[column], ends[column + 1]]
    if (here && next) for (const line of lines) connect(canvas, line, { from: here, to: next })
  }
  return canvas.toString()
}

/** All boxes of a column are as wide as the widest. */
function draw(
  canvas: Canvas,
  box: Box,
  { x, width, text }: { x: number; width: number; text: TextBox | undefined },
): void {
  const y = Math.round(box.y)
  const inner = width - 2
  const { title = '', lines = [] } = text ?? {}
  canvas.text(x, y, `┌─ ${title} ${'─'.repeat(inner - lengthOf(title) - 3)}┐`)
  for (const [index, line] of lines.entries())
    canvas.text(x, y + index + 1, `│ ${line}${' '.repeat(inner - lengthOf(line) - 1)}│`)
  canvas.text(x, y + lines.length + 1, `└${'─'.repeat(inner)}┘`)
}

interface Line {
  readonly net: Net
  readonly lane: number | undefined
  /** Leaves a box; else passes the column. */
  readonly leaves: boolean
  /** Rows in which a box is reached. */
  readonly arrows: ReadonlySet<number>
}

/** The lines between a column and the next one. */
function gapAfter({ routes, columns }: Layout, column: number): { lines: readonly Line[]; width: number } {
  const boxes = new Map(columns.flat().map((box) => [box.id, box]))
  const rowOf = (box: Box) => Math.round(box.y) + Math.floor((box.height - 1) / 2)
  const nets = new Map<string, { from: number; to: number[]; leaves: boolean; arrows: Set<number> }>()
  for (const [index, { from, to, heights }] of routes.entries()) {
    const [source, target] = [boxes.get(from), boxes.get(to)]
    const step = source ? column - source.column : -1
    if (!source || !target || step < 0 || step >= heights.length - 1) continue
    const leaves = step === 0
    const arrives = step === heights.length - 2
    const begin = leaves ? rowOf(source) : Math.round(heights[step] ?? 0)
    const end = arrives ? rowOf(target) : Math.round(heights[step + 1] ?? 0)
    const key = leaves ? from : `${index}`
    const net = nets.get(key) ?? { from: begin, to: [], leaves, arrows: new Set() }
    net.to.push(end)
    if (arrives) net.arrows.add(end)
    nets.set(key, net)
  }
  const all = [...nets.values()]
  const lanes = lanesOf(all)
  const used = lanes.filter((lane) => lane !== undefined).length
  return {
    lines: all.map((net, index) => ({ net, lane: lanes[index], leaves: net.leaves, arrows: net.arrows })),
    width: column === columns.length - 1 ? 0 : 4 + 2 * used,
  }
}

interface Span {
  readonly begin: number
  readonly end: number
}

function connect(
  canvas: Canvas,
  { net, lane, leaves, arrows }: Line,
  { from, to }: { from: Span; to: Span },
): void {
  const start = leaves ? from.end : from.begin
  if (leaves) canvas.text(from.end, net.from, '├')
  const turn = lane === undefined ? start : from.end + 2 + 2 * lane
  canvas.horizontal(net.from, start, turn)
  for (const row of net.to) {
    if (row !== net.from) canvas.vertical(turn, net.from, row)
    const reached = arrows.has(row)
    canvas.horizontal(row, turn, reached ? to.begin - 1 : to.begin)
    if (reached) canvas.text(to.begin - 1, row, '▶')
    else canvas.joint(to.begin, row, right)
  }
}

/** Without lines: what a service depends on stands below it. */
function listed({ services }: ProjectGraph): string {
  return services
    .map((service) => {
      const needs = service.needs.map((need) => ['needs', need.service] as const)
      const lines = aligned([...factsOf(service, { defaultNetwork: true }), ...needs])
      return [titleOf(service), ...lines.map((line) => `  ${line}`), ''].join('\n')
    })
    .join('\n')
}

function tables(graph: ProjectGraph): string[] {
  const networks = resourceRows(graph, graph.networks, inNetwork)
  const volumes = resourceRows(graph, graph.volumes, hasVolume)
  return [
    table(['NETWORK', 'NAME', '', 'SERVICES'], networks),
    table(['VOLUME', 'NAME', '', 'SERVICES'], volumes),
  ]
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  if (rows.length === 0) return ''
  const all = [head, ...rows]
  // A column that says nothing takes no room.
  const columns = head.flatMap((_, index) => (rows.some((row) => row[index] !== '') ? [index] : []))
  const widths = columns.map((index) => Math.max(...all.map((row) => lengthOf(row[index] ?? ''))))
  return all
    .map((row) => {
      const cells = columns.map((index, position) => {
        const cell = row[index] ?? ''
        return cell + ' '.repeat((widths[position] ?? 0) - lengthOf(cell))
      })
      return `${cells.join('   ').trimEnd()}\n`
    })
    .join('')
}
