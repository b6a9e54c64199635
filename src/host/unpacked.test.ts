import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { createZstdCompress, gzipSync, zstdCompressSync } from 'node:zlib'
import { Gunzip } from './gunzip.ts'
import { Unzstd } from './unzstd.ts'

const forms = [
  { name: 'gzip', pack: (data: Buffer) => Buffer.from(gzipSync(data)), Stage: Gunzip },
  { name: 'zstd', pack: (data: Buffer) => Buffer.from(zstdCompressSync(data)), Stage: Unzstd },
]
/** Some that shrinks a lot, some that does not at all: outputs far larger and far smaller than the input. */
const data = Buffer.concat([
  Buffer.alloc(3_000_000, 'the same '),
  randomBytes(700_000),
  Buffer.alloc(1 << 18),
])

function unpack(Stage: typeof Gunzip | typeof Unzstd, packed: Buffer, piece: number): Buffer {
  const parts: Buffer[] = []
  using stage = new Stage((plain) => parts.push(Buffer.from(plain)))
  for (let at = 0; at < packed.length; at += piece) stage.write(packed.subarray(at, at + piece))
  stage.end()
  return Buffer.concat(parts)
}

for (const { name, pack, Stage } of forms) {
  test(`${name} comes out as it went in, in pieces of any size`, () => {
    const packed = pack(data)
    for (const piece of [7, 65_536, packed.length])
      assert.ok(unpack(Stage, packed, piece).equals(data), `${piece}`)
    assert.equal(unpack(Stage, pack(Buffer.alloc(0)), 5).length, 0)
  })

  test(`several streams of ${name} in a row are one`, () => {
    const two = Buffer.concat([pack(Buffer.from('one ')), pack(Buffer.from('two'))])
    for (const piece of [1, two.length]) assert.equal(unpack(Stage, two, piece).toString(), 'one two')
  })

  test(`${name} that is damaged or cut off is refused`, () => {
    const packed = pack(data)
    assert.throws(() => unpack(Stage, packed.subarray(0, -5), 4096), {
      kind: 'invalid',
      message: /unexpected end/,
    })
    const wrong = Buffer.from(packed)
    wrong.fill(0xff, 10, 60)
    assert.throws(() => unpack(Stage, wrong, 4096), {
      kind: 'invalid',
      message: new RegExp(`the ${name} data is damaged: .`),
    })
  })

  test(`what the reader of ${name} throws comes through, and closing twice is nothing`, () => {
    const stage = new Stage(() => {
      throw new Error('no more')
    })
    assert.throws(() => stage.write(pack(data)), /no more/)
    stage[Symbol.dispose]()
    stage[Symbol.dispose]()
  })
}

test('what follows gzip and is none is passed over, as gzip does', () => {
  const padded = Buffer.concat([forms[0]?.pack(Buffer.from('text')) ?? Buffer.alloc(0), Buffer.alloc(100)])
  for (const piece of [1, padded.length]) assert.equal(unpack(Gunzip, padded, piece).toString(), 'text')
})

test('a long frame of zstd with a checksum and frames that are to be skipped', async () => {
  const stage = createZstdCompress()
  stage.end(data)
  const parts: Buffer[] = []
  for await (const part of stage as AsyncIterable<Buffer>) parts.push(part)
  const skippable = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3])
  assert.ok(unpack(Unzstd, Buffer.concat([...parts, skippable]), 1000).equals(data))
})
