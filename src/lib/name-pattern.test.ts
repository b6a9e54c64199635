import assert from 'node:assert/strict'
import { test } from 'node:test'
import { namePattern } from './name-pattern.ts'

const cases: [pattern: string, matching: string[], others: string[]][] = [
  ['team/*', ['team/app'], ['team', 'team/app/web', 'my/team/app']],
  ['team/**', ['team/app', 'team/app/web'], ['team', 'steam/app']],
  ['**', ['a', 'a/b/c'], []],
  ['*-ci/x', ['web-ci/x'], ['a/web-ci/x', 'web-ci/xx']],
  ['a.b', ['a.b'], ['axb']],
]
for (const [pattern, matching, others] of cases)
  test(pattern, () => {
    for (const name of matching) assert.ok(namePattern(pattern).test(name), name)
    for (const name of others) assert.ok(!namePattern(pattern).test(name), name)
  })
