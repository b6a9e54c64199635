/**
 * Boxes in columns, each to the right of all that lead to it, with few crossings and short lines (after Sugiyama, Tagawa, Toda:
 * "Methods for Visual Understanding of Hierarchical System Structures"). Units are the caller's: characters or pixels.
 */
import { separated } from './separated.ts'

export interface LayoutNode {
  readonly id: string
  readonly width: number
  readonly height: number
}

export interface LayoutEdge {
  readonly from: string
  readonly to: string
}

export interface LayoutOptions {
  /** Free space between boxes of a column, and beside a line that passes through it. */
  readonly space: number
  readonly lineSpace: number
}

export interface Box extends LayoutNode {
  readonly column: number
  /** Top. */
  readonly y: number
}

export interface Route extends LayoutEdge {
  /** Height of the line at the column of its begin, at each column that it passes, at that of its end. */
  readonly heights: readonly number[]
}

export interface Layout {
  readonly columns: readonly (readonly Box[])[]
  readonly routes: readonly Route[]
  readonly height: number
}

/** A box, or the point where a line passes a column. */
interface Place {
  readonly node: LayoutNode
  readonly passes: boolean
  readonly before: Place[]
  readonly after: Place[]
  column: number
  order: number
  middle: number
}

/** The edges must lead in no circle. */
export function layout(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[], o: LayoutOptions): Layout {
  const found = columnsOf(nodes, edges)
  const places = new Map(nodes.map((node) => [node.id, newPlace(node, found.get(node.id) ?? 0)]))
  const columns: Place[][] = []
  const add = (place: Place) => {
    const column = (columns[place.column] ??= [])
    place.order = column.push(place) - 1
  }
  for (const place of places.values()) add(place)
  const chains = edges.flatMap((edge) => {
    const [from, to] = [places.get(edge.from), places.get(edge.to)]
    return from && to ? [{ edge, chain: chainOf(from, to, add) }] : []
  })
  order(columns)
  settle(columns, o)
  const top = Math.min(0, ...columns.flat().map(({ middle, node }) => middle - node.height / 2))
  const boxes = columns.map((column) =>
    column
      .filter(({ passes }) => !passes)
      .map(({ node, column: index, middle }) => ({
        ...node,
        column: index,
        y: middle - node.height / 2 - top,
      })),
  )
  return {
    columns: boxes,
    routes: chains.map(({ edge, chain }) => ({ ...edge, heights: chain.map(({ middle }) => middle - top) })),
    height: Math.max(0, ...boxes.flat().map(({ y, height }) => y + height)),
  }
}

function newPlace(node: LayoutNode, column: number, passes = false): Place {
  return { node, passes, before: [], after: [], column, order: 0, middle: 0 }
}

/** Each one column after the last of those that lead to it; what only leads somewhere stands right before that. */
function columnsOf(nodes: readonly LayoutNode[], edges: readonly LayoutEdge[]): Map<string, number> {
  const before = Map.groupBy(edges, ({ to }) => to)
  const after = Map.groupBy(edges, ({ from }) => from)
  const found = new Map<string, number>()
  const visit = (id: string): number => {
    const known = found.get(id)
    if (known !== undefined) return known
    found.set(id, 0)
    const column = Math.max(0, ...(before.get(id) ?? []).map(({ from }) => visit(from) + 1))
    found.set(id, column)
    return column
  }
  for (const { id } of nodes) visit(id)
  for (const { id } of nodes)
    if (!before.has(id) && after.has(id))
      found.set(id, Math.min(...(after.get(id) ?? []).map(({ to }) => (found.get(to) ?? 1) - 1)))
  spread(
    nodes.filter(({ id }) => !before.has(id) && !after.has(id)),
    found,
  )
  return found
}

/** Boxes without any line fill the columns in turn, three at least, so that they do not make a tower. */
function spread(alone: readonly LayoutNode[], found: Map<string, number>): void {
  const used = new Map<number, number>()
  const free = new Set(alone.map(({ id }) => id))
  for (const [id, column] of found) if (!free.has(id)) used.set(column, (used.get(column) ?? 0) + 1)
  const count = Math.max(used.size, Math.min(3, alone.length))
  for (const { id } of alone) {
    const columns = Array.from({ length: count }, (_, column) => column)
    const least = columns.toSorted((a, b) => (used.get(a) ?? 0) - (used.get(b) ?? 0))[0] ?? 0
    found.set(id, least)
    used.set(least, (used.get(least) ?? 0) + 1)
  }
}

/** The line as links from one column to the next one. */
function chainOf(from: Place, to: Place, add: (place: Place) => void): Place[] {
  const chain = [from]
  for (let column = from.column + 1; column < to.column; column++) {
    const passing = newPlace({ id: '', width: 0, height: 0 }, column, true)
    add(passing)
    chain.push(passing)
  }
  chain.push(to)
  for (const [index, place] of chain.entries()) {
    const next = chain[index + 1]
    if (!next) break
    place.after.push(next)
    next.before.push(place)
  }
  return chain
}

const sweeps = 12

/** Sorts each column by the middle of its neighbours, back and forth; the order with the fewest crossings stays. */
function order(columns: readonly Place[][]): void {
  let best = { crossings: crossingsOf(columns), orders: columns.map((column) => [...column]) }
  for (let sweep = 0; sweep < sweeps && best.crossings > 0; sweep++) {
    const forward = sweep % 2 === 0
    for (const column of forward ? columns : columns.toReversed()) {
      const weight = (place: Place) => {
        const near = forward ? place.before : place.after
        return near.length === 0 ? place.order : mean(near.map((each) => each.order))
      }
      column.sort((a, b) => weight(a) - weight(b) || a.order - b.order)
      for (const [index, place] of column.entries()) place.order = index
    }
    const crossings = crossingsOf(columns)
    if (crossings < best.crossings) best = { crossings, orders: columns.map((column) => [...column]) }
  }
  for (const [index, column] of best.orders.entries()) {
    columns[index]?.splice(0, column.length, ...column)
    for (const [position, place] of column.entries()) place.order = position
  }
}

function crossingsOf(columns: readonly Place[][]): number {
  let count = 0
  for (const column of columns) {
    const lines = column.flatMap((place) => place.after.map((next) => [place.order, next.order] as const))
    for (const [index, [a, b]] of lines.entries())
      for (const [c, d] of lines.slice(index + 1)) if ((a - c) * (b - d) < 0) count++
  }
  return count
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Heights: near those of the neighbours, in the order of the column, with space between. */
function settle(columns: readonly Place[][], o: LayoutOptions): void {
  const gap = (upper: Place, lower: Place) =>
    (upper.node.height + lower.node.height) / 2 + (upper.passes || lower.passes ? o.lineSpace : o.space)
  const place = (column: readonly Place[], wanted: (each: Place) => number) => {
    const middles = separated(
      column.map((each) => ({ wanted: wanted(each), weight: each.passes ? 2 : 1 })),
      (index) => gap(column[index - 1] as Place, column[index] as Place), // both are there: index ≥ 1
    )
    for (const [index, each] of column.entries()) each.middle = middles[index] ?? 0
  }
  for (const column of columns) place(column, () => 0)
  for (let sweep = 0; sweep < sweeps; sweep++)
    for (const column of sweep % 2 === 0 ? columns : columns.toReversed())
      place(column, (each) => {
        const near = [...each.before, ...each.after]
        return near.length === 0 ? each.middle : mean(near.map(({ middle }) => middle))
      })
}
