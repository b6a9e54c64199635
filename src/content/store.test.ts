import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { digestOf } from '../lib/digest.ts'
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { ContentStore } from './store.ts'

const op = background(silentLogger)
let root = ''
before(async () => void (root = await mkdtemp(join(tmpdir(), 'content-'))))
after(() => rm(root, { recursive: true, force: true }))

test('written content is found by its digest, and writing it twice succeeds twice', async () => {
  const store = await ContentStore.open(join(root, 'a'))
  const data = Buffer.alloc(3 << 20, 'x')
  const source = () =>
    Readable.from([data.subarray(0, 10), data.subarray(10, 2 << 20), data.subarray(2 << 20)])
  const [one, two] = await Promise.all([store.write(op, source()), store.write(op, source())])
  assert.deepEqual(one, { digest: digestOf(data), size: data.length })
  assert.deepEqual(two, one)
  assert.deepEqual(await buffer(store.read(one.digest)), data)
  assert.equal(await store.size(one.digest), data.length)
  assert.deepEqual(await store.list(), [one.digest])
  assert.equal(await store.delete(one.digest), true)
  assert.equal(await store.delete(one.digest), false)
  await assert.rejects(store.size(one.digest), { kind: 'not-found' })
  await assert.rejects(store.bytes(one.digest, 10), { kind: 'not-found' })
})

test('content with another digest, too long, cut off or cancelled is refused, and nothing is left', async () => {
  const store = await ContentStore.open(join(root, 'b'))
  const expected = digestOf('y')
  await assert.rejects(store.write(op, Readable.from([Buffer.from('x')]), { expected }), { kind: 'invalid' })
  await assert.rejects(store.write(op, Readable.from([Buffer.from('xx')]), { maxBytes: 1 }), {
    kind: 'invalid',
  })
  const broken = new Readable({ read() {} })
  broken.push('x')
  setImmediate(() => broken.destroy(new Error('cut off')))
  await assert.rejects(store.write(op, broken), /cut off/)
  const controller = new AbortController()
  const endless = new Readable({ read() {} })
  setImmediate(() => controller.abort())
  const cancelled: Op = { ...op, signal: controller.signal }
  await assert.rejects(store.write(cancelled, endless), { name: 'AbortError' })
  assert.deepEqual(await readdir(join(root, 'b/ingest')), [])
  assert.deepEqual(await store.list(), [])
})

test('a blob longer than the reader allows is not read', async () => {
  const store = await ContentStore.open(join(root, 'c'))
  const digest = await store.put(op, Buffer.from('hello'))
  assert.equal((await store.bytes(digest, 5)).toString(), 'hello')
  await assert.rejects(store.bytes(digest, 4), { kind: 'invalid' })
})

test('reconcile() keeps what it is told to, and nothing half-written', async () => {
  const store = await ContentStore.open(join(root, 'd'))
  const [keep, go] = [await store.put(op, Buffer.from('1')), await store.put(op, Buffer.from('2'))]
  await writeFile(join(root, 'd/ingest/left'), 'x')
  await store.reconcile(op, (digest) => digest === keep)
  assert.deepEqual([await store.has(keep), await store.has(go)], [true, false])
  assert.deepEqual(await readdir(join(root, 'd/ingest')), [])
})
