import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EngineError, kindOf, messageOf } from './errors.ts'

test('an undo that fails does not hide the failure that it is for', () => {
  const work = () => {
    using undo = new DisposableStack()
    undo.defer(() => {
      throw new Error('the undo')
    })
    undo.defer(() => {
      throw new Error('another undo')
    })
    throw new EngineError('conflict', 'the reason')
  }
  assert.throws(work, (error) => {
    assert.ok(error instanceof SuppressedError)
    assert.deepEqual([messageOf(error), kindOf(error)], ['the reason', 'conflict'])
    return true
  })
})

test('the outermost kind counts', () => {
  const inner = new EngineError('not-found', 'inner')
  assert.equal(kindOf(new Error('plain', { cause: inner })), 'not-found')
  assert.equal(kindOf(new EngineError('invalid', 'outer', { cause: inner })), 'invalid')
  assert.equal(kindOf('text'), 'internal')
})
