import assert from 'node:assert/strict'
import { test } from 'node:test'
import { textLine } from './log.ts'

test('textLine() writes what readers of dockerd’s log expect', () => {
  assert.equal(
    textLine({
      time: '2026-01-02T03:04:05.000Z',
      level: 'info',
      msg: 'two words',
      id: 'a1',
      n: 3,
      list: ['x'],
    }),
    'time="2026-01-02T03:04:05.000Z" level=info msg="two words" id=a1 n=3 list="[\\"x\\"]"\n',
  )
  assert.match(
    textLine({ time: 't', level: 'warn', msg: 'm', error: { message: 'it broke' } }),
    /error="it broke"\n$/,
  )
})
