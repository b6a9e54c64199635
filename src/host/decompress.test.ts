import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { compressionOf, decompress, peek } from './decompress.ts'

const op = background(silentLogger)
const data = Buffer.from('some text '.repeat(100_000))
const pieces = (bytes: Buffer, size: number) =>
  Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    ),
  )

test('compression is recognized by the first bytes', async () => {
  for (const [name, bytes] of [
    ['gzip', gzipSync(data)],
    ['zstd', zstdCompressSync(data)],
    ['none', data],
  ] as const) {
    assert.equal(compressionOf(bytes), name)
    for (const size of [1, 997, bytes.length])
      if (size > 1 || bytes.length < 10_000)
        assert.ok((await buffer(await decompress(op, pieces(bytes, size)))).equals(data), `${name} ${size}`)
  }
  assert.equal(compressionOf(Buffer.from('BZh91AY')), 'bzip2')
  assert.equal(compressionOf(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])), 'xz')
  assert.equal((await buffer(await decompress(op, Readable.from([])))).length, 0)
})

test('several compressed streams in a row are one', async () => {
  for (const compress of [gzipSync, zstdCompressSync]) {
    const two = Buffer.concat([
      Buffer.from(compress(Buffer.from('one '))),
      Buffer.from(compress(Buffer.from('two'))),
    ])
    assert.equal((await buffer(await decompress(op, Readable.from([two])))).toString(), 'one two')
  }
})

test('damaged and cut off data is refused; a broken source is its own failure', async () => {
  const packed = gzipSync(data)
  await assert.rejects(async () => buffer(await decompress(op, Readable.from([packed.subarray(0, -20)]))), {
    kind: 'invalid',
    message: /gzip data is damaged/,
  })
  await assert.rejects(
    async () => buffer(await decompress(op, Readable.from([zstdCompressSync(data).subarray(0, 30)]))),
    {
      kind: 'invalid',
    },
  )
  const broken = new Readable({ read() {} })
  broken.push(packed.subarray(0, 100))
  setImmediate(() => broken.destroy(new Error('the line is dead')))
  await assert.rejects(async () => buffer(await decompress(op, broken)), /the line is dead/)
})

test('an abort ends a source that would never end', async () => {
  const controller = new AbortController()
  const endless = new Readable({ read() {} })
  setImmediate(() => controller.abort())
  await assert.rejects(async () => buffer(await decompress({ ...op, signal: controller.signal }, endless)), {
    name: 'AbortError',
  })
  assert.equal(endless.destroyed, true)
})

test('peek() takes nothing away, and lets go of the source when its stream is destroyed', async () => {
  const { head, whole } = await peek(pieces(Buffer.from('abcdefgh'), 3), 4)
  assert.equal(head.toString(), 'abcd')
  assert.equal((await buffer(whole)).toString(), 'abcdefgh')
  const source = pieces(data, 100)
  const unread = await peek(source, 4)
  unread.whole.destroy()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(source.destroyed, true)
})
