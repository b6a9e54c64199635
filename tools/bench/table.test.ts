import assert from 'node:assert/strict'
import { test } from 'node:test'
import { median, table } from './table.ts'

test('median() of odd, even and no numbers', () => {
  assert.equal(median([3, 1, 2]), 2)
  assert.equal(median([4, 1, 2, 3]), 2.5)
  assert.equal(median([7]), 7)
  assert.ok(Number.isNaN(median([])))
})

test('table() lines its columns up', () => {
  assert.equal(
    table(['work', 'gantry'], [['run --rm', '50 ms']]),
    ['| work     | gantry |', '| -------- | -----: |', '| run --rm |  50 ms |'].join('\n'),
  )
})
