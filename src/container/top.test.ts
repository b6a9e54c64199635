import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterProcesses } from './top.ts'

test('filterProcesses() keeps the rows of the given pids and the spaces of the command', () => {
  const text =
    'UID          PID    PPID CMD\nroot           1       0 init\nroot          42       1 sleep 10 20\n'
  assert.deepEqual(filterProcesses(text, new Set([42])), {
    Titles: ['UID', 'PID', 'PPID', 'CMD'],
    Processes: [['root', '42', '1', 'sleep 10 20']],
  })
})

test('filterProcesses() refuses an output without pids', () => {
  assert.throws(() => filterProcesses('CMD\ninit\n', new Set([1])), { kind: 'invalid' })
})
