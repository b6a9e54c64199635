import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { configRules, dockerRoutes, hostConfigRules } from '../api/index.ts'
import type { Engine } from '../engine/index.ts'
import { daemonOptions, unsupportedKeys, type DaemonOption } from './options.ts'

const page = await readFile(new URL('../../docs/compat.md', import.meta.url), 'utf8')

/** The rows of the table under a heading, as cells without backquotes. */
function rowsUnder(heading: string): string[][] {
  const section = page.split(/^## /m).find((part) => part.startsWith(heading)) ?? ''
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim().replace(/^`(.*)`$/, '$1')),
    )
}

test('docs/compat.md lists every route with its state', () => {
  // Building the table touches no engine; only the handlers do.
  const routes = dockerRoutes({} as Engine)
  assert.deepEqual(
    rowsUnder('Routes')
      .map(([route, state]) => `${route}: ${state}`)
      .toSorted(),
    routes
      .map((route) => `${route.method} ${route.path}: ${'refusal' in route ? 'refused' : 'served'}`)
      .toSorted(),
  )
})

test('docs/compat.md lists every setting of a container, and calls none obeyed that is not', () => {
  const rules = [
    ...Object.entries(configRules),
    ...Object.entries(hostConfigRules).map(([field, rule]) => [`HostConfig.${field}`, rule] as const),
  ]
  const states = new Map(rowsUnder('Settings').map(([field = '', state]) => [field, state]))
  assert.deepEqual([...states.keys()].toSorted(), rules.map(([field]) => field).toSorted())
  for (const [field, rule] of rules)
    if (rule !== 'obeyed') assert.notEqual(states.get(field), 'obeyed', field)
})

test('docs/compat.md lists every flag and key of the daemon', () => {
  const options: readonly DaemonOption[] = daemonOptions
  assert.deepEqual(
    rowsUnder('Daemon')
      .map(([flag, key, state]) => `${flag} ${key} ${state}`)
      .toSorted(),
    [
      ...options.map((option) => `${option.flag ? `--${option.flag}` : ''} ${option.key ?? ''} served`),
      ...unsupportedKeys.map((key) => ` ${key} refused`),
    ].toSorted(),
  )
})
