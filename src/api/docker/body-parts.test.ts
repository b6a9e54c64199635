import assert from 'node:assert/strict'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { BodyParts } from './body-parts.ts'

function framed(...chunks: string[]): Buffer {
  const parts = [...chunks, ''].map((chunk) => {
    const head = Buffer.alloc(4)
    head.writeUInt32BE(Buffer.byteLength(chunk))
    return Buffer.concat([head, Buffer.from(chunk)])
  })
  return Buffer.concat(parts)
}

test('parts are taken off the front, however the body is cut, and the rest stays', async () => {
  const whole = Buffer.concat([
    Buffer.from('{}'),
    framed('one', 'two'),
    framed(),
    framed('three'),
    Buffer.from('rest'),
  ])
  for (const size of [1, 3, 7, 1000]) {
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
      whole.subarray(i * size, (i + 1) * size),
    )
    const body = Readable.from(pieces, { objectMode: false })
    const parts = new BodyParts(body)
    assert.equal((await parts.take(2, 'its secrets')).toString(), '{}')
    assert.deepEqual(
      [await text(parts.part('a')), await text(parts.part('b')), await text(parts.part('c'))],
      ['onetwo', '', 'three'],
    )
    assert.equal(await text(body), 'rest')
  }
})

test('a body that ends too early is refused', async () => {
  const parts = new BodyParts(Readable.from([framed('one').subarray(0, 6)], { objectMode: false }))
  await assert.rejects(text(parts.part('its contexts')), {
    kind: 'invalid',
    message: 'the request ends before its contexts do',
  })
  const broken = new PassThrough()
  const waiting = new BodyParts(broken).take(1, 'x')
  broken.destroy()
  await assert.rejects(waiting)
})
