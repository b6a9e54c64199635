import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fails, levelUnder, mergeOptions, parseCheckOptions } from './options.ts'
import type { Rule } from './rules.ts'

const later: Rule = { name: 'Later', description: '', level: 'warning', since: 2 }
const first: Rule = { ...later, name: 'First', since: 1 }
const dockers: Rule = { ...later, name: 'Dockers', since: 0, url: 'x' }

test('a rule that came later warns, and makes nothing fail until its version is asked for', () => {
  const strict = parseCheckOptions('error=true')
  assert.equal(levelUnder(later, strict), 'warning')
  assert.equal(fails(later, 'warning', strict), false)
  assert.equal(fails(first, 'warning', strict), true)
  const raised = { ...strict, version: 2 }
  assert.equal(fails(later, 'warning', raised), true)
  const asError = { ...strict, levels: { Later: 'error' as const, First: 'error' as const } }
  assert.equal(levelUnder(later, asError), 'warning')
  assert.equal(levelUnder(first, asError), 'error')
})

test('version 0 is docker’s rules alone', () => {
  const options = parseCheckOptions('version=0;error=true')
  assert.equal(levelUnder(first, options), undefined)
  assert.equal(levelUnder(dockers, options), 'warning')
  assert.equal(fails(dockers, 'warning', options), true)
})

test('options are read as docker reads them, and merged', () => {
  const merged = mergeOptions(
    ['skip=First;error=true', '', 'skip=Dockers;error=false;level=RunsAsRoot:error', 'version=1'].map(
      parseCheckOptions,
    ),
  )
  assert.deepEqual(merged.skip, ['First', 'Dockers'])
  assert.deepEqual([merged.error, merged.version, merged.levels], [false, 1, { RunsAsRoot: 'error' }])
  for (const [text, message] of [
    ['skip', 'invalid check option "skip"'],
    ['nope=1', 'invalid check option "nope"'],
    [
      'error=maybe',
      'failed to parse check option "error=maybe": strconv.ParseBool: parsing "maybe": invalid syntax',
    ],
    ['version=99', 'check option version=99: this rule set knows the versions 0 to 1'],
    ['level=RunsAsRoot:loud', 'check option level=RunsAsRoot:loud: a level is error, warning or info'],
    ['level=Nope:info', 'check option level: there is no rule "Nope"'],
  ] as const)
    assert.throws(() => parseCheckOptions(text), { kind: 'invalid', message })
})
