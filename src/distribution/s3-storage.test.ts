import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { parseS3Location, type S3Settings } from './s3-settings.ts'
import { S3Storage } from './s3-storage.ts'
import { FakeS3, type Mishap, type SeenRequest } from './s3-testing.ts'

const op = background(silentLogger)
const secret = 'wJalrXUtnFEMI-K7MDENG'

async function open(t: TestContext, o: Partial<S3Settings> = {}) {
  const fake = await FakeS3.start('images')
  t.after(() => fake[Symbol.asyncDispose]())
  const directory = mkdtempSync(join(tmpdir(), 'gantry-s3-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const settings = parseS3Location('s3://images/some/where', {
    endpoint: fake.endpoint,
    credentials: () => Promise.resolve({ accessKeyId: 'AKIDEXAMPLE', secretAccessKey: secret }),
  })
  const storage = await S3Storage.open(op, { ...settings, pauseMs: 1, ...o })
  t.after(() => storage[Symbol.asyncDispose]())
  fake.requests.length = 0
  return { fake, storage, directory }
}

/** The mishap for the first `times` requests that match. */
function once(match: (request: SeenRequest) => boolean, mishap: Mishap, times = 1) {
  return (request: SeenRequest) => (match(request) && times-- > 0 ? mishap : undefined)
}

async function file(directory: string, data: Buffer): Promise<string> {
  const path = join(directory, randomBytes(6).toString('hex'))
  await writeFile(path, data)
  return path
}

const blob = (data: Buffer) => `blobs/sha256/ab/${createHash('sha256').update(data).digest('hex')}`

describe('S3Storage', () => {
  test('keeps objects below its prefix, and sees none outside of it', async (t) => {
    const { fake, storage } = await open(t)
    fake.put('some/whereelse/a', Buffer.from('x'))
    await storage.write(op, 'a/b', Buffer.from('data'))
    assert.deepEqual([...fake.objects.keys()], ['some/whereelse/a', 'some/where/a/b'])
    assert.deepEqual(
      (await Array.fromAsync(storage.list(op, ''))).map((one) => one.key),
      ['a/b'],
    )
    await assert.rejects(storage.read(op, '../whereelse/a'), /not a key/)
  })

  test('lists over many pages in the order of the keys', async (t) => {
    const { fake, storage } = await open(t)
    fake.pageSize = 2
    for (const key of ['x/a', 'x/a-b/1', 'x/a.c/1', 'x/a/1', 'x/b', 'x/c/1', 'x/c/2', 'y/z'])
      await storage.write(op, key, new Uint8Array())
    const keys = (await Array.fromAsync(storage.list(op, 'x'))).map((one) => one.key)
    assert.deepEqual(keys, ['x/a', 'x/a-b/1', 'x/a.c/1', 'x/a/1', 'x/b', 'x/c/1', 'x/c/2'])
    const children = ['a', 'a-b', 'a.c', 'a', 'b', 'c']
    assert.deepEqual(await Array.fromAsync(storage.children(op, 'x')), children)
    assert.deepEqual(await Array.fromAsync(storage.children(op, 'x', 'a.c')), ['a', 'b', 'c'])
    assert.deepEqual(await Array.fromAsync(storage.children(op, 'x', 'b')), ['c'])
  })

  test('uploads a large file in parts, and consumes it', async (t) => {
    const { fake, storage, directory } = await open(t, { partSize: 1 << 20 })
    const data = randomBytes((5 << 20) + 77)
    const path = await file(directory, data)
    fake.mishap = once(
      (request) => request.query.get('partNumber') === '3',
      { status: 503, code: 'SlowDown' },
      2,
    )
    await storage.place(op, blob(data), path, data.length)
    assert.deepEqual(fake.objects.get(`some/where/${blob(data)}`)?.data, data)
    assert.equal(fake.uploads.size, 0)
    await assert.rejects(stat(path), { code: 'ENOENT' })
    assert.equal(fake.requests.filter((request) => request.query.has('partNumber')).length, 8)
  })

  test('gives the parts back when an upload fails, and keeps the file', async (t) => {
    const { fake, storage, directory } = await open(t, { partSize: 1 << 20 })
    const data = randomBytes(3 << 20)
    const path = await file(directory, data)
    fake.mishap = (request) =>
      request.query.get('partNumber') === '2' ? { status: 403, code: 'AccessDenied' } : undefined
    await assert.rejects(storage.place(op, blob(data), path, data.length), {
      kind: 'internal',
      message: /^PUT http:.*: the S3 server answered 403 AccessDenied: says the fake$/,
    })
    assert.equal(fake.uploads.size, 0)
    assert.equal(fake.objects.size, 0)
    assert.equal((await stat(path)).size, data.length)
  })

  test('sees a failure that is told after the status', async (t) => {
    const { fake, storage, directory } = await open(t, { partSize: 1 << 20 })
    const data = randomBytes(2 << 20)
    fake.mishap = once((request) => request.method === 'POST' && request.query.has('uploadId'), 'late error')
    const placed = storage.place(op, blob(data), await file(directory, data), data.length)
    await assert.rejects(placed, { kind: 'unavailable', message: /could not join the parts: InternalError/ })
    assert.equal(fake.objects.size, 0)
  })

  test('knows that an upload was completed when only the answer is lost', async (t) => {
    const { fake, storage, directory } = await open(t, { partSize: 1 << 20 })
    const data = randomBytes(2 << 20)
    fake.mishap = once((request) => request.method === 'POST' && request.query.has('uploadId'), 'lost answer')
    await storage.place(op, blob(data), await file(directory, data), data.length)
    assert.deepEqual(fake.objects.get(`some/where/${blob(data)}`)?.data, data)
  })

  test('does not upload what is there, and replaces what is there in another size', async (t) => {
    const { fake, storage, directory } = await open(t)
    const data = randomBytes(1000)
    await storage.place(op, blob(data), await file(directory, data), data.length)
    fake.requests.length = 0
    const again = await file(directory, data)
    await storage.place(op, blob(data), again, data.length)
    assert.deepEqual(
      fake.requests.map((request) => request.method),
      ['HEAD'],
    )
    await assert.rejects(stat(again), { code: 'ENOENT' })
    fake.put(`some/where/${blob(data)}`, Buffer.from('half'))
    await storage.place(op, blob(data), await file(directory, data), data.length)
    assert.deepEqual(fake.objects.get(`some/where/${blob(data)}`)?.data, data)
  })

  test('goes on reading where a connection broke', async (t) => {
    const { fake, storage } = await open(t)
    const data = randomBytes(1 << 20)
    await storage.write(op, 'a', data)
    fake.mishap = once((request) => request.method === 'GET', { cutAfter: 300_000 }, 2)
    assert.deepEqual(await buffer(await storage.read(op, 'a')), data)
    fake.mishap = once((request) => request.method === 'GET', { cutAfter: 1000 })
    assert.deepEqual(
      await buffer(await storage.read(op, 'a', { start: 5, end: 99_999 })),
      data.subarray(5, 100_000),
    )
  })

  test('never joins two versions of an object', async (t) => {
    const { fake, storage } = await open(t)
    await storage.write(op, 'a', Buffer.alloc(100_000, 'a'))
    fake.mishap = (request) => {
      if (request.headers['if-match'] === undefined) return { cutAfter: 50_000 }
      fake.put('some/where/a', Buffer.alloc(100_000, 'b'))
      return undefined
    }
    await assert.rejects(buffer(await storage.read(op, 'a')), /412/)
  })

  test('fails rather than end early, and lets go when its reader goes', async (t) => {
    const { fake, storage } = await open(t, { attempts: 2 })
    await storage.write(op, 'a', Buffer.alloc(10_000))
    fake.mishap = (request) => (request.method === 'GET' ? { cutAfter: 0 } : undefined)
    await assert.rejects(buffer(await storage.read(op, 'a')), { kind: 'unavailable' })
    fake.mishap = () => undefined
    ;(await storage.read(op, 'a')).destroy()
  })

  test('tries again what may pass, and reports at once what does not', async (t) => {
    const { fake, storage } = await open(t)
    fake.mishap = once(() => true, 'reset', 2)
    await storage.write(op, 'a', Buffer.from('1'))
    fake.mishap = once(() => true, { status: 500, code: 'InternalError' }, 4)
    assert.equal((await storage.stat(op, 'a'))?.size, 1)
    fake.requests.length = 0
    fake.mishap = () => ({ status: 403, code: 'InvalidAccessKeyId' })
    await assert.rejects(storage.write(op, 'a', Buffer.from('1')), { kind: 'internal' })
    assert.equal(fake.requests.length, 1)
  })

  test('gives up on a server that is silent, or when the caller does', async (t) => {
    const { fake, storage } = await open(t, { answerMs: 50, attempts: 2 })
    fake.mishap = () => 'silence'
    await assert.rejects(storage.stat(op, 'a'), { kind: 'unavailable', message: /does not answer in time/ })
    assert.equal(fake.requests.length, 2)
    const controller = new AbortController()
    const asked = storage.stat({ ...op, signal: controller.signal }, 'a')
    controller.abort(new Error('the caller went'))
    await assert.rejects(asked, /the caller went/)
  })

  test('tells no credential in an error, and sends the secret nowhere', async (t) => {
    const { fake, storage } = await open(t, { attempts: 1 })
    fake.mishap = () => ({ status: 403, code: 'SignatureDoesNotMatch' })
    const error = await storage.write(op, 'a', Buffer.from('1')).then(
      () => assert.fail('accepted'),
      (reason: unknown) => reason as Error,
    )
    assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, new RegExp(`AKIDEXAMPLE|${secret}`))
    assert.doesNotMatch(JSON.stringify(fake.requests.map((request) => request.headers)), new RegExp(secret))
  })

  test('gives up uploads that a server before left', async (t) => {
    const { fake, storage } = await open(t)
    fake.uploads.set('old', {
      key: 'some/where/blobs/x',
      initiated: new Date(Date.now() - 2 * 86_400_000),
      parts: new Map(),
    })
    fake.uploads.set('new', { key: 'some/where/blobs/y', initiated: new Date(), parts: new Map() })
    fake.uploads.set('theirs', { key: 'else/z', initiated: new Date(0), parts: new Map() })
    const settings = parseS3Location('s3://images/some/where', {
      endpoint: fake.endpoint,
      credentials: () => Promise.resolve({ accessKeyId: 'a', secretAccessKey: 'b' }),
    })
    await using _other = await S3Storage.open(op, settings)
    assert.deepEqual([...fake.uploads.keys()], ['new', 'theirs'])
    assert.equal(await storage.stat(op, 'blobs/x'), undefined)
  })
})

test('a place in S3 is refused with its reason', () => {
  const credentials = () => Promise.resolve({ accessKeyId: 'a', secretAccessKey: 'b' })
  const parse = (location: string, endpoint?: string) => parseS3Location(location, { credentials, endpoint })
  assert.throws(() => parse('s3://'), /want s3:\/\/BUCKET/)
  assert.throws(() => parse('s3://images/../x'), /the prefix may have/)
  assert.throws(() => parse('s3://images', 'ftp://x'), /want http/)
  assert.throws(() => parse('s3://images', 'https://me:password@x'), { message: /^(?!.*password)/ })
  assert.throws(() => parse('s3://images', 'https://x/images'), /the bucket belongs into/)
  assert.equal(parse('s3://images/a/').prefix, 'a/')
  assert.equal(parse('s3://images').pathStyle, false)
  assert.equal(parse('s3://images', 'http://localhost:9000').pathStyle, true)
})
