import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { registryOptions, type RegistryOption } from '../wire/registry-options.ts'
import { parseFlags } from './flags.ts'
import { resolveRegistry } from './registry-config.ts'
import { registryFlags } from './registry-flags.ts'
import {
  mergeRegistrySettings,
  parseRegistryFile,
  registrySettingsOfFlags,
  type RegistrySettings,
} from './registry-settings.ts'

const settings = (...argv: string[]) => registrySettingsOfFlags(parseFlags(argv, registryFlags))
const proxies = { http: '', https: '', no: '' }
const resolve = (s: RegistrySettings) => resolveRegistry(s, { storage: '/var/lib/r', proxies })
const flags = (...argv: string[]) => resolve(settings(...argv))
const file = (value: object) => parseRegistryFile('r.json', JSON.stringify(value))

test('nothing said: loopback, files, nobody needs a login', () => {
  assert.deepEqual(flags(), {
    listen: { host: '127.0.0.1', port: 5000 },
    metricsListen: undefined,
    storage: { kind: 'files', root: '/var/lib/r' },
    state: '/var/lib/r',
    tls: undefined,
    login: { kind: 'open' },
    readOnly: false,
    maxBlobSize: Number.MAX_SAFE_INTEGER,
    maxConnections: 1024,
    clientTimeout: 60_000,
    uploadTimeout: 86_400_000,
    gcInterval: 3_600_000,
    gcGrace: 3_600_000,
    gcDryRun: false,
    retention: undefined,
    upstream: undefined,
    proxies,
    logLevel: 'info',
  })
})

test('a file says the same as flags', () => {
  const argv = ['--listen=[::1]:443', '--max-blob-size=2g', '--gc-interval', '90m', '--read-only']
  const value = { listen: '[::1]:443', 'max-blob-size': '2g', 'gc-interval': 5400, 'read-only': true }
  assert.deepEqual(flags(...argv), resolve(file(value)))
  const { listen, maxBlobSize, gcInterval, readOnly } = flags(...argv)
  assert.deepEqual(
    [listen, maxBlobSize, gcInterval, readOnly],
    [{ host: '::1', port: 443 }, 2 * 2 ** 30, 5_400_000, true],
  )
  assert.throws(() => mergeRegistrySettings('r.json', file(value), settings('--listen=:1')), {
    message: /both as a flag and in the configuration file: listen$/,
  })
})

test('S3 wants a directory for uploads, and its settings nothing else', () => {
  const { storage, state } = flags(
    '--storage=s3://bucket/some/prefix',
    '--state=/s',
    '--s3-endpoint=http://s3.test:9000',
    '--s3-credentials=/c',
    '--s3-path-style',
  )
  assert.deepEqual(storage, {
    kind: 's3',
    location: 's3://bucket/some/prefix',
    endpoint: 'http://s3.test:9000',
    region: undefined,
    pathStyle: true,
    credentials: { path: '/c', profile: 'default' },
  })
  assert.equal(state, '/s')
})

test('logins: passwords, our tokens, those of another server', () => {
  assert.deepEqual(flags('--htpasswd=/h', '--rights=/r').login, {
    kind: 'basic',
    htpasswd: '/h',
    rights: '/r',
  })
  assert.deepEqual(flags('--htpasswd=/h', '--token-endpoint', '--token-lifetime=2m').login, {
    kind: 'token-endpoint',
    htpasswd: '/h',
    rights: undefined,
    realm: undefined,
    keyFile: '/var/lib/r/token-key.pem',
    lifetime: 120,
    service: 'gantry-registry',
    issuer: 'gantry',
  })
  const argv = ['--token-keys=/k', '--token-realm=https://auth.test/token', '--token-issuer=auth']
  assert.deepEqual(flags(...argv).login, {
    kind: 'token-server',
    keys: '/k',
    realm: 'https://auth.test/token',
    service: 'gantry-registry',
    issuer: 'auth',
  })
})

const refused: [argv: string, message: RegExp][] = [
  ['--listen=here', /^listen "here": want ADDRESS:PORT or :PORT$/],
  ['--listen=:70000', /^listen ":70000"/],
  ['--storage=s3://b', /^storage in S3 needs state/],
  ['--state=/x', /^state is for storage in S3/],
  ['--s3-region=eu', /^s3-region is set, but storage is not s3:/],
  ['--storage=s3://b --state=/s --s3-profile=x', /^s3-profile is of a file/],
  ['--tls-cert=/c', /^TLS needs both tls-cert and tls-key$/],
  ['--tls-client-ca=/c', /^tls-client-ca needs/],
  ['--rights=/r', /^rights needs htpasswd/],
  ['--token-endpoint', /^token-endpoint needs htpasswd/],
  ['--token-service=x', /^token-service is set, but neither token-endpoint nor token-keys is$/],
  ['--token-keys=/k --token-issuer=a', /^token-keys needs token-realm/],
  ['--token-keys=/k --token-realm=https://a/', /^token-keys needs token-issuer/],
  ['--token-keys=/k --htpasswd=/h', /^htpasswd and token-keys: the other server decides/],
  ['--token-endpoint --htpasswd=/h --token-realm=ftp://a/', /^token-realm: want an http/],
  ['--token-endpoint --htpasswd=/h --token-service=a"b', /^token-service "a\\"b": want visible ASCII/],
  ['--token-endpoint --htpasswd=/h --token-lifetime=1s', /^token-lifetime: want 60s or more$/],
  ['--max-connections=0', /^max-connections 0: want 1 or more$/],
  ['--max-connections=many', /^invalid argument "many" for "--max-connections" flag: /],
  ['--max-blob-size=big', /^invalid argument "big" for "--max-blob-size" flag: invalid size/],
  ['--gc-interval=soon', /^invalid argument "soon" for "--gc-interval" flag: time: invalid duration/],
  ['--gc-interval=-1m', /-1m is negative$/],
  ['--log-level=loud', /^invalid argument "loud" for "--log-level" flag: /],
  ['--storag=/x', /^unknown flag: --storag \(did you mean --storage\?\)$/],
  ['/x', /^gantry registry serve takes no arguments: "\/x"$/],
]
for (const [argv, message] of refused)
  test(`refused: ${argv}`, () => assert.throws(() => flags(...argv.split(' ')), { kind: 'invalid', message }))

test('a wrong file is refused by key', () => {
  const wrong = (value: object, message: RegExp) =>
    assert.throws(() => file(value), { kind: 'invalid', message })
  wrong({ listn: ':1' }, /with file r\.json: .*listn \(did you mean listen\?\)$/)
  wrong({ config: 'x' }, /don't match any configuration option: config/)
  wrong({ 'read-only': 'yes' }, /r\.json: read-only: /)
  wrong([], /want a JSON object/)
  assert.throws(() => resolve(file({ storage: 'x' })), {
    message: /^storage "x": want an absolute path or s3:/,
  })
  assert.throws(() => resolve(file({ htpasswd: 'x' })), { message: 'htpasswd "x": want an absolute path' })
  assert.throws(() => parseRegistryFile('r.json', '{'), { kind: 'invalid', message: /r\.json: .*JSON/ })
})

test('paths of flags may be relative', () => {
  const { storage, login } = flags('--storage=here', '--htpasswd=./users')
  assert.deepEqual(storage, { kind: 'files', root: join(process.cwd(), 'here') })
  assert.deepEqual(login, { kind: 'basic', htpasswd: join(process.cwd(), 'users'), rights: undefined })
})

test('docs/registry-server.md has a row for every option', async () => {
  const page = await readFile(new URL('../../docs/registry-server.md', import.meta.url), 'utf8')
  const section = page.split(/^## /m).find((part) => part.startsWith('Configuration')) ?? ''
  const rows = section.split('\n').filter((line) => line.startsWith('| `'))
  const named = rows.flatMap((row) =>
    [...(row.split('|')[1] ?? '').matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
  )
  assert.deepEqual(named.toSorted(), registryOptions.map(({ name }) => name).toSorted())
})

test('every option can be given as a flag', () => {
  const values = {
    string: '/x',
    path: '/x',
    boolean: 'true',
    integer: '7',
    size: '1m',
    duration: '2m',
    level: 'warn',
  }
  const options: readonly RegistryOption[] = registryOptions
  for (const { name, type, noKey } of options)
    if (noKey !== true) assert.ok(name in settings(`--${name}=${values[type]}`), name)
})
