import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkName, randomName } from './names.ts'

test("checkName() accepts docker's names, with or without the slash", () => {
  assert.equal(checkName('/web-1.a_b'), 'web-1.a_b')
})

test('checkName() refuses path tricks and empty names', () => {
  for (const name of ['', 'a', '../x', 'a b', '-x', '.x', 'a/b'])
    assert.throws(() => checkName(name), { kind: 'invalid' })
})

test('randomName() ends although every plain name is taken', () => {
  assert.match(
    randomName((name) => !/\d$/.test(name)),
    /^[a-z]+_[a-z]+\d+$/,
  )
})
