import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogLine } from './log-lines.ts'
import { mergeLogs } from './merge-logs.ts'

const line = (time: string): LogLine => ({ stream: 1, time, text: time })

async function* source(
  pieces: readonly (readonly string[])[],
  ended?: () => void,
): AsyncGenerator<LogLine[]> {
  try {
    for (const piece of pieces) yield await Promise.resolve(piece.map(line))
  } finally {
    ended?.()
  }
}

test('mergeLogs() gives lines of several logs in order of time', async () => {
  const merged: string[] = []
  const sources = new Map([
    ['a', source([['1', '4'], ['5']])],
    ['b', source([['2'], [], ['3', '5', '7']])],
    ['c', source([])],
  ])
  for await (const lines of mergeLogs(sources)) merged.push(...lines.map(([key, { time }]) => key + time))
  assert.deepEqual(merged, ['a1', 'b2', 'b3', 'a4', 'a5', 'b5', 'b7'])
})

test('mergeLogs() lets go of its sources when nobody wants more', async () => {
  let ended = 0
  const sources = new Map(['a', 'b'].map((key) => [key, source([['1', '2']], () => ended++)]))
  for await (const _ of mergeLogs(sources)) break
  assert.equal(ended, 2)
})
