import assert from 'node:assert/strict'
import { test } from 'node:test'
import { command } from './command.ts'
import { bool, string, type Flags } from './flags.ts'
import { commandHelp } from './help.ts'
import { entries } from './table.ts'

const help = (flags: Flags) => {
  const [entry] = entries
  assert.ok(entry)
  return commandHelp('x', entry, command({ usage: '', arguments: [0, 0], flags, run: async () => {} }))
}

test('--help is listed where -h means something else, as docker does', () => {
  assert.match(
    help({ hostname: string('Container host name', { short: 'h' }) }),
    /\n {6}--help +Print usage\n/,
  )
  assert.doesNotMatch(help({ all: bool('Everything', { short: 'a' }) }), /--help/)
})
