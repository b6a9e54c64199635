import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertCan, isLive } from './state.ts'

test('assertCan() refuses to start a container that is being removed', () => {
  assert.throws(() => assertCan({ status: 'removing' }, 'running'), { kind: 'conflict' })
})

test('a paused container counts as live and can only go on or end', () => {
  const paused = { status: 'paused', pid: 1, pidStartTime: 1, startedAt: '' } as const
  assert.ok(isLive(paused))
  assertCan(paused, 'running')
  assertCan(paused, 'exited')
  assert.throws(() => assertCan(paused, 'removing'), { kind: 'conflict' })
})
