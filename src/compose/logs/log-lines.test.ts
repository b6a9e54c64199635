import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { frameHeader, type StreamId } from '../../wire/frame.ts'
import { logLines, type LogLine } from './log-lines.ts'

const at = (n: number) => `2024-01-02T03:04:05.00000000${n}Z`
const frame = (stream: StreamId, text: string) =>
  Buffer.concat([frameHeader(stream, Buffer.byteLength(text)), Buffer.from(text)])

async function read(chunks: readonly Buffer[], o: { raw?: boolean } = {}): Promise<LogLine[]> {
  const all: LogLine[] = []
  for await (const lines of logLines({ raw: o.raw ?? false, stream: Readable.from(chunks) }))
    all.push(...lines)
  return all
}

test('frames become lines with their times, wherever the chunks are cut', async () => {
  const data = Buffer.concat([
    frame(1, `${at(1)} one\n${at(2)} two\n`),
    frame(2, `${at(3)} wrong\r\n`),
    frame(1, `${at(4)} \n`),
  ])
  const expected = [
    { stream: 1, time: at(1), text: 'one' },
    { stream: 1, time: at(2), text: 'two' },
    { stream: 2, time: at(3), text: 'wrong' },
    { stream: 1, time: at(4), text: '' },
  ]
  assert.deepEqual(await read([data]), expected)
  for (const size of [1, 7, 30]) {
    const chunks = Array.from({ length: Math.ceil(data.length / size) }, (_, i) =>
      data.subarray(i * size, (i + 1) * size),
    )
    assert.deepEqual(await read(chunks), expected)
  }
})

test('a long line that docker sends in pieces, each with its time, is one line', async () => {
  const lines = await read([
    frame(1, `${at(1)} begin `),
    frame(2, `${at(2)} between\n`),
    frame(1, `${at(3)} and end\n`),
  ])
  assert.deepEqual(
    lines.map(({ text }) => text),
    ['between', 'begin and end'],
  )
})

test('what looks like a time within a frame stays', async () => {
  const data = frame(1, `${at(1)} ${at(2)} two times\n`)
  const cut = data.indexOf(at(2))
  assert.deepEqual(await read([data.subarray(0, cut), data.subarray(cut)]), [
    { stream: 1, time: at(1), text: `${at(2)} two times` },
  ])
})

test('a terminal has no frames; the last line needs no end', async () => {
  assert.deepEqual(await read([Buffer.from(`${at(1)} a\r\n${at(2)} $ `)], { raw: true }), [
    { stream: 1, time: at(1), text: 'a' },
    { stream: 1, time: at(2), text: '$ ' },
  ])
})

test('a line without an end does not grow for ever', async () => {
  const piece = Buffer.alloc(1 << 19, 'x')
  const lines = await read([piece, piece, piece, piece, piece], { raw: true })
  assert.ok(lines.length > 1)
  assert.equal(lines.map(({ text }) => text).join('').length, 5 << 19)
})
