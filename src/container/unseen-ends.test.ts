import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Container } from './container.ts'
import type { Exit } from './end.ts'
import { watchUnseenEnds } from './unseen-ends.ts'

/** Larger than any pid that Linux gives. */
const nobody = 2 ** 22 + 1

test('an end is unseen once conmon is gone, too, and had written nothing', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const c = {
    state: { status: 'running', pid: nobody, pidStartTime: 1, startedAt: '' },
  } as unknown as Container
  let written: Exit | undefined
  let monitored = true
  const reports: Exit[] = []
  using _watch = watchUnseenEnds({
    list: () => [c],
    exitOf: () => written,
    isMonitored: () => monitored,
    report: (_c, exit) => reports.push(exit),
  })
  t.mock.timers.tick(20_000)
  assert.deepEqual(reports, [], 'conmon lives: it is about to write')

  written = { exitCode: 3, oomKilled: false, finishedAt: new Date(0) }
  t.mock.timers.tick(2000)
  assert.deepEqual(reports, [written])

  written = undefined
  monitored = false
  t.mock.timers.tick(4000)
  assert.equal(reports.length, 2)
  assert.partialDeepStrictEqual(reports[1], { exitCode: 255, unseen: true })
})
