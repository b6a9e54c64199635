import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../lib/digest.ts'
import { imageOf } from './export.ts'
import type { DraftHistory } from './graph/image-draft.ts'
import type { Tree } from './graph/tree.ts'
import { makeVertex } from './solver/vertex.ts'

const vertex = (name: string) =>
  makeVertex<Tree>(name, {
    name,
    inputs: [],
    work: { keys: [], run: () => assert.fail('nothing runs here') },
  })

function times(rows: (DraftHistory | string)[], made: Record<string, string>) {
  const vertices = new Map(Object.keys(made).map((name) => [name, vertex(name)]))
  const history = rows.map((row): DraftHistory => {
    if (typeof row !== 'string') return row
    const layer = vertices.get(row)
    return { createdBy: row, emptyLayer: !layer, ...(layer && { vertex: layer }) }
  })
  const results = new Map(
    [...vertices].map(([name, v]) => [v.id, { layers: [digestOf(name)], createdAt: made[name] ?? '' }]),
  )
  const draft = { config: {}, architecture: 'amd64', os: 'linux', history, tree: undefined }
  const image = imageOf(draft, results, { labels: {}, now: 'now' })
  return [...(image.history ?? []).map((row) => row.created), image.created]
}

test('rows without a layer take the time of the first new layer, then of the one before', () => {
  const base: DraftHistory = { createdBy: 'base', emptyLayer: false, created: 't0' }
  assert.deepEqual(times([base, 'ENV', 'RUN', 'CMD', 'COPY', 'USER'], { RUN: 't1', COPY: 't2' }), [
    't0',
    't1',
    't1',
    't1',
    't2',
    't2',
    't2',
  ])
  assert.deepEqual(times([base, 'ENV'], {}), ['t0', 't0', 't0'])
  assert.deepEqual(times(['ENV'], {}), ['now', 'now'])
})
