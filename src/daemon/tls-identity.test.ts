import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { readIdentity } from './tls-identity.ts'

test('an identity is read, and what is wrong with its files is told by their names', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-identity-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const path = (name: string) => join(directory, name)
  const words =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test'.split(' ')
  for (const name of ['a', 'b']) {
    const made = spawnSync('openssl', [...words, '-keyout', `${name}.key`, '-out', `${name}.crt`], {
      cwd: directory,
      stdio: 'ignore',
    })
    if (made.status !== 0) return t.skip('no openssl command on PATH')
  }
  writeFileSync(path('garbage'), 'garbage')
  const identity = (cert: string, key: string, ca?: string) =>
    readIdentity({
      cert: { name: 'tls-cert', path: path(cert) },
      key: { name: 'tls-key', path: path(key) },
      ca: ca === undefined ? undefined : { name: 'tls-client-ca', path: path(ca) },
    })
  const text = (name: string) => readFileSync(path(name), 'utf8')
  assert.deepEqual(await identity('a.crt', 'a.key', 'b.crt'), {
    cert: text('a.crt'),
    key: text('a.key'),
    ca: text('b.crt'),
  })
  const refused = async (message: string, ...files: [string, string, string?]) =>
    await assert.rejects(identity(...files), { kind: 'invalid', message })
  await refused(`tls-cert ${path('garbage')}: want a certificate as PEM`, 'garbage', 'a.key')
  await refused(
    `tls-key ${path('garbage')}: want a private key without a passphrase as PEM`,
    'a.crt',
    'garbage',
  )
  await refused(`tls-client-ca ${path('garbage')}: want a certificate as PEM`, 'a.crt', 'a.key', 'garbage')
  await refused(
    `tls-key ${path('b.key')} is not the key of the certificate tls-cert ${path('a.crt')}`,
    'a.crt',
    'b.key',
  )
  await assert.rejects(identity('gone', 'a.key'), { message: /^Cannot read tls-cert .*gone: ENOENT/ })
})
