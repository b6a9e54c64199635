import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMountPoint, mountsUnder, parseMountInfo } from './mount.ts'

test('parseMountInfo() decodes escapes, optional fields and super options', () => {
  const text =
    '36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue\n' +
    '37 35 0:3 / /proc rw - proc proc rw\n'
  assert.deepEqual(parseMountInfo(text), [
    {
      target: '/mnt 2',
      root: '/mnt1',
      type: 'ext3',
      source: '/dev/root',
      options: 'rw,noatime',
      superOptions: 'rw,errors=continue',
      propagation: ['shared:1', 'master:2'],
    },
    {
      target: '/proc',
      root: '/',
      type: 'proc',
      source: 'proc',
      options: 'rw',
      superOptions: 'rw',
      propagation: [],
    },
  ])
})

test('mount points of this machine are found', () => {
  assert.ok(isMountPoint('/proc'))
  assert.ok(!isMountPoint('/proc/self'))
  assert.ok(mountsUnder('/').includes('/proc'))
})
