import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventLog } from './events.ts'

test('history() gives the events of a span, subscribe() those from now on', async () => {
  const log = new EventLog()
  log.emit({ type: 'container', action: 'start', id: 'a', attributes: { image: 'busybox' } })
  const stop = new AbortController()
  const live = log.subscribe(stop.signal)
  log.emit({ type: 'volume', action: 'create', id: 'v' })
  stop.abort()
  const seen = []
  for await (const event of live) seen.push(event.Action)
  assert.deepEqual(seen, ['create'])
  const all = log.history({ since: 0, until: Date.now() / 1000 + 1 })
  assert.deepEqual(
    all.map((event) => [event.Type, event.from]),
    [
      ['container', 'busybox'],
      ['volume', undefined],
    ],
  )
  assert.equal(log.history({ since: 0, until: 1 }).length, 0)
})
