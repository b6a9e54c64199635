import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  checkHealthcheck,
  healthAfter,
  healthAtStart,
  healthCheckOf,
  mergeHealthcheck,
  pauseBefore,
  type Health,
} from './health.ts'

const startedAt = '2026-01-01T00:00:00.000Z'
const at = (seconds: number) => new Date(Date.parse(startedAt) + seconds * 1000).toISOString()
const result = (exitCode: number, seconds = 100) => ({
  start: at(seconds),
  end: at(seconds),
  exitCode,
  output: String(seconds),
})
const check = (Healthcheck: object) => {
  const found = healthCheckOf({ Image: 'x', Healthcheck: { Test: ['CMD', 'true'], ...Healthcheck } })
  assert.ok(found)
  return found
}

test('healthCheckOf() fills in docker’s defaults and the image’s shell', () => {
  assert.deepEqual(check({}), {
    command: ['true'],
    interval: 30_000,
    timeout: 30_000,
    retries: 3,
    startPeriod: 0,
    startInterval: 5000,
  })
  const shell = (Shell?: string[]) =>
    healthCheckOf({ Image: 'x', Healthcheck: { Test: ['CMD-SHELL', 'a b'] }, ...(Shell && { Shell }) })
      ?.command
  assert.deepEqual(shell(), ['/bin/sh', '-c', 'a b'])
  assert.deepEqual(shell(['/bin/bash', '-ec']), ['/bin/bash', '-ec', 'a b'])
  assert.equal(healthCheckOf({ Image: 'x', Healthcheck: { Test: ['NONE'] } }), undefined)
  assert.equal(healthCheckOf({ Image: 'x' }), undefined)
})

test('mergeHealthcheck() takes from the image what the user leaves open', () => {
  const image = { Test: ['CMD', 'a'], Interval: 5e9, Retries: 7 }
  assert.deepEqual(mergeHealthcheck({ Interval: 1e9, Test: [] }, image), {
    Test: ['CMD', 'a'],
    Interval: 1e9,
    Retries: 7,
  })
  assert.deepEqual(mergeHealthcheck(undefined, image), image)
  assert.deepEqual(mergeHealthcheck({ Test: ['NONE'] }, image)?.Test, ['NONE'])
})

test('checkHealthcheck() refuses what docker refuses', () => {
  assert.throws(() => checkHealthcheck({ Interval: 5 }), { message: /Interval .* less than 1ms/ })
  assert.throws(() => checkHealthcheck({ Retries: -1 }), { message: /cannot be negative/ })
  assert.throws(() => checkHealthcheck({ Test: ['EXEC', 'a'] }), {
    message: /Unknown healthcheck type "EXEC"/,
  })
})

test('healthAfter() becomes unhealthy after as many failures as retries, healthy after one success', () => {
  const o = { check: check({ Retries: 2 }), startedAt }
  let health: Health = healthAtStart(undefined)
  health = healthAfter(health, result(1), o)
  assert.deepEqual([health.status, health.failingStreak], ['starting', 1])
  health = healthAfter(health, result(-1), o)
  assert.deepEqual([health.status, health.failingStreak], ['unhealthy', 2])
  health = healthAfter(health, result(0), o)
  assert.deepEqual([health.status, health.failingStreak], ['healthy', 0])
  health = healthAfter(health, result(1), o)
  assert.deepEqual([health.status, health.failingStreak], ['healthy', 1])
  for (const seconds of [1, 2, 3, 4, 5]) health = healthAfter(health, result(0, seconds), o)
  assert.deepEqual(
    health.log.map((entry) => entry.output),
    ['1', '2', '3', '4', '5'],
  )
})

test('failures of the start period do not count, until the first success', () => {
  const o = { check: check({ Retries: 1, StartPeriod: 60e9 }), startedAt }
  let health = healthAfter(healthAtStart(undefined), result(1, 59), o)
  assert.deepEqual([health.status, health.failingStreak], ['starting', 0])
  health = healthAfter(health, result(0, 10), o)
  health = healthAfter(health, result(1, 20), o)
  assert.equal(health.status, 'unhealthy')
})

test('pauseBefore() is the start interval as long as the container starts', () => {
  const o = { check: check({ StartPeriod: 60e9, StartInterval: 2e9, Interval: 10e9 }), startedAt }
  const health = healthAtStart(undefined)
  assert.equal(pauseBefore(health, { ...o, now: Date.parse(at(30)) }), 2000)
  assert.equal(pauseBefore(health, { ...o, now: Date.parse(at(61)) }), 10_000)
  assert.equal(pauseBefore({ ...health, status: 'healthy' }, { ...o, now: Date.parse(at(30)) }), 10_000)
})
