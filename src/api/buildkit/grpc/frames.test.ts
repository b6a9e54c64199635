import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Readable } from 'node:stream'
import { frame, messagesOf } from './frames.ts'
import { errorFromTrailers, GrpcError, statusTrailers } from './status.ts'

async function collect(chunks: readonly Uint8Array[]): Promise<string[]> {
  const found: string[] = []
  for await (const message of messagesOf(Readable.from(chunks))) found.push(message.toString())
  return found
}

test('messages come out whole however their bytes are cut', async () => {
  const texts = ['', 'a', 'bcd', 'x'.repeat(300)]
  const all = Buffer.concat(texts.map((text) => frame(Buffer.from(text))))
  assert.deepEqual(await collect([all]), texts)
  for (const size of [1, 2, 3, 7, 100]) {
    const pieces: Buffer[] = []
    for (let at = 0; at < all.length; at += size) pieces.push(all.subarray(at, at + size))
    assert.deepEqual(await collect(pieces), texts)
  }
})

test('what is cut off, compressed or huge is refused', async () => {
  const one = frame(Buffer.from('abc'))
  await assert.rejects(collect([one.subarray(0, -1)]), GrpcError)
  await assert.rejects(collect([Buffer.from([1, 0, 0, 0, 0])]), /compressed/)
  await assert.rejects(collect([Buffer.from([0, 0x7f, 0, 0, 0])]), /longer than/)
})

test('a status survives its trailers, line ends and foreign letters too', () => {
  const trailers = statusTrailers(new GrpcError(2, 'eins\nzwei: 100 % ü'))
  assert.match(trailers['grpc-message'] ?? '', /^[\x20-\x7e]+$/)
  assert.equal(errorFromTrailers(trailers)?.message, 'eins\nzwei: 100 % ü')
  assert.equal(errorFromTrailers(statusTrailers()), undefined)
  assert.equal(errorFromTrailers({})?.code, 14)
})
