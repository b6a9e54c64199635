import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { startFauxS3 } from './fauxqs-testing.ts'
import { parseS3Location } from './s3-settings.ts'
import { S3Storage } from './s3-storage.ts'
import { FakeS3 } from './s3-testing.ts'
import { storageSuite } from './storage-suite.ts'

const op = background(silentLogger)
const directory = mkdtempSync(join(tmpdir(), 'gantry-s3-'))
after(() => rmSync(directory, { recursive: true }))

describe('on the server of another project (fauxqs)', () => {
  let server: Awaited<ReturnType<typeof startFauxS3>>
  before(async () => void (server = await startFauxS3()))
  after(() => server[Symbol.asyncDispose]())
  storageSuite('S3Storage', { spool: () => directory, open: () => S3Storage.open(op, server.settings) })

  test('a bucket is a name below the host where that is wanted', async () => {
    const endpoint = new URL(`http://s3.localhost:${server.port}`)
    await using storage = await S3Storage.open(op, { ...server.settings, endpoint, pathStyle: false })
    const data = randomBytes((6 << 20) + 5)
    const key = `blobs/sha256/ab/${createHash('sha256').update(data).digest('hex')}`
    writeFileSync(join(directory, 'file'), data)
    await storage.place(op, key, join(directory, 'file'), data.length)
    await using byPath = await S3Storage.open(op, server.settings)
    assert(data.equals(await buffer(await byPath.read(op, key))))
    assert.deepEqual(await Array.fromAsync(storage.children(op, 'blobs/sha256')), ['ab'])
  })

  test('a bucket that is not there is told at once', async () => {
    const opened = S3Storage.open(op, { ...server.settings, bucket: 'others' })
    await assert.rejects(opened, {
      kind: 'internal',
      message: /\/others\/: the S3 server answered 404 NoSuchBucket/,
    })
  })
})

describe('on a server that changes objects as one', () => {
  let fake: FakeS3
  before(async () => void (fake = await FakeS3.start('images')))
  after(() => fake[Symbol.asyncDispose]())
  storageSuite('S3Storage', {
    spool: () => directory,
    open: () => {
      fake.pageSize = 100
      const settings = parseS3Location('s3://images', {
        endpoint: fake.endpoint,
        credentials: () => Promise.resolve({ accessKeyId: 'a', secretAccessKey: 'b' }),
      })
      return S3Storage.open(op, { ...settings, partSize: 1 << 20 })
    },
  })
})
