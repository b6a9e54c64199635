import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '../command.ts'
import { composeFlags } from './compose.ts'

test('the environment counts where no flag stands between compose and its command', (t) => {
  const before = { ...process.env }
  t.after(() => {
    process.env = before
  })
  // No more of it is looked at.
  const context = {} as Context
  assert.deepEqual([composeFlags(context).parallel, composeFlags(context).ansi], [-1, 'auto'])
  process.env['COMPOSE_PARALLEL_LIMIT'] = '3'
  process.env['COMPOSE_ANSI'] = 'never'
  assert.deepEqual([composeFlags(context).parallel, composeFlags(context).ansi], [3, 'never'])
  process.env['COMPOSE_PARALLEL_LIMIT'] = 'x'
  assert.throws(() => composeFlags(context), /COMPOSE_PARALLEL_LIMIT must be an integer/)
})
