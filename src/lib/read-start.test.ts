import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { readStart } from './read-start.ts'

test('readStart() reads as much as is allowed and gives up the rest', async () => {
  const three = () => Readable.from(['ab', 'cd', 'ef'].map((text) => Buffer.from(text)))
  const all = await readStart(three(), 6)
  assert.deepEqual([all.data.toString(), all.whole], ['abcdef', true])
  const body = three()
  const start = await readStart(body, 3)
  assert.deepEqual([start.data.toString(), start.whole], ['abc', false])
  assert.ok(body.destroyed)
})
