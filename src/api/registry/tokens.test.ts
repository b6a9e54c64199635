import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createPublicKey, createSecretKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import bcrypt from 'bcrypt'
import { SignJWT, type JWTPayload } from 'jose'
import { messageOf } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { ReloadedFile } from '../../lib/reloaded-file.ts'
import { Refusal, type Action, type Need } from './access.ts'
import { parseScopes } from './grants.ts'
import { parseHtpasswd, Passwords } from './htpasswd.ts'
import { parseRights } from './rights.ts'
import { TokenAccess } from './token-access.ts'
import { TokenEndpoint } from './token-endpoint.ts'
import { TokenIssuer } from './token-issuer.ts'
import { libtrustId, parseTokenKeys } from './token-keys.ts'

const op = background(silentLogger)
const home = mkdtempSync(join(tmpdir(), 'gantry-tokens-'))
after(() => rmSync(home, { recursive: true }))
const file = (name: string, text: string) => {
  writeFileSync(join(home, name), text)
  return join(home, name)
}
const bearing = (token?: string): IncomingMessage =>
  // What the code under test looks at.
  ({ headers: token === undefined ? {} : { authorization: `Bearer ${token}` } }) as never
const to = (name: string, ...actions: Action[]): Need => ({ kind: 'repository', name, actions })
const pair = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve })
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString()

const grants = [
  { type: 'repository', name: 'team/app', actions: ['pull', 'push'] },
  { type: 'repository', name: 'team/lib', actions: ['*'] },
]

function sign(
  key: KeyObject,
  o: { claims?: JWTPayload; header?: Record<string, unknown>; ttl?: number } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000)
  return new SignJWT({ iss: 'auth', aud: 'registry', sub: 'ann', access: grants, ...o.claims })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', ...o.header })
    .setNotBefore(now - 10)
    .setExpirationTime(now + (o.ttl ?? 300))
    .sign(key)
}

async function accessOf(keys: string): Promise<TokenAccess> {
  const parsed = await parseTokenKeys(keys)
  return new TokenAccess({
    keys: () => Promise.resolve(parsed),
    issuer: 'auth',
    service: 'registry',
    realm: () => 'https://auth.test/token',
  })
}

describe('tokens of another server', () => {
  const own = pair()
  const pull = to('team/app', 'pull')

  test('without a token, the challenge says where to get one and for what', async () => {
    const access = await accessOf(pem(own.publicKey))
    const challenge = async (need: Need, token?: string) => {
      const refusal: unknown = await access
        .authorize(op, bearing(token), need)
        .catch((error: unknown) => error)
      assert.ok(refusal instanceof Refusal, messageOf(refusal))
      assert.equal(refusal.status, 401)
      return refusal.headers['WWW-Authenticate']
    }
    const head = 'Bearer realm="https://auth.test/token",service="registry"'
    assert.equal(await challenge({ kind: 'login' }), head)
    assert.equal(await challenge({ kind: 'catalog' }), `${head},scope="registry:catalog:*"`)
    assert.equal(
      await challenge(to('team/app', 'pull', 'push')),
      `${head},scope="repository:team/app:pull,push"`,
    )
    assert.equal(
      await challenge(to('other', 'pull'), await sign(own.privateKey)),
      `${head},scope="repository:other:pull",error="insufficient_scope"`,
    )
    assert.equal(await challenge({ kind: 'login' }, 'junk'), `${head},error="invalid_token"`)
  })

  test('a token is good for what it says', async () => {
    const access = await accessOf(pem(own.publicKey))
    const token = await sign(own.privateKey)
    const identity = await access.authorize(op, bearing(token), to('team/app', 'pull', 'push'))
    assert.equal(identity.user, 'ann')
    assert.equal(identity.allows('team/lib', 'delete'), true)
    assert.equal(identity.allows('team/app', 'delete'), false)
    assert.equal(identity.sees('team/app'), false)
    await access.authorize(op, bearing(token), { kind: 'login' })
    await assert.rejects(access.authorize(op, bearing(token), to('team/app', 'delete')))
    await assert.rejects(access.authorize(op, bearing(token), { kind: 'catalog' }))
    const all = [{ type: 'registry', name: 'catalog', actions: ['*'] }]
    const catalog = await sign(own.privateKey, { claims: { sub: '', access: all } })
    const listing = await access.authorize(op, bearing(catalog), { kind: 'catalog' })
    assert.deepEqual([listing.user, listing.sees('team/app')], [undefined, true])
  })

  test('forged, old, foreign and strange tokens are refused', async () => {
    const access = await accessOf(pem(own.publicKey))
    const [head = '', , signature = ''] = (await sign(own.privateKey)).split('.')
    const other = Buffer.from('{"iss":"auth","aud":"registry","sub":"root","exp":9999999999}').toString(
      'base64url',
    )
    const none = Buffer.from('{"alg":"none"}').toString('base64url')
    const bad: Record<string, string> = {
      'another key': await sign(pair().privateKey),
      'changed claims': `${head}.${other}.${signature}`,
      'algorithm none': `${none}.${other}.`,
      // The public key as a shared secret: the classic confusion.
      HS256: await sign(createSecretKey(Buffer.from(pem(own.publicKey))), { header: { alg: 'HS256' } }),
      expired: await sign(own.privateKey, { ttl: -61 }),
      'another issuer': await sign(own.privateKey, { claims: { iss: 'evil' } }),
      'another service': await sign(own.privateKey, { claims: { aud: 'elsewhere' } }),
      'strange access': await sign(own.privateKey, { claims: { access: [{ type: 1 }] } }),
      'unknown key id': await sign(own.privateKey, { header: { kid: 'other' } }),
      'a refresh token': await sign(own.privateKey, { header: { typ: 'refresh+jwt' } }),
      'too long': 'a.'.repeat(5000),
      empty: '',
    }
    for (const [what, token] of Object.entries(bad))
      await assert.rejects(access.authorize(op, bearing(token), pull), { code: 'UNAUTHORIZED' }, what)
    // Within the leeway for clocks.
    await access.authorize(op, bearing(await sign(own.privateKey, { ttl: -30 })), pull)
  })

  test('several keys, named as signers name them: JWKS, PEM, thumbprints, libtrust', async () => {
    const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid: 'first' }
    const second = pair()
    const jwks = JSON.stringify({ keys: [jwk, second.publicKey.export({ format: 'jwk' })] })
    const files = [jwks, pem(pair().publicKey) + pem(second.publicKey) + pem(own.publicKey)]
    for (const keys of files) {
      const access = await accessOf(keys)
      for (const kid of [undefined, libtrustId(own.publicKey), ...(keys === jwks ? ['first'] : [])]) {
        const header = kid === undefined ? {} : { kid }
        await access.authorize(op, bearing(await sign(own.privateKey, { header })), pull)
      }
      await access.authorize(op, bearing(await sign(second.privateKey)), pull)
    }
    assert.match(libtrustId(own.publicKey), /^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/)
    await assert.rejects(parseTokenKeys('nothing'), { message: /no public key/ })
    await assert.rejects(parseTokenKeys('{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}'), {
      message: /is secret/,
    })
    const secret = own.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await assert.rejects(parseTokenKeys(secret), { message: /a private key is in it/ })
  })

  test('the certificate that comes with a token counts when ours signed it', async () => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: home, stdio: 'pipe' })
    const make = (name: string, by?: string) => {
      openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
      openssl('req', '-new', '-key', `${name}.key`, '-subj', `/CN=${name}`, '-out', `${name}.csr`)
      const issuer = by ? ['-CA', `${by}.crt`, '-CAkey', `${by}.key`] : ['-signkey', `${name}.key`]
      const serial = ['-set_serial', String(Math.ceil(Math.random() * 1e9))]
      file('ca.ext', by ? 'basicConstraints=CA:FALSE\n' : 'basicConstraints=CA:TRUE\n')
      openssl(
        'x509',
        '-req',
        '-in',
        `${name}.csr`,
        ...issuer,
        ...serial,
        '-days',
        '2',
        '-extfile',
        'ca.ext',
        '-out',
        `${name}.crt`,
      )
      const text = readFileSync(join(home, `${name}.crt`), 'utf8')
      const der = text.replace(/-----[^-]+-----|\s/g, '')
      const { createPrivateKey } = process.getBuiltinModule('node:crypto')
      return { text, der, key: createPrivateKey(readFileSync(join(home, `${name}.key`))) }
    }
    const root = make('root')
    const leaf = make('leaf', 'root')
    const foreign = make('foreign')
    const access = await accessOf(root.text)
    await access.authorize(op, bearing(await sign(leaf.key, { header: { x5c: [leaf.der] } })), pull)
    await access.authorize(op, bearing(await sign(root.key, { header: { x5c: [root.der] } })), pull)
    for (const x5c of [[foreign.der], [leaf.der, root.der], [foreign.der, root.der], ['junk'], []])
      await assert.rejects(access.authorize(op, bearing(await sign(foreign.key, { header: { x5c } })), pull))
    // A leaf is no authority.
    const below = make('below', 'leaf')
    const chain = [below.der, leaf.der, root.der]
    await assert.rejects(
      access.authorize(op, bearing(await sign(below.key, { header: { x5c: chain } })), pull),
    )
  })
})

test('scopes are read as clients send them', () => {
  assert.deepEqual(
    parseScopes([
      'repository:host:5000/a/b:pull,push repository(plugin):x:pull',
      'junk',
      'registry:catalog:*',
    ]),
    [
      { type: 'repository', name: 'host:5000/a/b', actions: ['pull', 'push'] },
      { type: 'repository', name: 'x', actions: ['pull'] },
      { type: 'registry', name: 'catalog', actions: ['*'] },
    ],
  )
})

describe('our own token endpoint', () => {
  let server: Server
  let access: TokenAccess
  let users: ReloadedFile<ReadonlyMap<string, string>>
  const keyFile = join(home, 'token-key.pem')
  const options = { issuer: 'gantry', service: 'registry.test', lifetime: 60, keyFile }
  const users1 = file('users', `ann:${bcrypt.hashSync('secret', 4)}\nbob:${bcrypt.hashSync('his', 4)}\n`)
  const rights = parseRights(
    JSON.stringify({
      rules: [
        { anonymous: true, repositories: ['public/*'], allow: ['pull'] },
        { users: ['ann'], repositories: ['**'], allow: ['pull', 'push', 'delete'] },
      ],
    }),
  )
  before(async () => {
    users = await ReloadedFile.open(users1, parseHtpasswd)
    const issuer = await TokenIssuer.open(options)
    const endpoint = new TokenEndpoint({
      issuer,
      passwords: new Passwords(users),
      rights: () => Promise.resolve(rights),
    })
    access = new TokenAccess({ keys: () => Promise.resolve(issuer.keys), ...options, realm: () => 'x' })
    server = createServer((request, response) => {
      endpoint.serve(op, request, response).catch((error: unknown) => {
        response.writeHead(error instanceof Refusal ? error.status : 400).end(messageOf(error))
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  })
  after(() => server.close())

  const call = async (path: string, o: RequestInit = {}) => {
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}${path}`, o)
    const text = await response.text()
    // Tests name what they look at.
    return {
      status: response.status,
      text,
      body: (response.ok ? JSON.parse(text) : {}) as Record<string, string>,
    }
  }
  const login = (user: string, password: string) => ({
    headers: { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` },
  })
  const post = (form: Record<string, string>) => ({ method: 'POST', body: new URLSearchParams(form) })

  test('a user gets what the rules allow of what they ask', async () => {
    const { body } = await call(
      '/token?service=registry.test&scope=repository:team/app:pull,push&scope=repository:public/x:*',
      login('ann', 'secret'),
    )
    assert.equal(body['token'], body['access_token'])
    assert.equal(body['refresh_token'], undefined)
    assert.equal(body['scope'], 'repository:team/app:pull,push repository:public/x:pull,push,delete')
    const identity = await access.authorize(op, bearing(body['token']), to('team/app', 'pull', 'push'))
    assert.equal(identity.user, 'ann')
    assert.equal(identity.allows('team/app', 'delete'), false)
    const bob = await call('/token?scope=repository:team/app:pull', login('bob', 'his'))
    assert.equal(bob.body['scope'], '')
    await assert.rejects(access.authorize(op, bearing(bob.body['token']), to('team/app', 'pull')))
    await access.authorize(op, bearing(bob.body['token']), { kind: 'login' })
  })

  test('without a login there are tokens for what everybody may; a wrong password gets none', async () => {
    const { body } = await call('/token?scope=repository:public/x:pull,push&scope=registry:catalog:*')
    assert.equal(body['scope'], 'repository:public/x:pull')
    assert.equal((await access.authorize(op, bearing(body['token']), to('public/x', 'pull'))).user, undefined)
    const wrong = await call('/token?scope=repository:public/x:pull', login('ann', 'guess'))
    assert.deepEqual([wrong.status, wrong.text], [401, 'wrong user name or password'])
  })

  test('OAuth2: a password buys a refresh token, which buys tokens until the password changes', async () => {
    const form = { grant_type: 'password', username: 'ann', password: 'secret', access_type: 'offline' }
    const refresh = (await call('/token', post(form))).body['refresh_token'] ?? ''
    const ask = (token: string) =>
      call('/token', post({ grant_type: 'refresh_token', refresh_token: token, scope: 'repository:a:pull' }))
    assert.equal((await ask(refresh)).body['scope'], 'repository:a:pull')
    assert.equal(
      (await call('/token?offline_token=true', login('ann', 'secret'))).body['refresh_token']?.split('.')
        .length,
      3,
    )
    // It is no token for the registry itself, and a token is none for more tokens.
    await assert.rejects(access.authorize(op, bearing(refresh), { kind: 'login' }))
    const token = (await ask(refresh)).body['token'] ?? ''
    assert.equal((await ask(token)).status, 401)
    file('users', `ann:${bcrypt.hashSync('next', 4)}\n`)
    await users.reload(op)
    assert.equal((await ask(refresh)).status, 401)
    const bob = await call('/token', post({ ...form, username: 'bob', password: 'his' }))
    assert.equal(bob.status, 401)
  })

  test('other services and grants, long forms and many scopes are refused', async () => {
    assert.equal((await call('/token?service=other')).status, 400)
    assert.equal((await call('/token', post({ grant_type: 'magic' }))).status, 400)
    assert.equal((await call('/token', post({ grant_type: 'password', x: 'x'.repeat(70_000) }))).status, 400)
    const many = new URLSearchParams(
      Array.from({ length: 101 }, (_, i) => ['scope', `repository:r${i}:pull`]),
    )
    assert.equal((await call(`/token?${many.toString()}`)).status, 400)
  })

  test('its key is kept, for root alone, and must be of the kind that it signs with', async () => {
    assert.equal(statSync(keyFile).mode & 0o777, 0o600)
    const again = await TokenIssuer.open(options)
    await access.authorize(op, bearing(await again.token('ann', grants)), to('team/app', 'pull'))
    assert.equal(createPublicKey(readFileSync(keyFile)).asymmetricKeyType, 'ec')
    const wrong = pair('P-384').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    await assert.rejects(TokenIssuer.open({ ...options, keyFile: file('wrong.pem', wrong) }), {
      kind: 'invalid',
      message: /wrong\.pem: want an EC key of curve P-256$/,
    })
  })
})
