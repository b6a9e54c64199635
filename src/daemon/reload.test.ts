import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reloaded } from './reload.ts'

test('reloaded() takes over what a running daemon can, and names what waits for the next start', () => {
  const current = { debug: true, labels: ['a=1'], bridge: 'br1', 'insecure-registries': ['x:5000'] }
  const next = { labels: ['a=2'], bridge: 'br2', icc: false, 'insecure-registries': ['x:5000'] }
  assert.deepEqual(reloaded(current, next), {
    settings: { bridge: 'br1', labels: ['a=2'], 'insecure-registries': ['x:5000'] },
    changed: ['debug', 'labels'],
    later: ['bridge', 'icc'],
  })
})

test('reloaded() of the same settings changes nothing', () => {
  const settings = { labels: ['a=1'], runtimes: { r: { path: '/bin/r' } } }
  assert.deepEqual(reloaded(settings, structuredClone(settings)), { settings, changed: [], later: [] })
})
