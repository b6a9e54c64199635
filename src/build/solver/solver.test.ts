import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background, type Op } from '../../lib/op.ts'
import type { BuildEvent } from '../../wire/build.ts'
import { Progress } from './progress.ts'
import { Solver, type Cache } from './solver.ts'
import { cacheKey, makeVertex, type Io, type Vertex } from './vertex.ts'

type Run = (op: Op, inputs: readonly string[], io: Io) => Promise<string>

const vertex = (name: string, run: Run, inputs: Vertex<string>[] = []): Vertex<string> =>
  makeVertex(name, {
    name,
    inputs,
    work: {
      keys: [(_op, results) => Promise.resolve(cacheKey([name, ...results]))],
      run: async (op, results, io) => ({ result: await run(op, results, io), cacheable: true }),
    },
  })

function setUp(limit = 4) {
  const records = new Map<string, string>()
  const cache: Cache<string> = {
    get: (key) => records.get(key.digest),
    put: (keys, result) => {
      for (const key of keys) records.set(key.digest, result)
    },
  }
  const solver = new Solver({ cache, limit })
  const events: BuildEvent[] = []
  const solve = (op: Op, root: Vertex<string>, noCache = false) =>
    solver.solve(op, [root], {
      progress: new Progress((event) => events.push(event)),
      noCache,
      onResult: () => undefined,
    })
  return { solve, events, solver }
}

const op = () => background(silentLogger)
const gate = () => Promise.withResolvers<void>()
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

test('independent vertices run at the same time, a shared input once', async () => {
  const { solve } = setUp()
  const both = gate()
  let running = 0
  let bases = 0
  const meet: Run = async (_op, inputs) => {
    if (++running === 2) both.resolve()
    await both.promise
    return inputs.join()
  }
  const base = vertex('base', () => Promise.resolve(`b${++bases}`))
  const top = vertex('top', (_op, i) => Promise.resolve(i.join('+')), [
    vertex('x', meet, [base]),
    vertex('y', meet, [base]),
  ])
  assert.equal((await solve(op(), top)).get(top.id), 'b1+b1')
})

test('no more vertices run at once than the limit', async () => {
  const { solve } = setUp(2)
  let running = 0
  let most = 0
  const work: Run = async () => {
    most = Math.max(most, ++running)
    await turn()
    running--
    return ''
  }
  const many = Array.from({ length: 8 }, (_, i) => vertex(`v${i}`, work))
  await solve(
    op(),
    vertex('top', () => Promise.resolve(''), many),
  )
  assert.equal(most, 2)
})

test('what ran once is found again, and runs again without cache', async () => {
  const { solve, events } = setUp()
  let runs = 0
  const v = vertex('v', () => Promise.resolve(`${++runs}`))
  await solve(op(), v)
  await solve(op(), v)
  assert.equal(runs, 1)
  const last = events.findLast((event) => event.type === 'vertex')
  assert.ok(last?.type === 'vertex' && last.cached && last.completed !== undefined)
  await solve(op(), v, true)
  assert.equal(runs, 2)
})

test('equal work of two builds is done once, and the second hears what was said before', async () => {
  const { solve, events } = setUp()
  const go = gate()
  let runs = 0
  const v = vertex('v', async (_op, _inputs, io) => {
    runs++
    io.log(1, 'early')
    await go.promise
    return 'r'
  })
  const first = solve(op(), v)
  await turn()
  const second = solve(op(), v)
  await turn()
  go.resolve()
  await Promise.all([first, second])
  assert.equal(runs, 1)
  assert.equal(events.filter((event) => event.type === 'log').length, 2)
})

test('a cancelled build leaves shared work to the other; the last one stops it and waits for its end', async () => {
  const { solve } = setUp()
  const ended = gate()
  let stopped = false
  const v = vertex('v', async (inner) => {
    await new Promise<void>((resolve) => inner.signal.addEventListener('abort', () => resolve()))
    await ended.promise
    stopped = true
    throw inner.signal.reason
  })
  const [a, b] = [new AbortController(), new AbortController()]
  const first = solve(background(silentLogger, a.signal), v)
  await turn()
  const second = solve(background(silentLogger, b.signal), v)
  await turn()
  b.abort()
  await assert.rejects(second, { name: 'AbortError' })
  assert.equal(stopped, false)
  a.abort()
  await turn()
  ended.resolve()
  await assert.rejects(first, { name: 'AbortError' })
  assert.ok(stopped)
})

test('the first failure stops the rest and is what comes out', async () => {
  const { solve } = setUp()
  let aborted = false
  const slow = vertex('slow', async (inner) => {
    await new Promise<void>((resolve) => inner.signal.addEventListener('abort', () => resolve()))
    aborted = true
    throw inner.signal.reason
  })
  const bad = vertex('bad', async () => {
    await turn()
    throw new Error('broken')
  })
  await assert.rejects(
    solve(
      op(),
      vertex('top', () => Promise.resolve(''), [slow, bad]),
    ),
    { message: 'broken' },
  )
  assert.ok(aborted)
})
