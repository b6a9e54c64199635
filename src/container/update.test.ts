import assert from 'node:assert/strict'
import { test } from 'node:test'
import { merged } from './update.ts'

test('an update keeps what it does not name', () => {
  const now = { Memory: 1 << 28, CpuShares: 512, RestartPolicy: { Name: 'no' as const } }
  assert.deepEqual(merged(now, { Memory: 1 << 27, RestartPolicy: { Name: 'always' } }), {
    Memory: 1 << 27,
    CpuShares: 512,
    RestartPolicy: { Name: 'always' },
  })
  assert.deepEqual(merged(now, { RestartPolicy: { Name: '' } }), now)
})

test('limits that exclude each other are refused in docker’s words', () => {
  assert.throws(() => merged({ CpuPeriod: 50_000 }, { NanoCpus: 1e9 }), {
    kind: 'conflict',
    message: 'Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set',
  })
  assert.throws(() => merged({ NanoCpus: 1e9 }, { CpuQuota: 5000 }), /CPU Quota cannot be updated/)
  assert.throws(() => merged({ Memory: 1e7, MemorySwap: 2e7 }, { Memory: 3e7 }), /update the memoryswap/)
  assert.throws(
    () => merged({ AutoRemove: true }, { RestartPolicy: { Name: 'always' } }),
    /AutoRemove is enabled/,
  )
})
