import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ContextStore } from './context-store.ts'

test('contexts are kept as docker keeps them, the current one apart', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-contexts-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const store = new ContextStore(folder)
  assert.deepEqual(store.list(), [])
  assert.equal(store.current, 'default')
  const far = {
    name: 'far',
    description: 'a machine',
    host: 'tcp://far:2376',
    skipTlsVerify: false,
    tls: { ca: 'CA', key: 'KEY' },
  }
  await store.put(far)
  assert.deepEqual(store.list(), [far])
  assert.deepEqual(store.find('far'), far)
  const digest = createHash('sha256').update('far').digest('hex')
  assert.ok(store.metadataPath('far').endsWith(`/contexts/meta/${digest}`))
  assert.deepEqual(JSON.parse(readFileSync(`${store.metadataPath('far')}/meta.json`, 'utf8')), {
    Name: 'far',
    Metadata: { Description: 'a machine' },
    Endpoints: { docker: { Host: 'tcp://far:2376', SkipTLSVerify: false } },
  })
  assert.equal(statSync(`${store.tlsPath('far')}/docker/key.pem`).mode & 0o777, 0o600)
  await store.use('far')
  assert.equal(store.current, 'far')
  await store.use('default')
  assert.equal(store.current, 'default')
  store.remove('far')
  assert.throws(() => store.find('far'), /context "far": context not found/)
})
