import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Leases } from './leases.ts'

test('a key is held until the last lease with it is disposed', () => {
  const leases = new Leases()
  const one = leases.open()
  {
    using two = leases.open()
    one.add('layer:a')
    two.add('layer:a')
    two.add('layer:a')
    one[Symbol.dispose]()
    one[Symbol.dispose]()
    assert.equal(leases.holds('layer:a'), true)
    assert.equal(leases.holds('blob:a'), false)
  }
  assert.equal(leases.holds('layer:a'), false)
})
