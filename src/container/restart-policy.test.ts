import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRestartPolicy, restartsAfterEnd, restartsAtBoot, restartWait } from './restart-policy.ts'

const end = { exitCode: 0, restartCount: 0, stoppedByUser: false }

test('restartsAfterEnd() follows the policy', () => {
  assert.equal(restartsAfterEnd(undefined, end), false)
  assert.equal(restartsAfterEnd({ Name: 'no' }, { ...end, exitCode: 1 }), false)
  for (const Name of ['always', 'unless-stopped'] as const) {
    assert.equal(restartsAfterEnd({ Name }, end), true)
    assert.equal(restartsAfterEnd({ Name }, { ...end, stoppedByUser: true }), false)
  }
  const onFailure = { Name: 'on-failure', MaximumRetryCount: 2 } as const
  assert.equal(restartsAfterEnd(onFailure, end), false)
  assert.equal(restartsAfterEnd(onFailure, { ...end, exitCode: 1, restartCount: 1 }), true)
  assert.equal(restartsAfterEnd(onFailure, { ...end, exitCode: 1, restartCount: 2 }), false)
  assert.equal(restartsAfterEnd({ Name: 'on-failure' }, { ...end, exitCode: 1, restartCount: 99 }), true)
})

test('restartsAtBoot() brings back with `always` what the user had stopped, too', () => {
  const stopped = { ...end, exitCode: 143, stoppedByUser: true }
  assert.equal(restartsAtBoot({ Name: 'always' }, stopped), true)
  assert.equal(restartsAtBoot({ Name: 'unless-stopped' }, stopped), false)
  assert.equal(restartsAtBoot({ Name: 'unless-stopped' }, end), true)
  assert.equal(restartsAtBoot({ Name: 'on-failure' }, stopped), false)
  assert.equal(restartsAtBoot({ Name: 'on-failure' }, { ...end, exitCode: 1 }), true)
  assert.equal(restartsAtBoot({ Name: 'no' }, end), false)
})

test('restartWait() doubles up to a minute, and begins anew after a good run', () => {
  const waits: number[] = []
  for (let wait = 0; waits.length < 12; waits.push(wait)) wait = restartWait(wait, { ranFor: 10 })
  assert.deepEqual(waits.slice(0, 4), [100, 200, 400, 800])
  assert.deepEqual(waits.slice(-2), [60_000, 60_000])
  assert.equal(restartWait(60_000, { ranFor: 10_000 }), 100)
})

test('checkRestartPolicy() refuses what docker refuses', () => {
  checkRestartPolicy({ Name: 'on-failure', MaximumRetryCount: 3 })
  assert.throws(() => checkRestartPolicy({ Name: 'always', MaximumRetryCount: 3 }), {
    message: "invalid restart policy: maximum retry count can only be used with 'on-failure'",
  })
  assert.throws(() => checkRestartPolicy({ Name: 'on-failure', MaximumRetryCount: -1 }), {
    message: 'invalid restart policy: maximum retry count cannot be negative',
  })
  // As a client may send it.
  const unknown = { Name: 'sometimes' } as unknown as Parameters<typeof checkRestartPolicy>[0]
  assert.throws(() => checkRestartPolicy(unknown), {
    message:
      "invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
  })
})
