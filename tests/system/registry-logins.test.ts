/** Who may use a registry server, over what, and how much of it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import bcrypt from 'bcrypt'
import { SignJWT } from 'jose'
import { digestOf } from '../../src/lib/digest.ts'
import { dockerArchive } from './archives.ts'
import { busyboxTar, eventually, freePort, system } from './harness.ts'
import { get, missingProgram, putBlob, RegistryServer, succeeds } from './registry-server.ts'

const home = mkdtempSync('/tmp/gr-')
after(() => rmSync(home, { recursive: true, force: true }))
const place = (name: string) => join(home, name)
const file = (name: string, text: string) => {
  writeFileSync(place(name), text)
  return place(name)
}
const ok = (argv: string[]) => succeeds(argv, { HOME: home })

describe('logins', () => {
  const s = system('gantry', { flags: [`--certs-dir=${place('certs.d')}`] })
  const users = (password: string) =>
    `ann:${bcrypt.hashSync(password, 4)}\nbob:${bcrypt.hashSync('his', 4)}\n`
  const htpasswd = file('htpasswd', users('secret'))
  const rights = file(
    'rights.json',
    JSON.stringify({
      rules: [
        { users: ['ann'], repositories: ['**'], allow: ['pull', 'push', 'delete'] },
        { users: ['*'], repositories: ['team/**'], allow: ['pull'] },
        { anonymous: true, repositories: ['public/*'], allow: ['pull'] },
      ],
    }),
  )
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: home, stdio: 'pipe' })
  const makeCertificate = () =>
    openssl(
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost'.split(
        ' ',
      ),
      ...'-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout tls.key -out tls.crt'.split(' '),
    )
  makeCertificate()
  const tls = [`--tls-cert=${place('tls.crt')}`, `--tls-key=${place('tls.key')}`]
  const logins = [`--htpasswd=${htpasswd}`, `--rights=${rights}`]
  const trust = (host: string) => {
    mkdirSync(place(`certs.d/${host}`), { recursive: true })
    execFileSync('cp', [place('tls.crt'), place(`certs.d/${host}/ca.crt`)])
  }
  const login = (host: string, user: string, password: string) =>
    s.run(['login', '-u', user, '--password-stdin', host], { input: password })

  for (const [kind, flags] of Object.entries({ 'with each request': [], 'for tokens': ['--token-endpoint'] }))
    test(`passwords ${kind}, over TLS, with rights`, async () => {
      writeFileSync(htpasswd, users('secret'))
      const server = await RegistryServer.start(`--storage=${place(kind)}`, ...tls, ...logins, ...flags)
      try {
        const { host } = server
        trust(host)
        const app = `${host}/team/app`
        const open = `${host}/public/app`
        await s.ok('tag', 'busybox', app)
        await s.ok('tag', 'busybox', open)
        await s.fails(1, /denied|no basic auth credentials/, 'push', app)
        const wrong = await login(host, 'ann', 'guess')
        assert.equal(wrong.code, 1)
        assert.match(wrong.stderr, /unauthorized/i)
        assert.equal((await login(host, 'ann', 'secret')).code, 0)
        await s.ok('push', '-q', app)
        await s.ok('push', '-q', open)
        await s.ok('logout', host)
        await s.ok('pull', '-q', open)
        await s.fails(1, /denied|no basic auth credentials/, 'pull', app)
        assert.equal((await login(host, 'bob', 'his')).code, 0)
        await s.ok('pull', '-q', app)
        await s.fails(1, /may not|the token is not for/, 'push', app)
        await s.ok('logout', host)

        // The new certificate and the new password count after SIGHUP, without a restart.
        assert.equal((await login(host, 'ann', 'secret')).code, 0)
        writeFileSync(htpasswd, users('next'))
        makeCertificate()
        server.signal('SIGHUP')
        trust(host)
        await eventually(async () => assert.equal((await login(host, 'bob', 'his')).code, 0))
        assert.equal((await login(host, 'ann', 'secret')).code, 1)
        assert.equal((await login(host, 'ann', 'next')).code, 0)
        await s.ok('push', '-q', app)
      } finally {
        const { stderr } = await server.stop()
        for (const secret of ['secret', 'guess', 'next', '$2b$', 'eyJ'])
          assert.ok(!stderr.includes(secret), stderr)
      }
    })

  test('skopeo and podman log in, by either scheme', { skip: missingProgram('skopeo') }, async () => {
    writeFileSync(htpasswd, users('secret'))
    const tarball = place('login.tar')
    writeFileSync(tarball, await dockerArchive({ layers: [await busyboxTar()], tags: ['a:1'], config: {} }))
    for (const flags of [[], ['--token-endpoint']]) {
      const server = await RegistryServer.start(`--storage=${place('skopeo-login')}`, ...logins, ...flags)
      try {
        const copy = ['skopeo', 'copy', '--insecure-policy', '--quiet', '--dest-tls-verify=false']
        const to = `docker://${server.host}/public/app:1`
        await assert.rejects(ok([...copy, `docker-archive:${tarball}`, to]), /unauthorized|authentication/)
        await ok([...copy, '--dest-creds=ann:secret', `docker-archive:${tarball}`, to])
        // Anybody may pull this one.
        await ok(['skopeo', 'inspect', '--tls-verify=false', to])
        const inner = `docker://${server.host}/team/app:1`
        await ok([...copy, '--dest-creds=ann:secret', '--src-tls-verify=false', to, inner])
        await assert.rejects(ok(['skopeo', 'inspect', '--tls-verify=false', inner]))
        await ok(['skopeo', 'inspect', '--tls-verify=false', '--creds=bob:his', inner])
      } finally {
        await server.stop()
      }
    }
  })
})

describe('limits', () => {
  test('read-only, sizes, slow clients, connections', async () => {
    const data = randomBytes(2000)
    const first = await RegistryServer.start(
      `--storage=${place('limits')}`,
      '--max-blob-size=1k',
      '--client-timeout=1s',
      '--max-connections=2',
    )
    const port = Number(new URL(first.url).port)
    assert.equal(await putBlob(first, 'a', { data, digest: digestOf(data) }), 413)
    const small = data.subarray(0, 500)
    assert.equal(await putBlob(first, 'a', { data: small, digest: digestOf(small) }), 201)

    const talk = (text: string) => {
      const socket = createConnection(port, '127.0.0.1')
      const started = performance.now()
      socket.on('error', () => {})
      socket.write(text)
      const over = new Promise<number>((resolve) =>
        socket.once('close', () => resolve(performance.now() - started)),
      )
      socket.resume()
      return { socket, over }
    }
    // Nothing at all; a header that never ends; a body that trickles.
    for (const text of ['', 'GET /v2/ HTTP/1.1\r\nHost: x\r\nX-Slow: ']) {
      const ms = await talk(text).over
      assert.ok(ms > 500 && ms < 5000, `${JSON.stringify(text)}: ${ms} ms`)
    }
    const begun = await get(`${first.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    const upload = new URL(begun.headers.get('location') ?? '', first.url).pathname
    const trickle = talk(`PATCH ${upload} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n`)
    const drops = setInterval(() => trickle.socket.write('x'), 100)
    const ms = await trickle.over
    clearInterval(drops)
    assert.ok(ms > 900 && ms < 5000, `${ms} ms`)

    const busy = [talk('GET /v2/'), talk('GET /v2/')]
    await sleep(100)
    await assert.rejects(get(`${first.url}/v2/`))
    for (const { socket } of busy) socket.destroy()
    await eventually(async () => {
      const { text } = await get(`${first.url}/metrics`)
      assert.match(text, /^gantry_registry_refused_connections_total [1-9]/m)
      assert.match(text, /^gantry_registry_slow_clients_total 1$/m)
    })
    await first.stop()

    const second = await first.again('--read-only')
    const get405 = await get(`${second.url}/v2/a/blobs/uploads/`, { method: 'POST' })
    assert.equal(get405.status, 405)
    assert.match(get405.text, /"UNSUPPORTED","message":"this registry is read-only/)
    assert.equal((await get(`${second.url}/v2/a/blobs/${digestOf(small)}`)).status, 200)
    await second.stop()
  })

  test('a client that takes nothing is cut off', async () => {
    const server = await RegistryServer.start(`--storage=${place('large')}`, '--client-timeout=1s')
    try {
      // More than the kernel keeps for a connection.
      const data = randomBytes(40 << 20)
      assert.equal(await putBlob(server, 'a', { data, digest: digestOf(data) }), 201)
      const socket = createConnection(Number(new URL(server.url).port), '127.0.0.1')
      socket.on('error', () => {})
      socket.write(`GET /v2/a/blobs/${digestOf(data)} HTTP/1.1\r\nHost: x\r\n\r\n`)
      await eventually(async () => {
        const { text } = await get(`${server.url}/metrics`)
        assert.match(text, /^gantry_registry_slow_clients_total 1$/m)
      })
      socket.destroy()
    } finally {
      await server.stop()
    }
  })
})

test('a configuration file, client certificates, metrics elsewhere, tokens of another server', async () => {
  const run = (line: string) => execFileSync('openssl', line.split(' '), { cwd: home, stdio: 'pipe' })
  const keys = '-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2'
  run(`req -x509 ${keys} -subj /CN=authority -keyout own-ca.key -out own-ca.crt`)
  for (const name of ['server', 'client']) {
    run(`req ${keys} -subj /CN=127.0.0.1 -keyout own-${name}.key -out own-${name}.csr`)
    const extension = file(`own-${name}.ext`, 'subjectAltName=IP:127.0.0.1\n')
    run(
      `x509 -req -in own-${name}.csr -CA own-ca.crt -CAkey own-ca.key -CAcreateserial -days 2 -extfile ${extension} -out own-${name}.crt`,
    )
  }
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const config = {
    storage: place('configured'),
    'tls-cert': place('own-server.crt'),
    'tls-key': place('own-server.key'),
    'tls-client-ca': place('own-ca.crt'),
    'metrics-listen': `127.0.0.1:${await freePort()}`,
    'token-keys': file('token-keys.pem', publicKey.export({ type: 'spki', format: 'pem' }).toString()),
    'token-realm': 'https://auth.test/token',
    'token-issuer': 'auth.test',
  }
  const server = await RegistryServer.start(`--config=${file('registry.json', JSON.stringify(config))}`)
  try {
    const read = (name: string) => readFileSync(place(name))
    const client = { cert: read('own-client.crt'), key: read('own-client.key') }
    /** Status and challenge, or why there is no answer. */
    const ask = (path: string, o: { identified?: boolean; token?: string }) =>
      new Promise<string>((resolve) => {
        const headers = o.token === undefined ? {} : { authorization: `Bearer ${o.token}` }
        const tls = { ca: read('own-ca.crt'), ...(o.identified && client) }
        const call = request(`${server.url}${path}`, { ...tls, headers, agent: false }, (answer) => {
          answer.resume()
          resolve(`${answer.statusCode} ${answer.headers['www-authenticate'] ?? ''}`)
        })
        call.on('error', () => resolve('refused'))
        call.end()
      })
    assert.equal(await ask('/v2/', {}), 'refused')
    assert.equal(
      await ask('/v2/', { identified: true }),
      '401 Bearer realm="https://auth.test/token",service="gantry-registry"',
    )
    const claims = { access: [{ type: 'repository', name: 'a', actions: ['pull'] }] }
    const token = await new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256' })
      .setIssuer('auth.test')
      .setAudience('gantry-registry')
      .setExpirationTime('1m')
      .sign(privateKey)
    assert.match(await ask('/v2/', { identified: true, token }), /^200 /)
    assert.match(await ask('/v2/a/tags/list', { identified: true, token }), /^404 /)
    assert.match(await ask('/v2/b/tags/list', { identified: true, token }), /insufficient_scope/)
    assert.match(await ask('/metrics', { identified: true, token }), /^404 /)
    const { text } = await get(`http://${config['metrics-listen']}/metrics`)
    assert.match(text, /^gantry_registry_requests_total\{method="GET",target="base",status="200"\} 1$/m)
  } finally {
    await server.stop()
  }
})
