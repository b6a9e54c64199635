import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { CacheMounts } from './cache-mounts.ts'

const op = (signal?: AbortSignal) => background(silentLogger, signal)
const key = CacheMounts.keyOf('k')
const fill = (path: string) => Promise.resolve(writeFileSync(join(path, 'seed'), 'four'))

function folder(t: TestContext): string {
  const root = mkdtempSync(join(tmpdir(), 'gcm-'))
  t.after(() => rmSync(root, { recursive: true }))
  return root
}

test('what is free is taken up again; a locked one is waited for, until nobody wants it any more', async (t) => {
  const mounts = await CacheMounts.open(folder(t))
  const shared = await mounts.acquire(op(), { key, sharing: 'shared', fill })
  const second = await mounts.acquire(op(), { key, sharing: 'shared', fill })
  assert.equal(second.path, shared.path)
  const own = await mounts.acquire(op(), { key, sharing: 'private', fill })
  assert.notEqual(own.path, shared.path)
  const controller = new AbortController()
  const given = mounts.acquire(op(controller.signal), { key, sharing: 'locked', fill })
  const waiting = mounts.acquire(op(), { key, sharing: 'locked', fill })
  controller.abort()
  await assert.rejects(given, { name: 'AbortError' })
  own[Symbol.dispose]()
  own[Symbol.dispose]()
  assert.equal((await waiting).path, own.path)
  shared[Symbol.dispose]()
  second[Symbol.dispose]()
  assert.equal((await mounts.acquire(op(), { key, sharing: 'private', fill })).path, shared.path)
})

test('they survive a restart, half-made ones do not; prune spares what is in use', async (t) => {
  const root = folder(t)
  const first = await CacheMounts.open(root)
  const used = await first.acquire(op(), { key, sharing: 'shared', fill })
  await assert.rejects(
    first.acquire(op(), {
      key: CacheMounts.keyOf('x'),
      sharing: 'shared',
      fill: () => Promise.reject(new Error('no')),
    }),
    { message: 'no' },
  )
  assert.equal(readdirSync(root).length, 1)
  assert.deepEqual(await first.prune(), { bytes: 0, count: 0 })
  mkdirSync(join(root, 'new-1'))
  const again = await CacheMounts.open(root)
  assert.equal(readdirSync(root).length, 1)
  const mount = await again.acquire(op(), { key, sharing: 'locked', fill })
  assert.equal(mount.path, used.path)
  mount[Symbol.dispose]()
  assert.deepEqual(await again.prune(), { bytes: 4, count: 1 })
  assert.deepEqual(readdirSync(root), [])
})
