import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nameOf } from './compose-images.ts'

test('nameOf() finds the name that was asked for among others, however it was written', () => {
  const image = { RepoTags: ['app:1', 'postgres:14', 'postgres:latest'] }
  assert.deepEqual(nameOf('docker.io/library/postgres:14', image), { repository: 'postgres', tag: '14' })
  assert.deepEqual(nameOf('postgres', image), { repository: 'postgres', tag: 'latest' })
  assert.deepEqual(nameOf('gone', image), { repository: 'app', tag: '1' })
  assert.deepEqual(nameOf(`sha256:${'a'.repeat(64)}`, image), { repository: 'app', tag: '1' })
  assert.deepEqual(nameOf('gone', { RepoTags: [] }), { repository: '<none>', tag: '<none>' })
})
