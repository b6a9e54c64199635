import assert from 'node:assert/strict'
import { test } from 'node:test'
import { IgnoreMatcher } from './ignore.ts'

/** Pattern lines, path, whether docker keeps it out. */
const cases: [string, string, boolean][] = [
  ['*.log', 'a.log', true],
  ['*.log', 'd/a.log', false],
  ['**/*.log', 'd/e/a.log', true],
  ['**/*.log', 'a.log', true],
  ['**', 'any/thing', true],
  ['dir', 'dir/file', true],
  ['/dir/', 'dir/file', true],
  ['dir/**', 'dir', false],
  ['dir/**', 'dir/a/b', true],
  ['**/node_modules', 'a/node_modules/b', true],
  ['**/node_modules', 'node_modules', true],
  ['a?c', 'abc', true],
  ['a?c', 'a/c', false],
  ['a[b-d]e', 'ace', true],
  ['a[^b]e', 'ace', true],
  ['a\\*', 'a*', true],
  ['a\\*', 'ab', false],
  ['foo/../bar', 'bar', true],
  ['*\n!keep', 'keep', false],
  ['*\n!keep', 'other', true],
  ['*\n!dir/keep', 'dir/keep', false],
  ['!keep\n*', 'keep', true],
  ['docs\n!docs/README.md\ndocs/README.md', 'docs/README.md', true],
  ['# dir', 'dir', false],
  [' # dir', '# dir', true],
  ['dir  ', 'dir', true],
  ['a.b', 'axb', false],
  ['a/**/b', 'a/b', true],
  ['a/**/b', 'a/x/y/b', true],
  ['.', 'a', false],
]

test('IgnoreMatcher decides as docker does', () => {
  for (const [text, path, wanted] of cases) {
    const matcher = IgnoreMatcher.parse(text)
    assert.equal(matcher.ignores(path), wanted, `${JSON.stringify(text)} on ${path}`)
    let parent: readonly boolean[] | undefined
    let ignored = false
    const parts = path.split('/')
    for (let i = 1; i <= parts.length; i++) {
      const step = matcher.step(parts.slice(0, i).join('/'), parent)
      parent = step.matches
      ignored = step.ignored
    }
    assert.equal(ignored, wanted, `walking: ${JSON.stringify(text)} on ${path}`)
  }
})

test('IgnoreMatcher names the line that keeps a path out', () => {
  assert.equal(IgnoreMatcher.parse('a\n\n*.txt\n').reason('b.txt')?.line, 3)
})

test('IgnoreMatcher refuses what Go calls a bad pattern', () => {
  assert.throws(() => IgnoreMatcher.parse('a[b'), { kind: 'invalid' })
  assert.throws(() => IgnoreMatcher.parse('a\\'), { kind: 'invalid' })
  assert.throws(() => IgnoreMatcher.parse('!'), /illegal exclusion pattern/)
})
