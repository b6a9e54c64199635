import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withoutMountPoints } from './changes.ts'

test('mount points of the engine are no changes of the container', () => {
  const made = ['/etc/hostname', '/etc/hosts', '/etc/resolv.conf'].map((path) => ({
    path,
    kind: 'added' as const,
  }))
  const etc = { path: '/etc', kind: 'modified' as const }
  const mine = { path: '/etc/mine', kind: 'added' as const }
  const data = { path: '/data', kind: 'added' as const }
  assert.deepEqual(withoutMountPoints([data, etc, ...made]), [data])
  assert.deepEqual(withoutMountPoints([etc, ...made, mine]), [etc, mine])
  assert.deepEqual(withoutMountPoints([etc]), [etc])
})
