import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expand, ExpandError } from './expand.ts'

const env = new Map([
  ['x', 'foo'],
  ['empty', ''],
  ['path', '/a/b/c.tar.gz'],
  ['two', 'one two'],
])
const text = (input: string) => expand(input, env, { escape: '\\' }).text

test('expand() knows every modifier that BuildKit has', () => {
  const cases: Record<string, string> = {
    $x: 'foo',
    '${x}bar': 'foobar',
    a$: 'a$',
    '$nope.': '.',
    '${nope:-d}': 'd',
    '${empty:-d}': 'd',
    '${empty-d}': '',
    '${x:+y}': 'y',
    '${empty:+y}': '',
    '${empty+y}': 'y',
    '${nope:-${x}}': 'foo',
    '${nope:-"a b"}': 'a b',
    '${path#*/}': 'a/b/c.tar.gz',
    '${path##*/}': 'c.tar.gz',
    '${path%.*}': '/a/b/c.tar',
    '${path%%.*}': '/a/b/c',
    '${path/b/X}': '/a/X/c.tar.gz',
    '${x//o/0}': 'f00',
    '${path//\\//-}': '-a-b-c.tar.gz',
    '\\$x': '$x',
    "'$x'": '$x',
    '"$x\\"\\n"': 'foo"\\n',
    $two: 'one two',
  }
  for (const [input, wanted] of Object.entries(cases)) assert.equal(text(input), wanted, input)
})

test('expand() splits at white space outside quotes, also of variables', () => {
  assert.deepEqual(expand('a "b c" $two "$two"', env, { escape: '\\' }).words, [
    'a',
    'b c',
    'one',
    'two',
    'one two',
  ])
})

test('expand() names faults and unset variables with their place', () => {
  assert.throws(() => text('${x'), { name: 'ExpandError', message: /missing '}'/ })
  assert.throws(() => text('${}'), /bad substitution/)
  assert.throws(() => text('${x!y}'), /unsupported modifier \(!\)/)
  assert.throws(() => text('${nope:?set it}'), { message: 'nope: set it' })
  assert.throws(() => text('"abc'), ExpandError)
  assert.deepEqual(expand('ab${nope}', env, { escape: '\\' }).missing, [{ name: 'nope', offset: 2 }])
  assert.deepEqual(expand('${nope:-x}', env, { escape: '\\' }).missing, [])
})

test('expand() survives deep nesting', () => {
  assert.throws(() => text('${a:-'.repeat(5000)), ExpandError)
})
