import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyMode, parseFileMode } from './file-mode.ts'

test('modes are read and applied as chmod(1) does', () => {
  const apply = (text: string, current: number, isDirectory = false) =>
    applyMode(parseFileMode(text), current, isDirectory).toString(8)
  const cases: [string, number, string][] = [
    ['755', 0o600, '755'],
    ['4755', 0o600, '4755'],
    ['u+x', 0o644, '744'],
    ['a+x', 0o644, '755'],
    ['+x', 0o644, '755'],
    ['+w', 0o444, '644'],
    ['u=rw,go=r', 0o777, '644'],
    ['go-rwx', 0o755, '700'],
    ['g=u', 0o750, '770'],
    ['o=', 0o757, '750'],
    ['u+rwX,go+rX', 0o600, '644'],
    ['u+rwX,go+rX', 0o700, '755'],
    ['u+s,g+s', 0o755, '6755'],
    ['+t', 0o777, '1777'],
    ['u-w+x', 0o644, '544'],
  ]
  for (const [text, current, expected] of cases) assert.equal(apply(text, current), expected, text)
  assert.equal(apply('u=rwX,go=rX', 0o700, true), '755')
  for (const text of ['', '99', '77777', 'u', 'u+q', 'rw', 'u+x,', '=x=y', 'ux'])
    assert.throws(() => parseFileMode(text), { kind: 'invalid' }, text)
})
