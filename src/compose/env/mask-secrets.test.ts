import assert from 'node:assert/strict'
import { test } from 'node:test'
import { masked, maskSecrets } from './mask-secrets.ts'

test('a value is hidden when a variable in it is a secret, or the password of an address', () => {
  assert.equal(maskSecrets('hunter2', ['PASSWORD']), masked)
  assert.equal(maskSecrets('a:hunter2', ['URL', 'DB_PASSWORD']), masked)
  assert.equal(
    maskSecrets('pg://me:hunter2@db/x, b://c:d@e', ['URL']),
    `pg://me:${masked}@db/x, b://c:${masked}@e`,
  )
  assert.equal(maskSecrets('http://db:80/@x', ['URL']), 'http://db:80/@x')
  assert.equal(maskSecrets('', ['PASSWORD']), '')
  assert.equal(maskSecrets(`ghp_${'a'.repeat(30)}`, ['X']), masked)
})
