import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ruleList, rules } from './rules.ts'

test('docs/checks.md has a row for each rule, as it is', () => {
  const rows = readFileSync(new URL('../../../docs/checks.md', import.meta.url), 'utf8').split('\n')
  const expected = ruleList.map(({ name, url, experimental, level, since, description }) =>
    url === undefined
      ? `| ${name} | ${level} | ${since} | ${description} |`
      : `| [${name}](${url})${experimental ? ' *' : ''} | ${description} |`,
  )
  const named = (row: string) =>
    ruleList.some(({ name }) => row.startsWith(`| [${name}]`) || row.startsWith(`| ${name} |`))
  assert.deepEqual(rows.filter(named), expected)
})

test('docker’s pages are named as docker names them', () => {
  assert.equal(
    rules.JSONArgsRecommended.url,
    'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/',
  )
  assert.equal(
    rules.SecretsUsedInArgOrEnv.url,
    'https://docs.docker.com/go/dockerfile/rule/secrets-used-in-arg-or-env/',
  )
})
