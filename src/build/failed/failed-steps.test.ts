import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Store } from '../../store/index.ts'
import type { FailedRun } from '../exec/tools.ts'
import type { StepSpace } from '../exec/workspace.ts'
import type { RunStep } from '../graph/works.ts'
import { FailedSteps, type FailedStepsOptions } from './failed-steps.ts'
import { keptMount } from './record.ts'

const op = background(silentLogger)
const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

function setUp(limits: { maxCount?: number; maxAge?: number } = {}) {
  const store = Store.open(':memory:')
  const there = new Set<string>()
  const fake = {
    workspaces: () => Promise.resolve([...there]),
    unmount: () => Promise.resolve(),
    remove: (_op: unknown, id: string) => Promise.resolve(void there.delete(id)),
    usage: () => Promise.resolve(7),
    onExit: () => ({ [Symbol.dispose]() {} }),
  }
  // What of these is used without a shell is here.
  const parts = { snapshots: fake, runtime: fake, networks: fake } as unknown as FailedStepsOptions
  const open = () => FailedSteps.open(op, { ...parts, ...limits, store, runDir: '/nowhere' })
  const space = (id: string): StepSpace => {
    there.add(id)
    return { id, root: `/ws/${id}`, scratch: '', upper: '', layers: [], keep: () => {} }
  }
  const step: RunStep = {
    args: ['/bin/sh', '-c', 'false'],
    env: [],
    proxyEnv: ['HTTP_PROXY=http://me:geheim@proxy/', 'NO_PROXY=localhost'],
    cwd: '/',
    user: '',
    network: 'bridge',
    onBase: true,
    mounts: [],
  }
  const run = (...ids: string[]): FailedRun => {
    const spaces = ids.map(space)
    const [first] = spaces
    assert.ok(first)
    return { step, space: first, spaces, mounts: [] }
  }
  return { open, run, there, store }
}

test('the newest few are kept; with a step go all its workspaces', async () => {
  const { open, run, there } = setUp({ maxCount: 2 })
  const failed = await open()
  for (const [build, ids] of Object.entries({ one: ['a', 'b'], two: ['c'], three: ['d'] })) {
    failed.keeper(build, '/g')(op, run(...ids))
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  await turn()
  assert.deepEqual([...there], ['c', 'd'])
  assert.deepEqual(
    ['one', 'two', 'three'].map((build) => failed.has(build)),
    [false, true, true],
  )
  assert.deepEqual(failed.references().workspaces, new Set(['c', 'd']))
  // The first failure of a build is what people look at.
  failed.keeper('two', '/g')(op, run('e'))
  assert.ok(!failed.references().workspaces.has('e'))
  await failed.close()
})

test('they outlive the daemon, but no reboot and no workspace that is gone; what is old goes', async () => {
  const { open, run, there, store } = setUp({ maxAge: 60_000 })
  const first = await open()
  for (const [build, id] of [
    ['kept', 'a'],
    ['gone', 'b'],
    ['rebooted', 'c'],
    ['old', 'd'],
  ] as const)
    first.keeper(build, '/g')(op, run(id))
  await first.close()
  there.delete('b')
  const table = store.table('failed_steps', (value) => value as Record<string, unknown>)
  table.put('rebooted', { ...table.get('rebooted'), boot: 'another' })
  table.put('old', { ...table.get('old'), createdAt: '2020-01-01T00:00:00Z' })
  const next = await open()
  await turn()
  assert.deepEqual(
    ['kept', 'gone', 'rebooted', 'old'].filter((build) => next.has(build)),
    ['kept'],
  )
  assert.deepEqual([...there], ['a'])
  assert.doesNotMatch(JSON.stringify(table.all()), /geheim/)
  assert.match(JSON.stringify(table.all()), /NO_PROXY/)
  await next.close()
})

test('as items of the build cache they are listed and pruned', async () => {
  const { open, run, there } = setUp()
  const failed = await open()
  failed.keeper('one', '/g')(op, run('a', 'b'))
  const [item] = await failed.items(op)
  assert.equal(item?.type, 'internal')
  assert.equal(item.bytes, 14)
  assert.match(item.description, /^failed step of build one: \/bin\/sh -c false$/)
  assert.equal(await failed.remove(op, 'other'), undefined)
  assert.equal(await failed.remove(op, item.id), 14)
  assert.equal(there.size, 0)
  await assert.rejects(failed.shell(op, 'one', { tty: false }), { kind: 'not-found' })
  await failed.close()
})

test('mounts are remembered by the workspace that they are in', () => {
  const spaces = [{ id: 'a', root: '/ws/a' }]
  const mounted = (source: string) => ({ destination: '/x', type: 'bind', source, options: ['ro'] })
  assert.deepEqual(keptMount(mounted('/ws/a/bound'), spaces), {
    ...mounted('/bound'),
    space: 'a',
  })
  assert.deepEqual(keptMount(mounted('/ws/ab/c'), spaces), mounted('/ws/ab/c'))
})
