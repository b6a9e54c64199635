import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DetachFilter, parseDetachKeys } from './detach-keys.ts'
import { readAll } from './testing.ts'

test('parseDetachKeys() reads docker’s notation', () => {
  assert.deepEqual([...parseDetachKeys('')], [16, 17])
  assert.deepEqual([...parseDetachKeys('ctrl-a,x,ctrl-]')], [1, 120, 29])
  for (const wrong of ['ctrl-', 'ctrl-1', 'ab', 'a,,b'])
    assert.throws(() => parseDetachKeys(wrong), { kind: 'invalid' })
})

test('half of the keys is typed on when something else follows', async () => {
  const filter = new DetachFilter(parseDetachKeys('a,b'), () => assert.fail('detached'))
  filter.write('xa')
  filter.write('aax')
  filter.end('b')
  assert.equal((await readAll(filter)).toString(), 'xaaaxb')
})
