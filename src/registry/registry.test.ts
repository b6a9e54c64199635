import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { digestOf } from '../lib/digest.ts'
import { createLogger, silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import type { AuthConfig } from '../wire/registry.ts'
import { parseChallenge } from './challenge.ts'
import { plainSettings, Registries, RegistryError, type RegistrySettings } from './index.ts'
import { errorOfSocket } from './errors.ts'
import { inNetwork, proxyFor } from './proxy.ts'
import { fail, TestRegistry } from './testing.ts'

const op = background(silentLogger)
const ociManifest = 'application/vnd.oci.image.manifest.v1+json'

function registriesFor(more: Partial<RegistrySettings> = {}) {
  return new Registries({ ...plainSettings, certsDirs: [], attempts: 3, pauseMs: 1, ...more })
}

async function open(
  registry: TestRegistry,
  o: {
    path?: string
    auth?: AuthConfig
    access?: 'pull' | 'push'
    settings?: Partial<RegistrySettings>
  } = {},
) {
  const { path = 'a/b', auth, access = 'pull', settings } = o
  return await registriesFor(settings).repository(op, { domain: registry.host, path, auth, access })
}

test('challenges are read as RFC 7235 writes them', () => {
  assert.deepEqual(
    parseChallenge('Bearer realm="https://a/t",service="s, t",scope="repository:a:pull,push"'),
    {
      scheme: 'bearer',
      realm: 'https://a/t',
      service: 's, t',
      scope: 'repository:a:pull,push',
    },
  )
  assert.deepEqual(parseChallenge('Negotiate, Basic realm=x'), { scheme: 'basic' })
  assert.equal(parseChallenge('Basic realm="x", Bearer realm="https://t"')?.scheme, 'bearer')
  for (const text of [undefined, '', 'Digest realm="x"', 'Bearer service="s"'])
    assert.equal(parseChallenge(text), undefined, String(text))
})

test('proxies are used as Go uses them', () => {
  const proxies = { http: 'http://p:1', https: 'p:2', no: 'a.test, .b.test,10.0.0.0/8,c.test:5000,*.d.test' }
  const via = (url: string) => proxyFor(new URL(url), proxies)
  assert.equal(via('http://x.test/'), 'http://p:1')
  assert.equal(via('https://x.test/'), 'http://p:2')
  for (const direct of [
    'http://a.test/',
    'http://sub.a.test/',
    'http://x.b.test',
    'http://10.1.2.3/',
    'http://c.test:5000/',
    'https://y.d.test/',
    'http://localhost:5000/',
    'http://[::1]:5000/',
  ])
    assert.equal(via(direct), undefined, direct)
  for (const proxied of ['http://b.test/', 'http://c.test/', 'http://nota.test/', 'http://11.0.0.1/'])
    assert.notEqual(via(proxied), undefined, proxied)
  assert.equal(proxyFor(new URL('http://x/'), { ...proxies, no: '*' }), undefined)
  assert(
    inNetwork('fd00::1', 'fd00::/8') && !inNetwork('10.0.0.1', 'fd00::/8') && !inNetwork('x', '10.0.0.0/8'),
  )
})

test('a download goes on where it broke off, also from a registry without ranges', async () => {
  await using registry = await TestRegistry.start()
  const data = randomBytes(300_000)
  const blob = registry.addBlob('a/b', data)
  let cuts = 0
  registry.faults.push(({ method, url }) =>
    method === 'GET' && url.includes('/blobs/') && cuts++ < 4 ? { cutAfter: 70_000 } : undefined,
  )
  const repository = await open(registry)
  const news: number[] = []
  const progress = { retrying: (ms: number) => news.push(ms) }
  const parts: Buffer[] = []
  const write = (chunk: Buffer) => {
    parts.push(Buffer.from(chunk))
    return parts.length % 2 === 0 ? Promise.resolve() : undefined
  }
  await repository.fetch(op, blob, { write, progress })
  assert.deepEqual(Buffer.concat(parts), data)
  assert.equal(news.length, 4)
  assert.equal(registry.asked.at(-1)?.headers.range, 'bytes=280000-')
  cuts = 3
  registry.ranges = false
  assert.deepEqual(await buffer(repository.blob(op, blob)), data)
})

test('what the reader of a download throws ends it, and is not tried again', async () => {
  await using registry = await TestRegistry.start()
  const blob = registry.addBlob('a/b', randomBytes(300_000))
  const repository = await open(registry)
  const full = new RegistryError('unavailable', 'no room for more')
  const refuse = () => {
    throw full
  }
  await assert.rejects(repository.fetch(op, blob, { write: refuse }), full)
  await assert.rejects(repository.fetch(op, blob, { write: () => Promise.reject(full) }), full)
  assert.equal(registry.count(/^GET .*blobs/), 2)
})

test('a blob that is cut off for good, too long, or never there fails with its reason', async () => {
  await using registry = await TestRegistry.start()
  const blob = registry.addBlob('a/b', randomBytes(1000))
  const repository = await open(registry)
  registry.faults.push(({ method, url }) =>
    method === 'GET' && url.includes('/blobs/') ? { cutAfter: 0 } : undefined,
  )
  await assert.rejects(buffer(repository.blob(op, blob)), { kind: 'unavailable' })
  assert.equal(registry.count(/^GET .*blobs/), 3)
  registry.faults[0] = () => ({ instead: randomBytes(1001) })
  await assert.rejects(buffer(repository.blob(op, blob)), {
    kind: 'invalid',
    message: /longer than the 1000 bytes/,
  })
  registry.faults.length = 0
  const nowhere = { digest: digestOf('x'), size: 1 }
  await assert.rejects(buffer(repository.blob(op, nowhere)), { kind: 'not-found', message: /blob unknown/ })
  const controller = new AbortController()
  const cancelled: Op = { ...op, signal: controller.signal }
  registry.faults.push(() => (controller.abort(), 'answered'))
  await assert.rejects(buffer(repository.blob(cancelled, blob)), { name: 'AbortError' })
})

test('a registry that wants a password where there is none is told in docker’s words', async () => {
  await using registry = await TestRegistry.start({ auth: 'basic', users: { ann: 'x' } })
  for (const auth of [undefined, { username: '', password: '' }]) {
    const repository = await open(registry, auth ? { auth } : {})
    await assert.rejects(repository.manifest(op, 'v1'), {
      kind: 'unauthorized',
      message: `Get "http://${registry.host}/v2/a/b/manifests/v1": no basic auth credentials`,
    })
  }
})

test('basic and bearer: the right credentials are let in, tokens are kept and renewed', async () => {
  const users = { ann: 'pass:word' }
  const auth = { username: 'ann', password: 'pass:word' }
  for (const scheme of ['basic', 'bearer'] as const) {
    await using registry = await TestRegistry.start({ auth: scheme, users, publicPrefix: 'public' })
    registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2, mediaType: ociManifest })
    const repository = await open(registry, { auth })
    assert.equal((await repository.manifest(op, 'v1')).mediaType, ociManifest)
    assert.equal((await repository.manifest(op, 'v1')).mediaType, ociManifest)
    assert.equal(registry.count(/token/), scheme === 'bearer' ? 1 : 0)
    // Revoked: asked for anew, once.
    registry.tokens.clear()
    await repository.manifest(op, 'v1')
    assert.equal(registry.count(/token/), scheme === 'bearer' ? 2 : 0)
    for (const wrong of [undefined, { username: 'ann', password: 'wrong-secret' }]) {
      const other = await open(registry, wrong ? { auth: wrong } : {})
      await assert.rejects(other.manifest(op, 'v1'), (error: Error & { kind?: string }) => {
        assert.equal(error.kind, 'unauthorized')
        assert.doesNotMatch(`${error.message}${error.stack}${String(error.cause)}`, /wrong-secret/)
        return true
      })
    }
  }
})

test('anonymous token holders read what is public', async () => {
  await using registry = await TestRegistry.start({
    auth: 'bearer',
    users: { ann: 'x' },
    publicPrefix: 'public/',
  })
  registry.addManifest('public/x', 'v1', ociManifest, { schemaVersion: 2 })
  registry.addManifest('private/x', 'v1', ociManifest, { schemaVersion: 2 })
  assert.ok(await (await open(registry, { path: 'public/x' })).manifest(op, 'v1'))
  await assert.rejects((await open(registry, { path: 'private/x' })).manifest(op, 'v1'), {
    kind: 'unauthorized',
  })
})

test('login: checks credentials, and takes an identity token where there is one', async () => {
  for (const auth of ['basic', 'bearer'] as const) {
    await using registry = await TestRegistry.start({ auth, users: { ann: 'secret-word' } })
    const registries = registriesFor()
    const login = (password: string) =>
      registries.login(op, { username: 'ann', password, serveraddress: registry.host })
    assert.deepEqual(await login('secret-word'), {
      Status: 'Login Succeeded',
      IdentityToken: auth === 'bearer' ? 'an-identity-token' : '',
    })
    await assert.rejects(login('another'), { kind: 'unauthorized' })
    if (auth === 'basic') continue
    // It buys tokens in place of the password, and nothing when it is wrong.
    registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
    const known = await open(registry, { auth: { identitytoken: 'an-identity-token' } })
    assert.ok(await known.manifest(op, 'v1'))
    const unknown = await open(registry, { auth: { identitytoken: 'wrong-token' } })
    await assert.rejects(unknown.manifest(op, 'v1'), { kind: 'unauthorized' })
  }
})

test('redirects are followed without credentials to other hosts, and not for ever', async () => {
  await using storage = await TestRegistry.start()
  await using registry = await TestRegistry.start({ auth: 'basic', users: { ann: 'x' } })
  const data = randomBytes(100)
  const blob = storage.addBlob('a/b', data)
  registry.addBlob('a/b', data)
  let target = `http://${storage.host}`
  registry.faults.push(({ method, url }, response) => {
    if (method !== 'GET' || !url.includes('/blobs/')) return undefined
    response.writeHead(307, { Location: `${target}${url}` }).end()
    return 'answered'
  })
  const repository = await open(registry, { auth: { username: 'ann', password: 'x' } })
  assert.deepEqual(await buffer(repository.blob(op, blob)), data)
  assert.ok(registry.asked.at(-1)?.headers.authorization)
  assert.equal(storage.asked.at(-1)?.headers.authorization, undefined)
  target = ''
  await assert.rejects(buffer(repository.blob(op, blob)), {
    kind: 'invalid',
    message: /stopped after 10 redirects/,
  })
  target = 'ftp://x'
  await assert.rejects(buffer(repository.blob(op, blob)), { kind: 'invalid', message: /redirect to ftp:/ })
})

test('trouble that passes is waited for; trouble that stays is named', async () => {
  await using registry = await TestRegistry.start()
  registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
  const repository = await open(registry)
  const answers: [number, string, Record<string, string>?][] = []
  registry.faults.push((_request, response) => {
    const next = answers.shift()
    if (!next) return undefined
    fail(response, ...next)
    return 'answered'
  })
  answers.push([503, 'UNAVAILABLE'], [429, 'TOOMANYREQUESTS', { 'Retry-After': '0' }])
  assert.ok(await repository.manifest(op, 'v1'))
  answers.push([429, 'TOOMANYREQUESTS', { 'Retry-After': '3600' }])
  await assert.rejects(repository.manifest(op, 'v1'), {
    kind: 'unavailable',
    message: /^toomanyrequests: .*asks to wait 3600 s/,
  })
  answers.push([500, 'X'], [502, 'X'], [504, 'GATEWAY'])
  await assert.rejects(repository.manifest(op, 'v1'), { kind: 'unavailable', message: /504/ })
  answers.push([403, 'DENIED'])
  await assert.rejects(repository.manifest(op, 'v1'), { kind: 'forbidden', message: /denied/ })
  assert.equal(answers.length, 0)
  await assert.rejects(repository.manifest(op, 'v2'), { kind: 'not-found', message: /manifest unknown/ })
})

test('a manifest is what its digest says, or refused', async () => {
  await using registry = await TestRegistry.start()
  const digest = registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2, mediaType: ociManifest })
  registry.manifests.get('a/b')?.set(digest, { type: ociManifest, data: Buffer.from('{}') })
  const repository = await open(registry)
  await assert.rejects(repository.manifest(op, digest), { kind: 'invalid', message: /verification failed/ })
  registry.addManifest('a/b', 'html', 'text/html', Buffer.from('<html>'))
  await assert.rejects(repository.manifest(op, 'html'), { kind: 'invalid', message: /is not understood/ })
  registry.addManifest('a/b', 'huge', ociManifest, Buffer.alloc((4 << 20) + 1, ' '))
  await assert.rejects(repository.manifest(op, 'huge'), { kind: 'invalid', message: /larger than/ })
})

test('tags come page by page, from one host', async () => {
  await using registry = await TestRegistry.start({ pageSize: 2 })
  for (const tag of ['a', 'b', 'c', 'd', 'e']) registry.addManifest('a/b', tag, ociManifest, { tag })
  const repository = await open(registry)
  assert.deepEqual(await Array.fromAsync(repository.tags(op)), ['a', 'b', 'c', 'd', 'e'])
  registry.faults.push(({ url }, response) => {
    if (!url.includes('tags/list')) return undefined
    response.writeHead(200, { Link: '<http://elsewhere.test/v2/>; rel="next"' }).end('{"tags":["x"]}')
    return 'answered'
  })
  await assert.rejects(Array.fromAsync(repository.tags(op)), { kind: 'invalid', message: /another host/ })
})

test('a blob is mounted where it can be, else sent, and sent again when that broke off', async () => {
  await using registry = await TestRegistry.start({ auth: 'bearer', users: { ann: 'x' } })
  const data = randomBytes(200_000)
  const blob = registry.addBlob('other/x', data)
  const auth = { username: 'ann', password: 'x' }
  const repository = await open(registry, { auth, access: 'push' })
  const source = () => Readable.from([data.subarray(0, 100_000), data.subarray(100_000)])
  assert.equal(await repository.hasBlob(op, blob.digest), false)
  const mounted = await repository.upload(op, { blob, from: ['none/y', 'other/x'], open: source })
  assert.deepEqual(mounted, { ...blob, mountedFrom: 'other/x' })
  assert.equal(await repository.hasBlob(op, blob.digest), true)
  assert.equal(registry.count(/^PATCH/), 0)
  registry.blobs.get('a/b')?.clear()
  registry.mounts = false
  let broken = 0
  registry.faults.push(({ method }, response) => {
    if (method !== 'PATCH' || broken++ > 0) return undefined
    response.destroy()
    return 'answered'
  })
  // The digest is not known before the end.
  assert.deepEqual(await repository.upload(op, { open: source }), blob)
  assert.deepEqual(registry.blobs.get('a/b')?.get(blob.digest), data)
  assert.equal(registry.openUploads, 0)
  const wrong = { digest: digestOf('y'), size: data.length }
  await assert.rejects(repository.upload(op, { blob: wrong, open: source }), { kind: 'invalid' })
  assert.equal(registry.openUploads, 0)
})

test('mirrors come first for Docker Hub, and whatever is wrong with them the next is asked', async () => {
  await using mirror = await TestRegistry.start()
  await using other = await TestRegistry.start()
  const manifest = { schemaVersion: 2, mediaType: ociManifest }
  other.addManifest('library/x', 'v1', ociManifest, manifest)
  const mirrors = ['http://127.0.0.1:1', `http://${mirror.host}`, `http://${other.host}`]
  // Docker Hub itself is out of reach: behind a proxy where nobody listens.
  const settings = { mirrors, proxies: { http: '', https: 'http://127.0.0.1:1', no: '' }, attempts: 1 }
  const registries = registriesFor(settings)
  const auth = { username: 'ann', password: 'secret-word' }
  const repository = await registries.repository(op, {
    domain: 'docker.io',
    path: 'library/x',
    auth,
    access: 'pull',
  })
  assert.equal((await repository.manifest(op, 'v1')).mediaType, ociManifest)
  assert.equal(mirror.count(/manifests/), 1)
  for (const { headers } of [...mirror.asked, ...other.asked]) assert.equal(headers.authorization, undefined)
})

test('offline, no socket is opened', async () => {
  await using registry = await TestRegistry.start()
  await assert.rejects(open(registry, { settings: { offline: true } }), {
    kind: 'unavailable',
    message: /offline/,
  })
  assert.equal(registry.asked.length, 0)
})

test('requests go through the proxy, with its credentials, and not with those of the registry', async () => {
  await using registry = await TestRegistry.start()
  registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
  const seen: string[] = []
  // Speaks for a host that no resolver knows.
  const proxy = createServer((request, response) => {
    seen.push(
      `${request.method} ${new URL(request.url ?? '').host} ${request.headers['proxy-authorization']}`,
    )
    const { pathname } = new URL(request.url ?? '')
    void fetch(`http://${registry.host}${pathname}`).then(async (answer) => {
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' })
      response.end(Buffer.from(await answer.arrayBuffer()))
    })
  })
  proxy.on('connect', (_request, socket) => socket.end('HTTP/1.1 502 Bad Gateway\r\n\r\n'))
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  try {
    const url = `http://user:word@127.0.0.1:${(proxy.address() as AddressInfo).port}`
    const registries = registriesFor({
      insecure: ['registry.test'],
      proxies: { http: url, https: url, no: '' },
    })
    const repository = await registries.repository(op, {
      domain: 'registry.test',
      path: 'a/b',
      auth: undefined,
      access: 'pull',
    })
    assert.ok(await repository.manifest(op, 'v1'))
    registries.close()
    assert.ok(
      seen.every((line) => line === `GET registry.test Basic ${btoa('user:word')}`),
      seen.join('\n'),
    )
  } finally {
    proxy.closeAllConnections()
    proxy.close()
  }
})

test('plain HTTP is for those that are listed, and for loopback', async () => {
  await using registry = await TestRegistry.start()
  registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
  assert.ok(await (await open(registry)).manifest(op, 'v1'))
  // The same server under an address that is not loopback's: only reachable when it may be insecure.
  const settings = { insecure: [], attempts: 1 }
  const repository = registriesFor(settings).repository(op, {
    domain: `host.invalid:${registry.port}`,
    path: 'a/b',
    auth: undefined,
    access: 'pull',
  })
  await assert.rejects(repository, { kind: 'unavailable', message: /cannot be resolved/ })
})

test('TLS: authorities and client certificates of certs.d; without them refused', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'certs-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const made = spawnSync(
    'openssl',
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout key -out cert'.split(
      ' ',
    ),
    { cwd: directory, stdio: 'ignore' },
  )
  if (made.status !== 0) return t.skip('no openssl command on PATH')
  const [cert, key] = ['cert', 'key'].map((name) => readFileSync(join(directory, name)))
  await using registry = await TestRegistry.start({
    tls: { cert, key, ca: cert, requestCert: true, rejectUnauthorized: true },
  })
  registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
  // An address that is not loopback's by its name, so that nothing is insecure by itself.
  const proxy = createServer().on('connect', (_request, socket: Socket) => {
    const on = connect(registry.port, '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    socket.pipe(on).pipe(socket)
    for (const end of [socket, on]) end.on('error', () => end.destroy())
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  const https = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const domain = 'registry.test:443'
  const read = async (settings: Partial<RegistrySettings>) => {
    const registries = registriesFor({ attempts: 1, proxies: { http: '', https, no: '' }, ...settings })
    try {
      const repository = await registries.repository(op, {
        domain,
        path: 'a/b',
        auth: undefined,
        access: 'pull',
      })
      return (await repository.manifest(op, 'v1')).mediaType
    } finally {
      registries.close()
    }
  }
  await assert.rejects(read({}), { kind: 'unavailable', message: /failed to verify certificate/ })
  const folder = join(directory, 'registry.test')
  mkdirSync(folder)
  cpSync(join(directory, 'cert'), join(folder, 'ca.crt'))
  cpSync(join(directory, 'cert'), join(folder, 'client.cert'))
  await assert.rejects(read({ certsDirs: [directory] }), {
    kind: 'invalid',
    message: /missing key client.key/,
  })
  cpSync(join(directory, 'key'), join(folder, 'client.key'))
  // The authority is known now; the name is not the certificate's.
  await assert.rejects(read({ certsDirs: [directory] }), { message: /certificate's altnames/ })
  const insecure = ['registry.test:443']
  assert.equal(await read({ certsDirs: [directory], insecure }), ociManifest)

  // For one call alone, whoever makes it may say so.
  const strict = registriesFor({ attempts: 1, proxies: { http: '', https, no: '' }, certsDirs: [directory] })
  t.after(() => strict.close())
  const once = await strict.repository(op, {
    domain,
    path: 'a/b',
    auth: undefined,
    access: 'pull',
    insecure: true,
  })
  assert.equal((await once.manifest(op, 'v1')).mediaType, ociManifest)
  await assert.rejects(strict.repository(op, { domain, path: 'a/b', auth: undefined, access: 'pull' }), {
    message: /certificate's altnames/,
  })

  // What is put there, or taken away, counts for a client that runs.
  const running = registriesFor({
    attempts: 1,
    proxies: { http: '', https, no: '' },
    certsDirs: [directory],
    insecure,
  })
  t.after(() => running.close())
  const again = async () => {
    const where = { domain, path: 'a/b', auth: undefined, access: 'pull' } as const
    return (await (await running.repository(op, where)).manifest(op, 'v1')).mediaType
  }
  for (const name of ['client.cert', 'client.key']) rmSync(join(folder, name))
  await assert.rejects(again(), { kind: 'unavailable' })
  cpSync(join(directory, 'cert'), join(folder, 'client.cert'))
  cpSync(join(directory, 'key'), join(folder, 'client.key'))
  assert.equal(await again(), ociManifest)
})

test('what the other side of TLS refuses is told without OpenSSL’s noise', () => {
  const refused = (reason: string) =>
    errorOfSocket(
      Object.assign(new Error('40738A:error:0A00045C:SSL routines:…\n'), { reason }),
      'Get "https://r"',
    )
  assert.match(
    refused('tlsv13 alert certificate required').message,
    /^Get "https:\/\/r": remote error: tls: certificate required: .*certs\.d\)$/,
  )
  assert.equal(
    refused('sslv3 alert handshake failure').message,
    'Get "https://r": remote error: tls: handshake failure',
  )
})

test('no log line has a credential or a query in it', async () => {
  const lines: string[] = []
  const log = {
    ...createLogger({ level: 'error' }),
    debug: (message: string, fields?: unknown) => void lines.push(message + JSON.stringify(fields)),
    info: (message: string, fields?: unknown) => void lines.push(message + JSON.stringify(fields)),
    warn: (message: string, fields?: unknown) => void lines.push(message + JSON.stringify(fields)),
  }
  await using registry = await TestRegistry.start({ auth: 'bearer', users: { ann: 'secret-word' } })
  registry.addManifest('a/b', 'v1', ociManifest, { schemaVersion: 2 })
  let failures = 0
  registry.faults.push((_request, response) =>
    failures++ % 2 === 0 ? (fail(response, 503, 'UNAVAILABLE'), 'answered') : undefined,
  )
  const auth = { username: 'ann', password: 'secret-word' }
  const noisy = { ...op, log }
  const repository = await registriesFor().repository(noisy, {
    domain: registry.host,
    path: 'a/b',
    auth,
    access: 'pull',
  })
  await repository.manifest(noisy, 'v1')
  assert.ok(lines.length > 0)
  for (const line of lines) assert.doesNotMatch(line, /secret-word|scope=|Bearer|Basic/)
})

test('an answer that is never finished ends by itself when the caller leaves', async () => {
  await using registry = await TestRegistry.start()
  const repository = await open(registry)
  registry.faults.push(() => 'answered')
  const controller = new AbortController()
  setImmediate(() => controller.abort())
  await assert.rejects(repository.manifest({ ...op, signal: controller.signal }, 'v1'), {
    name: 'AbortError',
  })
})
