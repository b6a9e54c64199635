import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { TestServer } from './testing.ts'

let server: TestServer
before(async () => void (server = await TestServer.start({ limits: { maxBlobSize: 4 << 20 } })))
after(() => server[Symbol.asyncDispose]())

const spooled = () => readdirSync(join(server.directory, 'uploads'))

/** A request as it stands, and what comes back until the server closes the connection, or until `enough` of it has come. */
async function raw(request: string, o: { cut?: boolean; enough?: RegExp } = {}): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const sent = new Promise((done) => socket.write(request, done))
  if (o.cut) {
    // Time to read it, counted from when it has left: connecting alone may take longer on a busy machine.
    await sent
    setTimeout(() => socket.destroy(), 30)
    return ''
  }
  let answer = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    answer += chunk.toString()
    if (o.enough?.test(answer)) break
  }
  return answer
}

test('32 clients push the same image and others at the same time', async () => {
  const shared = randomBytes(300_000)
  await Promise.all(
    Array.from({ length: 32 }, async (_, client) => {
      const name = `busy/${client % 8}`
      const own = await server.pushBlob(name, randomBytes(50_000 + client))
      const layer = await server.pushBlob(name, shared)
      const config = await server.pushBlob(name, `{"client":${client % 4}}`)
      const document = { schemaVersion: 2, config, layers: [layer, own] }
      const pushed = await server.pushManifest(name, `v${client}`, document)
      assert.equal(pushed.response.status, 201, await pushed.response.text())
    }),
  )
  for (let client = 0; client < 32; client++) {
    const response = await server.ask('GET', `/v2/busy/${client % 8}/manifests/v${client}`)
    assert.equal(response.status, 200)
  }
  const digest = digestOf(shared)
  const found = await (await server.ask('GET', `/v2/busy/3/blobs/${digest}`)).bytes()
  assert(shared.equals(found))
  assert.deepEqual(spooled(), [])
})

test('a tag that many push to at the same time points to one of theirs', async () => {
  const pushes = Array.from({ length: 16 }, (_, n) =>
    server.pushImage('race', 'v1', { layers: [`layer ${n}`] }),
  )
  const digests = (await Promise.all(pushes)).map((pushed) => pushed.digest)
  const response = await server.ask('GET', '/v2/race/manifests/v1')
  assert(digests.includes(response.headers.get('docker-content-digest') ?? ''))
})

test('deletions and pushes of one manifest at the same time leave no tag that points to nothing', async () => {
  for (let round = 0; round < 10; round++) {
    const { digest } = await server.pushImage('churn', 'v1')
    await Promise.all([
      server.ask('DELETE', `/v2/churn/manifests/${digest}`),
      server.pushImage('churn', `v${round}`),
      server.pushImage('churn', 'v1'),
    ])
    const { tags } = (await (await server.ask('GET', '/v2/churn/tags/list')).json()) as { tags: string[] }
    for (const tag of tags)
      assert.equal((await server.ask('GET', `/v2/churn/manifests/${tag}`)).status, 200, tag)
  }
})

test('a blob over the limit is refused with 413, in one piece or in chunks, and nothing is left', async () => {
  const data = randomBytes((4 << 20) + 1)
  const path = `/v2/large/blobs/uploads/?digest=${digestOf(data)}`
  assert.equal((await server.ask('POST', path, { body: data })).status, 413)
  const begun = await server.ask('POST', '/v2/large/blobs/uploads/')
  const location = begun.headers.get('location') ?? ''
  assert.equal((await server.ask('PATCH', location, { body: data.subarray(0, 4 << 20) })).status, 202)
  assert.equal((await server.ask('PATCH', location, { body: 'x' })).status, 413)
  assert.equal((await server.ask('GET', location)).status, 404)
  const exact = data.subarray(0, 4 << 20)
  await server.pushBlob('large', exact)
  assert.deepEqual(spooled(), [])
})

test('more manifests at the same time than there is memory for are put off', async () => {
  await using small = await TestServer.start({ limits: { maxManifestMemory: 1000 } })
  const head = 'PUT /v2/x/manifests/v1 HTTP/1.1\r\nHost: x\r\n'
  const port = Number(new URL(small.url).port)
  const slow = connect(port, '127.0.0.1')
  slow.write(`${head}Content-Length: 900\r\n\r\n{`)
  await new Promise((resolve) => setTimeout(resolve, 30))
  const refused = await small.ask('PUT', '/v2/x/manifests/v1', { body: 'x'.repeat(200) })
  assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '1'])
  assert.match(await refused.text(), /TOOMANYREQUESTS/)
  slow.destroy()
  await new Promise((resolve) => setTimeout(resolve, 30))
  assert.equal((await small.ask('PUT', '/v2/x/manifests/v1', { body: 'x'.repeat(200) })).status, 400)
})

test('an upload whose connection breaks goes on where it broke', async () => {
  const begun = await server.ask('POST', '/v2/broken/blobs/uploads/')
  const location = begun.headers.get('location') ?? ''
  await raw(`PATCH ${location} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nfirst part, `, { cut: true })
  let size = 0
  for (let attempt = 0; attempt < 100 && size !== 12; attempt++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    const status = await server.ask('GET', location)
    size = Number(status.headers.get('range')?.slice(2)) + 1
  }
  assert.equal(size, 12)
  const whole = 'first part, second part'
  const put = await server.ask('PUT', `${location}?digest=${digestOf(whole)}`, {
    body: 'second part',
    headers: { 'Content-Range': '12-22' },
  })
  assert.equal(put.status, 201)
})

test('a manifest whose connection breaks is no manifest', async () => {
  const { text: body } = await server.pushImage('half', 'v1')
  await raw(
    `PUT /v2/half/manifests/v2 HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body.slice(0, -1)}`,
    { cut: true },
  )
  await new Promise((resolve) => setTimeout(resolve, 60))
  assert.equal((await server.ask('GET', '/v2/half/manifests/v2')).status, 404)
})

test('a client that is refused before it has sent all sees the answer', async () => {
  const answer = await raw(
    `PUT /v2/x/manifests/v1 HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n${'x'.repeat(200_000)}`,
    { enough: /\}\n$/ },
  )
  assert.match(answer, /^HTTP\/1\.1 413 /)
  assert.match(answer, /SIZE_INVALID/)
})

test('so does one whose blob is too large', async () => {
  const head = `POST /v2/x/blobs/uploads/?digest=${digestOf('x')} HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n`
  const answer = await raw(head + 'x'.repeat(6 << 20), { enough: /\}\n$/ })
  assert.match(answer, /^HTTP\/1\.1 413 /)
  assert.match(answer, /SIZE_INVALID/)
  assert.deepEqual(spooled(), [])
})

test('paths that lead out of the registry lead nowhere', async () => {
  for (const path of [
    '/v2/../../etc/passwd',
    '/v2/a/../../b/manifests/x',
    '/v2/a/manifests/..',
    '/v2/a/manifests/..%2f..%2fx',
    '/v2/%2e%2e/%2e%2e/manifests/x',
    '/v2/a%00b/manifests/x',
    '/v2/a/blobs/..%2f..%2fsha256:x',
    '/v2/a/tags/list/../../../x',
    `/v2/a/blobs/sha256:${'../'.repeat(21)}x`,
    '/v2//manifests/x',
    '/v2/a/_tags/v1',
    'http://elsewhere/v2/a/manifests/x',
    'http://elsewhere',
    '*',
    '//v2/',
  ]) {
    const answer = await raw(`GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
    assert.match(answer, /^HTTP\/1\.1 40[04] /, path)
  }
})

test('an endless query, and one with everything in it, do no harm', async () => {
  const digest = digestOf('x')
  for (const path of [
    `/v2/q/tags/list?${'last=x&'.repeat(800)}`,
    `/v2/q/tags/list?last=${'x'.repeat(8000)}`,
    `/v2/q/referrers/${digest}?artifactType=${'%0d%0a'.repeat(500)}&last=../..`,
    '/v2/_catalog?last=%00%ff../../x',
  ]) {
    const { status } = await server.ask('GET', path)
    assert([200, 404].includes(status), `${path.slice(0, 50)}: ${status}`)
  }
})
