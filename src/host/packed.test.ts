import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { Gzip } from './gzip.ts'
import { Zstd } from './zstd.ts'

const data = Buffer.concat([
  Buffer.alloc(3_000_000, 'the same '),
  randomBytes(900_000),
  Buffer.alloc(1 << 18),
])

function pack(Stage: typeof Gzip | typeof Zstd, plain: Buffer, piece: number): Buffer {
  const parts: Buffer[] = []
  using stage = new Stage({ level: 4, send: (packed) => parts.push(packed) })
  for (let at = 0; at < plain.length; at += piece) stage.write(plain.subarray(at, at + piece))
  stage.end()
  return Buffer.concat(parts)
}

for (const { name, Stage, unpack } of [
  { name: 'gzip', Stage: Gzip, unpack: gunzipSync },
  { name: 'zstd', Stage: Zstd, unpack: zstdDecompressSync },
]) {
  test(`${name}: node:zlib gets out what went in; the pieces make no difference`, () => {
    const whole = pack(Stage, data, data.length)
    assert.ok(unpack(whole).equals(data))
    for (const piece of [777, 65_536, 1 << 18]) assert.ok(pack(Stage, data, piece).equals(whole), `${piece}`)
  })

  test(`${name}: nothing is something, and closing twice is nothing`, () => {
    assert.equal(unpack(pack(Stage, Buffer.alloc(0), 1)).length, 0)
    // Outputs that just fill the memory of one piece.
    for (const size of [262_100, 262_120, 262_144, 524_288])
      assert.equal(unpack(pack(Stage, randomBytes(size), 4096)).length, size)
    const stage = new Stage({ level: 1, send: () => undefined })
    stage[Symbol.dispose]()
    stage[Symbol.dispose]()
  })
}
