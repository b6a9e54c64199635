import assert from 'node:assert/strict'
import { test } from 'node:test'
import { visible } from './visible.ts'

test('what could move the cursor or hide text is written out', () => {
  assert.equal(visible('/a b/naïve-日本'), '/a b/naïve-日本')
  assert.equal(visible('x\x1b[2J\r\n\t\x9b'), 'x\\x1b[2J\\x0d\\x0a\\x09\\x9b')
  assert.equal(visible('a\u202egpj.exe'), 'a\\u202egpj.exe')
})
