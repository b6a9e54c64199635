import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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
  const shared = await mounts.acquire(op(), { key, id: '/c', sharing: 'shared', fill })
  const second = await mounts.acquire(op(), { key, id: '/c', sharing: 'shared', fill })
  assert.equal(second.path, shared.path)
  const own = await mounts.acquire(op(), { key, id: '/c', sharing: 'private', fill })
  assert.notEqual(own.path, shared.path)
  const controller = new AbortController()
  const given = mounts.acquire(op(controller.signal), { key, id: '/c', sharing: 'locked', fill })
  const waiting = mounts.acquire(op(), { key, id: '/c', sharing: 'locked', fill })
  controller.abort()
  await assert.rejects(given, { name: 'AbortError' })
  own[Symbol.dispose]()
  own[Symbol.dispose]()
  assert.equal((await waiting).path, own.path)
  shared[Symbol.dispose]()
  second[Symbol.dispose]()
  assert.equal((await mounts.acquire(op(), { key, id: '/c', sharing: 'private', fill })).path, shared.path)
})

test('they survive a restart, half-made ones do not; what is in use is not removed', async (t) => {
  const root = folder(t)
  const first = await CacheMounts.open(root)
  const used = await first.acquire(op(), { key, id: '/c', sharing: 'shared', fill })
  await assert.rejects(
    first.acquire(op(), {
      key: CacheMounts.keyOf('x'),
      id: '/x',
      sharing: 'shared',
      fill: () => Promise.reject(new Error('no')),
    }),
    { message: 'no' },
  )
  assert.equal(readdirSync(root).length, 1)
  const [item] = await first.items()
  assert.ok(item?.inUse)
  assert.equal(await first.remove(op(), item.id), undefined)
  mkdirSync(join(root, 'new-1'))
  const again = await CacheMounts.open(root)
  assert.equal(readdirSync(root).length, 1)
  const mount = await again.acquire(op(), { key, id: '/c', sharing: 'locked', fill })
  assert.equal(mount.path, used.path)
  mount[Symbol.dispose]()
  const { lastUsedAt: _, createdAt, ...kept } = (await again.items())[0] ?? {}
  assert.equal(createdAt, item.createdAt)
  const { lastUsedAt: _before, createdAt: _same, ...made } = item
  assert.deepEqual(kept, { ...made, inUse: false, usageCount: 2 })
  assert.equal(kept.description, 'cache mount /c')
  assert.deepEqual(again.findOne('/c'), again.findOne(item.id))
  assert.equal(await again.remove(op(), item.id), 4)
  assert.equal(await again.remove(op(), item.id), undefined)
  assert.deepEqual(readdirSync(root), [])
})

test('content that is imported replaces what a cache has, or waits for the first step that wants its id', async (t) => {
  const root = folder(t)
  const mounts = await CacheMounts.open(root)
  const write = (text: string) => (path: string) => Promise.resolve(writeFileSync(join(path, 'f'), text))
  const read = (path: string) => readFileSync(join(path, 'f'), 'utf8')
  await mounts.import(op(), { id: '/c', fill: write('one') })
  await mounts.import(op(), { id: '/c', fill: write('two') })
  assert.equal((await mounts.list()).length, 1)
  const other = await mounts.acquire(op(), { key: CacheMounts.keyOf('o'), id: '/o', sharing: 'shared', fill })
  const again = await CacheMounts.open(root)
  const used = await again.acquire(op(), { key, id: '/c', sharing: 'shared', fill })
  assert.equal(read(used.path), 'two')
  const importing = again.import(op(), { id: '/c', fill: write('three') })
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(read(used.path), 'two')
  used[Symbol.dispose]()
  await importing
  assert.equal(read(used.path), 'three')
  const failed = again.import(op(), { id: '/c', fill: () => Promise.reject(new Error('no')) })
  await assert.rejects(failed, { message: 'no' })
  assert.equal(read(used.path), 'three')
  other[Symbol.dispose]()
  const [a, b] = [
    await again.acquire(op(), { key, id: '/c', sharing: 'private', fill }),
    await again.acquire(op(), { key, id: '/c', sharing: 'private', fill }),
  ]
  assert.throws(() => again.findOne('/c'), { kind: 'conflict', message: /2 caches have the id "\/c"/ })
  a[Symbol.dispose]()
  b[Symbol.dispose]()
})
