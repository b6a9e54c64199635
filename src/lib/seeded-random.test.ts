import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededChoice, seededRandom } from './seeded-random.ts'

test('the same seed gives the same numbers, in bounds', () => {
  const [a, b, other] = [seededRandom(7), seededRandom(7), seededRandom(8)]
  const numbers = Array.from({ length: 100 }, a)
  assert.deepEqual(numbers, Array.from({ length: 100 }, b))
  assert.notDeepEqual(numbers, Array.from({ length: 100 }, other))
  assert.ok(numbers.every((number) => number >= 0 && number < 1))
  const choice = seededChoice(7)
  assert.deepEqual(new Set(Array.from({ length: 100 }, () => choice(3))), new Set([0, 1, 2]))
})
