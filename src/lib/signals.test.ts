import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSignal, signalName } from './signals.ts'

test('parseSignal() reads names with and without SIG, numbers and real-time offsets', () => {
  assert.equal(parseSignal('SIGTERM'), 15)
  assert.equal(parseSignal('kill'), 9)
  assert.equal(parseSignal('3'), 3)
  assert.equal(parseSignal('SIGRTMIN+3'), 37)
  assert.equal(parseSignal('RTMAX-1'), 63)
})

test('parseSignal() refuses what is no signal', () => {
  for (const text of ['', '0', '65', 'NOPE', 'RTMIN-1', '-9'])
    assert.throws(() => parseSignal(text), { kind: 'invalid', message: `invalid signal: ${text}` })
})

test('signalName() names a signal', () => {
  assert.equal(signalName(9), 'SIGKILL')
  assert.equal(signalName(40), '40')
})
