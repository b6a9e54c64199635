import assert from 'node:assert/strict'
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Store } from '../../store/index.ts'
import type { BuildRequest } from '../request.ts'
import { BuildHistory, historyLimits, type HistoryLimits } from './history.ts'

const folder = mkdtempSync(join(tmpdir(), 'history-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const op = background(silentLogger)
let count = 0

async function setUp(more: Partial<HistoryLimits> = {}) {
  const root = join(folder, String(count++))
  const store = Store.open(':memory:')
  const open = () => BuildHistory.open(op, { root, store, limits: { ...historyLimits, ...more } })
  return { root, open, history: await open() }
}

const request = (more: Partial<BuildRequest> = {}): BuildRequest => ({
  context: { kind: 'directory', path: '/src/app' },
  dockerfile: 'Dockerfile',
  tags: ['app'],
  buildArgs: {},
  labels: {},
  noCache: false,
  ...more,
})
const step = { stage: 'stage-0', index: 1, total: 2, startLine: 1, endLine: 1, text: 'RUN x' }
const vertex = (id: string, more: object = {}) =>
  ({ type: 'vertex', id, name: `step ${id}`, cached: false, step, ...more }) as const
async function all(lines: AsyncIterable<string>): Promise<string[]> {
  const found: string[] = []
  for await (const line of lines) found.push(line)
  return found
}

test('a build is there from its beginning on, with its log, and stays as it ended', async () => {
  const { history, open } = await setUp()
  const recorder = history.begin(op, request({ buildArgs: { VERSION: '1', NPM_TOKEN: 'abc' } }))
  recorder.note(vertex('1'))
  recorder.note(vertex('1', { started: 5, completed: 9, cached: true }))
  recorder.note(vertex('2', { started: 9 }))
  assert.deepEqual(history.find(recorder.id).steps, { total: 2, done: 1, cached: 1 })
  assert.throws(() => history.remove(recorder.id), { kind: 'conflict' })
  recorder.note({ type: 'log', vertex: '2', stream: 1, data: 'hello\n', time: 7 })
  const sofar = await all(history.lines(op, recorder.id, { follow: false }))
  assert.equal(sofar.length, 4)
  recorder.note({ type: 'result', imageId: 'sha256:1', tags: ['app:latest'] })
  recorder.end('completed')
  await history.close()
  const kept = (await open()).find(recorder.id.slice(0, 6))
  assert.equal(kept.status, 'completed')
  assert.deepEqual(kept.tags, ['app:latest'])
  assert.deepEqual(kept.buildArgs, { VERSION: '1', NPM_TOKEN: '***' })
  assert.equal(kept.logBytes, (await all(history.lines(op, kept.id, { follow: true }))).join('\n').length + 1)
})

test('who follows a build gets each line and then its end', async () => {
  const { history } = await setUp()
  const recorder = history.begin(op, request())
  const following = all(history.lines(op, recorder.id, { follow: true }))
  for (let i = 0; i < 300; i++) {
    recorder.note({ type: 'log', vertex: '1', stream: 1, data: `${i} ${'x'.repeat(500)}é\n`, time: 1 })
    if (i % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  recorder.end('error')
  const lines = await following
  assert.equal(lines.length, 300)
  assert.ok(lines.every((line, i) => line.includes(`"${i} x`) && line.includes('é')))
  const stopping = new AbortController()
  const other = history.begin(op, request())
  const cut = all(history.lines({ ...op, signal: stopping.signal }, other.id, { follow: true }))
  setTimeout(() => stopping.abort(), 5)
  await assert.rejects(cut, { name: 'AbortError' })
  other.end('canceled')
  await history.close()
})

test('a build that a crash cut off is known as such, by what its log tells', async () => {
  const { history, open, root } = await setUp()
  const recorder = history.begin(op, request())
  recorder.note(vertex('1', { started: 1, completed: 2 }))
  recorder.note(vertex('2', { started: 2 }))
  await all(history.lines(op, recorder.id, { follow: false }))
  await recorder.log.end()
  appendFileSync(join(root, `${recorder.id}.ndjson`), '{"type":"verte')
  writeFileSync(join(root, 'stray.ndjson'), '')
  const next = await open()
  const record = next.find(recorder.id)
  assert.equal(record.status, 'interrupted')
  assert.deepEqual(record.steps, { total: 2, done: 1, cached: 0 })
  assert.deepEqual(readdirSync(root), [`${recorder.id}.ndjson`])
})

test('the oldest go when there are too many, or their logs take too much', async () => {
  const few = await setUp({ maxBuilds: 2, maxBytes: 1 << 20 })
  const ids: string[] = []
  for (let i = 0; i < 4; i++) {
    const recorder = few.history.begin(op, request())
    ids.push(recorder.id)
    recorder.end('completed')
    await few.history.close()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.deepEqual(
    few.history.list().map((record) => record.id),
    ids.slice(2).toReversed(),
  )
  assert.equal(readdirSync(few.root).length, 2)
  const small = await setUp({ maxBuilds: 9, maxBytes: 1000 })
  for (let i = 0; i < 3; i++) {
    const recorder = small.history.begin(op, request())
    recorder.note({ type: 'log', vertex: '1', stream: 1, data: 'x'.repeat(600) })
    recorder.end('completed')
    await small.history.close()
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.equal(small.history.list().length, 1)
  const young = await setUp({ maxAge: 20 })
  young.history.begin(op, request()).end('completed')
  await new Promise((resolve) => setTimeout(resolve, 30))
  young.history.begin(op, request()).end('completed')
  await young.history.close()
  assert.equal(young.history.list().length, 1)
})

test('builds are found by the beginning of their id, and counted back from the newest', async () => {
  const { history } = await setUp()
  assert.throws(() => history.find(''), { kind: 'not-found' })
  for (const ref of ['aa1', 'aa2', 'b1']) {
    history.begin(op, request({ ref })).end('completed')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  assert.equal(history.find('').id, 'b1')
  assert.equal(history.find('^1').id, 'aa2')
  assert.equal(history.find('b').id, 'b1')
  assert.throws(() => history.find('aa'), { kind: 'invalid' })
  assert.throws(() => history.find('zz'), { kind: 'not-found' })
  assert.throws(() => history.begin(op, request({ ref: '../x' })), { kind: 'invalid' })
  assert.throws(() => history.begin(op, request({ ref: 'b1' })), { kind: 'conflict' })
  await history.close()
})
