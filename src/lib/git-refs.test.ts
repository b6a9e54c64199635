import assert from 'node:assert/strict'
import { test } from 'node:test'
import { findRef, refQuery } from './git-refs.ts'

const [a, b, c] = ['a', 'b', 'c'].map((letter) => letter.repeat(40))

test('the default branch is where HEAD leads', () => {
  const answer = `ref: refs/heads/main\tHEAD\n${a}\tHEAD\n`
  assert.deepEqual(refQuery('r', ''), ['--symref', 'r', 'HEAD'])
  assert.deepEqual(findRef(answer, ''), { commit: a, ref: 'refs/heads/main' })
  assert.equal(findRef('', ''), undefined)
})

test('a branch counts before a tag, a tag stands for its commit, the end of a name for nothing', () => {
  const answer = [
    `${a}\trefs/heads/feature/main`,
    `${b}\trefs/heads/main`,
    `${a}\trefs/tags/main`,
    `${a}\trefs/tags/v1`,
    `${c}\trefs/tags/v1^{}`,
  ].join('\n')
  assert.deepEqual(findRef(answer, 'main'), { commit: b, ref: 'refs/heads/main' })
  assert.deepEqual(findRef(answer, 'v1'), { commit: c, ref: 'refs/tags/v1' })
  assert.deepEqual(findRef(answer, 'refs/tags/main'), { commit: a, ref: 'refs/tags/main' })
  assert.equal(findRef(answer, 'none'), undefined)
})
