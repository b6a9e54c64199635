import assert from 'node:assert/strict'
import { test } from 'node:test'
import { release } from './release.ts'

test('memory goes back at once, unless others look at it', () => {
  const own = Buffer.allocUnsafeSlow(1000)
  release(own)
  assert.equal(own.length, 0)
  release(own)
  const [a, b] = [Buffer.allocUnsafeSlow(1000), Buffer.from('of a pool')]
  release(a.subarray(10))
  release(b)
  assert.equal(a.length, 1000)
  assert.equal(b.toString(), 'of a pool')
})
