import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeConfig } from './create.ts'

const id = 'abcdef0123456789'
const image = {
  Entrypoint: ['/e'],
  Cmd: ['c'],
  Env: ['A=1', 'B=2'],
  WorkingDir: '/w',
  Labels: { x: '1', y: '1' },
}
const merge = (user: object) => mergeConfig({ Image: 'i', ...user }, image, id, {})

test("mergeConfig() takes the image's command unless the user gives one", () => {
  assert.deepEqual([merge({}).Entrypoint, merge({}).Cmd], [['/e'], ['c']])
  assert.deepEqual([merge({ Cmd: ['u'] }).Entrypoint, merge({ Cmd: ['u'] }).Cmd], [['/e'], ['u']])
})

test("mergeConfig(): an entrypoint of one's own drops the image's command", () => {
  const merged = merge({ Entrypoint: ['/u'] })
  assert.deepEqual([merged.Entrypoint, merged.Cmd], [['/u'], null])
})

test('mergeConfig(): [""] clears the entrypoint, and a command is needed then', () => {
  const merged = merge({ Entrypoint: [''], Cmd: ['u'] })
  assert.deepEqual([merged.Entrypoint, merged.Cmd], [null, ['u']])
  assert.throws(() => merge({ Entrypoint: [''] }), { kind: 'invalid', message: 'no command specified' })
})

test('mergeConfig() merges variables, labels and the host name', () => {
  const merged = merge({ Env: ['B=3'], Labels: { y: '2' } })
  assert.deepEqual(merged.Env, ['B=3', 'A=1'])
  assert.deepEqual(merged.Labels, { x: '1', y: '2' })
  assert.equal(merged.Hostname, 'abcdef012345')
  assert.equal(merged.WorkingDir, '/w')
})
