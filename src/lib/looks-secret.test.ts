import assert from 'node:assert/strict'
import { test } from 'node:test'
import { looksSecret } from './looks-secret.ts'

test('names that speak of secrets, and values that are credentials', () => {
  for (const name of ['NPM_TOKEN', 'db_password', 'AWS_SECRET_ACCESS_KEY', 'API_KEY', 'PASS'])
    assert.ok(looksSecret(name, 'x'), name)
  for (const name of ['VERSION', 'KEYBOARD', 'AUTHOR', 'PUBLIC_KEY', 'COMPASS', 'TOKENIZER'])
    assert.ok(!looksSecret(name, '1.2'), name)
  assert.ok(looksSecret('URL', 'https://me:geheim@example.com/'))
  assert.ok(looksSecret('X', '-----BEGIN RSA PRIVATE KEY-----'))
  assert.ok(!looksSecret('URL', 'https://example.com:80/@x'))
})

test('names that are grown together tell, too; what is about a secret does not', () => {
  for (const name of [
    'DB_PASSWORD',
    'PGPASSWORD',
    'db_pass',
    'API_TOKEN',
    'apiKey',
    'AWS_SECRET_ACCESS_KEY',
    'MYSQL_PWD',
  ])
    assert.ok(looksSecret(name), name)
  for (const name of [
    'PWD',
    'COMPASS',
    'POSTGRES_PASSWORD_FILE',
    'PUBLIC_KEY',
    'KEYBOARD',
    'AUTHOR',
    'TOKENIZER',
  ])
    assert.ok(!looksSecret(name), name)
})
