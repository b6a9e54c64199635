import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StatusFeed } from './status-feed.ts'
import { quiet } from './testing.ts'

const log = (text: string) => ({ logs: [{ vertex: 'v', timestamp: 0, stream: 1n, msg: Buffer.from(text) }] })

async function heard(feed: StatusFeed): Promise<string> {
  let text = ''
  for await (const { logs = [] } of feed.listen(quiet))
    for (const { msg } of logs) text += Buffer.from(msg).toString()
  return text
}

test('whoever listens first hears all from the beginning, until the end', async () => {
  const feed = new StatusFeed()
  feed.push(log('a'))
  const first = heard(feed)
  await new Promise(setImmediate)
  feed.push(log('b'))
  const second = heard(feed)
  feed.push(log('c'))
  feed.close()
  assert.equal(await first, 'abc')
  // What all had heard before it came is gone.
  assert.equal(await second, 'bc')
})

test('output that nobody takes does not pile up', async () => {
  const feed = new StatusFeed()
  const piece = log('x'.repeat(1 << 20))
  for (let i = 0; i < 40; i++) feed.push(piece)
  feed.push({ vertexes: [] })
  feed.close()
  const text = await heard(feed)
  assert.ok(text.length < 20 << 20)
  assert.match(text.slice(-80), /\[output clipped/)
})
