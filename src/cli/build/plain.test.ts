import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BuildEvent } from '../../wire/build.ts'
import { PlainProgress } from './plain.ts'
import { FailureLog } from './progress.ts'

function render(...events: BuildEvent[]): string {
  let text = ''
  const progress = new PlainProgress((part) => (text += part))
  for (const event of events) progress.handle(event)
  progress.close()
  // How long after the start a line came is the clock's business.
  return text.replaceAll(/(#\d+) \d+\.\d{3} /g, '$1 T ')
}
const vertex = (id: string, more: object = {}): BuildEvent => ({
  type: 'vertex',
  id,
  name: `step ${id}`,
  cached: false,
  ...more,
})

test("plain progress reads as BuildKit's", () => {
  assert.equal(
    render(
      vertex('1'),
      vertex('1', { started: 1000 }),
      { type: 'log', vertex: '1', stream: 1, data: 'one\ntw' },
      { type: 'log', vertex: '1', stream: 1, data: 'o\nrest' },
      vertex('1', { started: 1000, completed: 1300 }),
      vertex('2', { cached: true, started: 5, completed: 5 }),
    ),
    '#1 step 1\n#1 T one\n#1 T two\n#1 T rest\n#1 DONE 0.3s\n\n#2 step 2\n#2 CACHED\n\n',
  )
})

test('parallel steps are named again when the log turns to them', () => {
  assert.equal(
    render(
      vertex('1', { started: 0 }),
      vertex('2', { started: 0 }),
      { type: 'log', vertex: '1', stream: 1, data: 'a\n' },
      vertex('2', { started: 0, error: 'boom' }),
    ),
    '#1 step 1\n\n#2 step 2\n\n#1 step 1\n#1 T a\n\n#2 step 2\n#2 ERROR: boom\n\n',
  )
})

test('a failure repeats what the step wrote last', () => {
  const log = new FailureLog()
  log.handle({ type: 'log', vertex: '1', stream: 2, data: 'bad thing' })
  log.handle(vertex('1', { started: 0, error: 'exit code: 1' }))
  assert.equal(
    log.describe(
      { type: 'error', message: 'exit code: 1', kind: 'invalid', excerpt: 'D:1\n' },
      { repeat: true },
    ),
    '------\n > step 1:\nbad thing\n------\nD:1\nERROR: failed to build: failed to solve: exit code: 1\n',
  )
})
