import assert from 'node:assert/strict'
import { test } from 'node:test'
import { layout, type LayoutEdge } from './layout.ts'
import { separated } from './separated.ts'

const space = { space: 2, lineSpace: 1 }
const boxes = (names: string) => names.split(' ').map((id) => ({ id, width: 10, height: 4 }))
const edges = (pairs: string): LayoutEdge[] =>
  pairs.split(' ').flatMap((pair) => {
    const [from, to] = pair.split('>')
    return from !== undefined && to !== undefined ? [{ from, to }] : []
  })

test('every line leads to the right; what only leads somewhere stands right before that', () => {
  const { columns } = layout(boxes('a b c d'), edges('a>b b>c a>c d>c'), space)
  assert.deepEqual(
    columns.map((column) => column.map(({ id }) => id).toSorted()),
    [['a'], ['b', 'd'], ['c']],
  )
})

test('boxes and lines that pass keep their distance', () => {
  const nodes = boxes('a b c d e f g h')
  const found = layout(nodes, edges('a>b b>c c>d a>d e>d f>b g>h e>h a>h'), space)
  for (const column of found.columns)
    for (const [index, box] of column.entries()) {
      const next = column[index + 1]
      if (next) assert.ok(next.y - (box.y + box.height) >= 2 - 1e-9)
    }
  for (const { from, to, heights } of found.routes) {
    const first = found.columns.findIndex((column) => column.some(({ id }) => id === from))
    const last = found.columns.findIndex((column) => column.some(({ id }) => id === to))
    for (const [step, height] of heights.slice(1, -1).entries())
      for (const box of found.columns[first + step + 1] ?? [])
        assert.ok(height < box.y || height > box.y + box.height, `${from}>${to} runs through ${box.id}`)
    assert.equal(heights.length, last - first + 1)
  }
})

test('boxes without lines do not make a tower', () => {
  const { columns } = layout(boxes('a b c d e f'), [], space)
  assert.deepEqual(
    columns.map((column) => column.length),
    [2, 2, 2],
  )
  assert.deepEqual(layout([], [], space), { columns: [], routes: [], height: 0 })
})

test('an order without crossings is found', () => {
  const { columns } = layout(boxes('a b x y'), edges('a>y b>x'), space)
  const [first = '', second = ''] = columns.map((column) => column.map(({ id }) => id).join(''))
  assert.ok(['ab yx', 'ba xy'].includes(`${first} ${second}`))
})

test('separated() moves what is in each other\u2019s way equally far', () => {
  const wishes = [0, 0, 10].map((wanted) => ({ wanted, weight: 1 }))
  assert.deepEqual(
    separated(wishes, () => 4),
    [-2, 2, 10],
  )
})
