import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { after, test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { digestOf } from './digest.ts'
import type { Upload } from './upload.ts'
import { Uploads } from './uploads.ts'

const op = background(silentLogger)
const root = mkdtempSync(join(tmpdir(), 'gantry-uploads-'))
after(() => rmSync(root, { recursive: true, force: true }))
const limit = 1 << 30

let count = 0
async function open() {
  const spool = join(root, String(count++))
  return { spool, uploads: await Uploads.open(spool) }
}

const append = (upload: Upload, data: string | Buffer, more: { start?: number; limit?: number } = {}) =>
  upload.append(op, Readable.from([Buffer.from(data)]), { limit, ...more })

/** What the upload's file has in the end. */
async function finish(upload: Upload, digest: ReturnType<typeof digestOf>): Promise<Buffer> {
  return await upload.finish(op, digest, ({ path, size }) => {
    const data = readFileSync(path)
    assert.equal(data.length, size)
    return Promise.resolve(data)
  })
}

test('bytes in any number of pieces are taken in order, verified, and gone when the upload is over', async () => {
  const { spool, uploads } = await open()
  const data = randomBytes((3 << 20) + 5)
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const upload = await uploads.start(op, 'a/b')
    await append(upload, data.subarray(0, 7), { start: 0 })
    await append(upload, data.subarray(7, 2 << 20), { start: 7 })
    await append(upload, data.subarray(2 << 20))
    assert.equal(upload.size, data.length)
    assert(data.equals(await finish(upload, digestOf(data, algorithm))))
    await assert.rejects(uploads.get(op, 'a/b', upload.id), { code: 'BLOB_UPLOAD_UNKNOWN' })
    await assert.rejects(append(upload, 'x'), { code: 'BLOB_UPLOAD_UNKNOWN' })
  }
  assert.deepEqual(readdirSync(spool), [])
})

test('an upload goes on after a restart, its hash made from what is there', async () => {
  const { spool, uploads } = await open()
  const { id } = await uploads.start(op, 'a/b').then(async (upload) => {
    await append(upload, 'before ')
    return upload
  })
  const later = await Uploads.open(spool)
  const upload = await later.get(op, 'a/b', id)
  assert.equal(upload.size, 7)
  await append(upload, 'after', { start: 7 })
  assert.equal((await finish(upload, digestOf('before after'))).toString(), 'before after')
})

test('what a killed process left of an upload that was beginning or ending is cleared away', async () => {
  const { spool } = await open()
  const [beginning, ending, damaged] = [1, 2, 3].map((n) => `00000000-0000-4000-8000-00000000000${n}`)
  for (const id of [beginning, ending, damaged]) mkdirSync(join(spool, id ?? ''))
  writeFileSync(join(spool, ending ?? '', 'state'), JSON.stringify({ repository: 'a', startedAt: '' }))
  writeFileSync(join(spool, damaged ?? '', 'data'), 'x')
  const uploads = await Uploads.open(spool)
  await assert.rejects(uploads.get(op, 'a', ending ?? ''), { code: 'BLOB_UPLOAD_UNKNOWN' })
  assert.deepEqual(await Array.fromAsync(uploads.list(op)), [])
  assert.deepEqual(readdirSync(spool), [])
})

test('a source that breaks leaves what had come, and the next request goes on there', async () => {
  const { uploads } = await open()
  const upload = await uploads.start(op, 'a')
  const source = new PassThrough()
  source.write('begun ')
  setTimeout(() => source.destroy(new Error('connection lost')), 5)
  await assert.rejects(upload.append(op, source, { limit }), /connection lost/)
  assert.equal(upload.size, 6)
  await append(upload, 'and done', { start: 6 })
  await finish(upload, digestOf('begun and done'))
})

test('a later request takes over from one that does not end', async () => {
  const { uploads } = await open()
  const upload = await uploads.start(op, 'a')
  const source = new PassThrough()
  source.write('first ')
  const stuck = assert.rejects(upload.append(op, source, { limit }), { code: 'BLOB_UPLOAD_INVALID' })
  await new Promise((resolve) => setTimeout(resolve, 5))
  await append(upload, 'second')
  await stuck
  assert(source.destroyed)
  await finish(upload, digestOf('first second'))
})

test('a removal ends a request that is under way', async () => {
  const { spool, uploads } = await open()
  const upload = await uploads.start(op, 'a')
  const source = new PassThrough()
  const stuck = assert.rejects(upload.append(op, source, { limit }))
  await new Promise((resolve) => setTimeout(resolve, 5))
  await uploads.remove(op, upload.id)
  await stuck
  await uploads.remove(op, upload.id)
  assert.deepEqual(readdirSync(spool), [])
})

test('a chunk of another length than announced is refused', async () => {
  const { uploads } = await open()
  const upload = await uploads.start(op, 'a')
  const source = () => Readable.from([Buffer.from('four')])
  await assert.rejects(upload.append(op, source(), { limit, length: 5 }), { code: 'SIZE_INVALID' })
  await assert.rejects(append(upload, 'x', { start: 9 }), { code: 'RANGE_INVALID' })
})

test('more than the limit ends the upload, and nothing is left', async () => {
  const { spool, uploads } = await open()
  const upload = await uploads.start(op, 'a')
  await append(upload, 'x'.repeat(10), { limit: 10 })
  await assert.rejects(append(upload, 'x', { limit: 10 }), { code: 'TOO_LARGE' })
  assert.deepEqual(readdirSync(spool), [])
})

test('content with another digest ends the upload, and nothing is left', async () => {
  const { spool, uploads } = await open()
  const upload = await uploads.start(op, 'a')
  await append(upload, 'sent')
  await assert.rejects(finish(upload, digestOf('promised')), { code: 'DIGEST_INVALID' })
  assert.deepEqual(readdirSync(spool), [])
})

test('uploads are listed with their size and age', async () => {
  const { spool, uploads } = await open()
  const upload = await uploads.start(op, 'some/where')
  await append(upload, 'bytes')
  for (const one of [uploads, await Uploads.open(spool)]) {
    const [entry, ...rest] = await Array.fromAsync(one.list(op))
    assert.deepEqual(rest, [])
    assert.deepEqual(
      { id: entry?.id, repository: entry?.repository, size: entry?.size, startedAt: entry?.startedAt },
      { id: upload.id, repository: 'some/where', size: 5, startedAt: upload.startedAt },
    )
  }
  assert(existsSync(join(spool, upload.id, 'data')))
})

test('idle uploads are forgotten when there are many, and go on from the disk', async (t) => {
  const { uploads } = await open()
  const first = await uploads.start(op, 'a')
  await append(first, 'begun ')
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 61_000 })
  await Promise.all(Array.from({ length: 1002 }, () => uploads.start(op, 'a')))
  const again = await uploads.get(op, 'a', first.id)
  assert.notEqual(again, first)
  await append(again, 'and done', { start: 6 })
  await finish(again, digestOf('begun and done'))
})
