import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Holds } from './holds.ts'

const hour = 3_600_000

function clock(): { now: () => number; pass: (ms: number) => void } {
  let at = 1_000 * hour
  return { now: () => at, pass: (ms) => void (at += ms) }
}

test('a hold lasts for the grace period, and for a collection that began within it', async () => {
  const { now, pass } = clock()
  const holds = new Holds({ graceMs: hour, now })
  pass(2 * hour)
  await holds.hold('a')
  assert.equal(holds.isHeld('a', now()), true)
  assert.equal(holds.isHeld('b', now()), false)
  const begun = now()
  pass(hour - 1)
  assert.equal(holds.isHeld('a', now()), true)
  pass(2)
  assert.equal(holds.isHeld('a', now()), false)
  assert.equal(
    holds.isHeld('a', begun),
    true,
    'a collection that is still running marked before the hold ended',
  )
})

test('everything is held for a grace period after the start', () => {
  const { now, pass } = clock()
  const holds = new Holds({ graceMs: hour, now })
  assert.equal(holds.isHeld('a', now()), true)
  pass(hour + 1)
  assert.equal(holds.isHeld('a', now()), false)
})

test('whoever holds during a removal looks only after it', async () => {
  const { now, pass } = clock()
  const holds = new Holds({ graceMs: hour, now })
  pass(2 * hour)
  const gate = Promise.withResolvers<void>()
  let there = true
  const removal = holds.removeUnlessHeld('a', now(), async () => {
    await gate.promise
    there = false
  })
  const looked = holds.hold('a').then(() => there)
  gate.resolve()
  assert.equal(await looked, false)
  assert.equal(await removal, true)
  assert.equal(await holds.removeUnlessHeld('a', now(), () => assert.fail('held')), false)
})

test('a removal that fails lets those who wait go on, and is told to whoever asked for it', async () => {
  const { now, pass } = clock()
  const holds = new Holds({ graceMs: hour, now })
  pass(2 * hour)
  const removal = holds.removeUnlessHeld('a', now(), () => Promise.reject(new Error('disk')))
  await Promise.all([assert.rejects(removal, /disk/), holds.hold('a')])
})

test('what is forgotten was not held any more', async () => {
  const { now, pass } = clock()
  const holds = new Holds({ graceMs: hour, now })
  pass(2 * hour)
  await holds.hold('a')
  pass(hour / 2)
  await holds.hold('b')
  pass(hour / 2 + 1)
  holds.forget(now())
  assert.equal(holds.isHeld('a', now()), false)
  assert.equal(holds.isHeld('b', now()), true)
})
