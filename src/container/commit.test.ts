import assert from 'node:assert/strict'
import { test } from 'node:test'
import { committedConfig } from './commit.ts'

test('a committed image has what of the container belongs to an image', () => {
  const container = {
    Image: 'busybox',
    Hostname: 'web',
    AttachStdout: true,
    Env: ['PATH=/bin', 'A=1'],
    Cmd: ['httpd'],
    Entrypoint: null,
    Labels: { a: '1' },
    ExposedPorts: {},
  }
  assert.deepEqual(committedConfig(container, {}), {
    Env: ['PATH=/bin', 'A=1'],
    Cmd: ['httpd'],
    Labels: { a: '1' },
  })
  assert.deepEqual(
    committedConfig(container, { Env: ['A=2'], Entrypoint: ['/e'], Labels: { b: '2' }, User: 'me' }),
    { Env: ['A=2', 'PATH=/bin'], Entrypoint: ['/e'], Labels: { a: '1', b: '2' }, User: 'me' },
  )
})
