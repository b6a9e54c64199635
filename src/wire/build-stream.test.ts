import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PieceDecoder, pieceHeader } from './build-stream.ts'

test('pieces come out as they went in, however the stream is cut', () => {
  const stream = Buffer.concat([
    pieceHeader(0, 5),
    Buffer.from('hello'),
    pieceHeader(2, 3),
    Buffer.from('tar'),
    pieceHeader(2, 0),
    pieceHeader(0, 1),
    Buffer.from('!'),
  ])
  for (const size of [1, 3, 7, 8, 9, stream.length]) {
    const decoder = new PieceDecoder()
    const texts = ['', '', '']
    const ended: number[] = []
    for (let at = 0; at < stream.length; at += size)
      for (const { channel, data, end } of decoder.push(stream.subarray(at, at + size))) {
        texts[channel] += data.toString()
        if (end) ended.push(channel)
      }
    assert.deepEqual(texts, ['hello!', '', 'tar'])
    assert.deepEqual(ended, [2])
  }
})
