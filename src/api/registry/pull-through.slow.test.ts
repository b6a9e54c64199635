import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer, request as ask, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import {
  collect,
  evict,
  FilesStorage,
  PullThrough,
  Registry,
  type PullThroughSettings,
} from '../../distribution/index.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { RegistryApi } from './server.ts'
import { TestServer, types } from './testing.ts'

const op = background(silentLogger)
const noProxies = { http: '', https: '', no: '' }
/** In place of the upstream's answer; undefined: that is passed on. */
type Fault = (
  request: IncomingMessage,
  response: ServerResponse,
) => 'answered' | { cutAfter: number } | 'silence' | undefined

/** An upstream that can be asked what it was asked, and told to fail. */
async function startUpstream(t: TestContext) {
  const upstream = await TestServer.start()
  const state = {
    asked: [] as { line: string; headers: IncomingMessage['headers'] }[],
    fault: (() => undefined) as Fault,
  }
  const proxy = createServer((request, response) => {
    state.asked.push({ line: `${request.method} ${request.url}`, headers: request.headers })
    const fault = state.fault(request, response)
    if (fault === 'answered' || fault === 'silence') return
    const onward = ask(new URL(request.url ?? '', upstream.url), {
      method: request.method,
      headers: request.headers,
    })
    onward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      if (fault === undefined) return void answer.pipe(response)
      answer.once('data', (chunk: Buffer) =>
        response.write(chunk.subarray(0, fault.cutAfter), () => response.destroy()),
      )
    })
    request.pipe(onward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  t.after(async () => {
    proxy.closeAllConnections()
    await new Promise((resolve) => proxy.close(resolve))
    await upstream[Symbol.asyncDispose]()
  })
  return { upstream, state, host: `127.0.0.1:${(proxy.address() as AddressInfo).port}` }
}

async function startCache(
  t: TestContext,
  settings: Partial<PullThroughSettings> & Pick<PullThroughSettings, 'upstreams'>,
  graceMs = 0,
) {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-cache-'))
  const registry = await Registry.open({
    storage: await FilesStorage.open(directory),
    spool: join(directory, 'uploads'),
    graceMs,
    pullThrough: await PullThrough.open({
      settings: { maxBytes: undefined, maxUnused: undefined, ...settings },
      directory: join(directory, 'downloads'),
      maxBlobSize: 5 << 20,
      proxies: noProxies,
      log: silentLogger,
    }),
  })
  const api = new RegistryApi({ registry, log: silentLogger })
  const server = createServer(api.listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  t.after(async () => {
    await api.stop()
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
    await registry[Symbol.asyncDispose]()
    rmSync(directory, { recursive: true })
  })
  const get = (path: string, headers: Record<string, string> = {}) => fetch(`${url}/v2/${path}`, { headers })
  const head = (path: string) => fetch(`${url}/v2/${path}`, { method: 'HEAD' })
  return { registry, directory, url, get, head }
}

const upstreamAt = (registry: string, o: object = {}) => ({
  prefix: '',
  registry,
  path: '',
  insecure: false,
  login: undefined,
  fresh: 60_000,
  ...o,
})

async function start(
  t: TestContext,
  o: { upstream?: object; settings?: Partial<PullThroughSettings>; graceMs?: number } = {},
) {
  const { upstream, state, host } = await startUpstream(t)
  const cache = await startCache(t, { ...o.settings, upstreams: [upstreamAt(host, o.upstream)] }, o.graceMs)
  return { upstream, state, ...cache, host }
}

describe('a copy of another registry', () => {
  test('is fetched once, and then served without asking', async (t) => {
    const { upstream, state, get, head } = await start(t)
    const layer = randomBytes(300_000).toString('hex')
    const image = await upstream.pushImage('library/app', 'v1', { layers: [layer] })
    for (let round = 0; round < 2; round++) {
      assert.equal(
        (await head('library/app/manifests/v1')).headers.get('docker-content-digest'),
        image.digest,
      )
      const manifest = await get('library/app/manifests/v1')
      const text = await manifest.text()
      assert.equal(text, image.text)
      const { layers } = JSON.parse(text) as { layers: { digest: string }[] }
      const blob = await get(`library/app/blobs/${layers[0]?.digest}`)
      assert.equal(await blob.text(), layer)
      assert.equal((await head(`library/app/blobs/${layers[0]?.digest}`)).status, 200)
      const part = await get(`library/app/blobs/${layers[0]?.digest}`, { Range: 'bytes=100-199' })
      assert.equal(await part.text(), layer.slice(100, 200))
      if (round === 0) state.asked.length = 0
    }
    assert.deepEqual(state.asked, [])
  })

  test('comes once for all who want it at the same time, whoever leaves, and never passes their credentials on', async (t) => {
    const { upstream, state, get, directory } = await start(t)
    const data = randomBytes(4 << 20)
    const { digest } = await upstream.pushBlob('app', data)
    const blob = `app/blobs/${digest}`
    const leaving = new AbortController()
    const gone = fetch(`${(await get('')).url}${blob}`, { signal: leaving.signal }).then(
      () => leaving.abort(),
      () => {},
    )
    const authorization = { Authorization: 'Basic c2VjcmV0OnNlY3JldA==' }
    const all = await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const range = { Range: `bytes=${index * 1000}-` }
        const answer = await get(blob, { ...authorization, ...(index > 0 && range) })
        return Buffer.from(await answer.arrayBuffer()).equals(data.subarray(index * 1000))
      }),
    )
    await gone
    assert.deepEqual(
      all,
      Array.from({ length: 8 }, () => true),
    )
    assert.equal(state.asked.filter(({ line }) => line === `GET /v2/${blob}`).length, 1)
    assert(state.asked.every(({ headers }) => headers.authorization === undefined))
    while (readdirSync(join(directory, 'downloads')).length > 0) await sleep(10)
  })

  test('goes on where a connection broke', async (t) => {
    const { upstream, state, get } = await start(t)
    const data = randomBytes(1 << 20)
    const { digest } = await upstream.pushBlob('app', data)
    let breaks = 2
    state.fault = (request) =>
      request.method === 'GET' && request.url?.includes('/blobs/') && breaks-- > 0
        ? { cutAfter: 10_000 }
        : undefined
    const answer = await get(`app/blobs/${digest}`)
    assert(Buffer.from(await answer.arrayBuffer()).equals(data))
  })

  test('is not made of wrong bytes: they are given to nobody whole, and not kept', async (t) => {
    const { upstream, state, get, registry, directory } = await start(t)
    const data = randomBytes(100_000)
    const { digest } = await upstream.pushBlob('app', data)
    const image = await upstream.pushImage('app', 'v1')
    state.fault = (request, response) => {
      if (request.method !== 'GET' || request.url === '/v2/') return undefined
      response.writeHead(200, { 'Content-Type': types.manifest, 'Content-Length': data.length })
      response.end(randomBytes(data.length))
      return 'answered'
    }
    const answer = await get(`app/blobs/${digest}`)
    await assert.rejects(answer.arrayBuffer())
    assert.equal((await get(`app/manifests/${image.digest}`)).status, 503)
    const keys = await Array.fromAsync(registry.storage.list(op, ''))
    assert.deepEqual(keys, [])
    assert.deepEqual(readdirSync(join(directory, 'downloads')), [])
  })

  test('asks for a tag again when it is not fresh any more, and serves an older one while nobody answers', async (t) => {
    const { upstream, state, get, head } = await start(t, { upstream: { fresh: 0 } })
    const first = await upstream.pushImage('app', 'v1', { layers: ['one'] })
    assert.equal(await (await get('app/manifests/v1')).text(), first.text)
    const second = await upstream.pushImage('app', 'v1', { layers: ['two'] })
    assert.equal(await (await get('app/manifests/v1')).text(), second.text)
    assert.equal((await head('app/manifests/v1')).headers.get('warning'), null)
    state.fault = (_, response) => {
      response.writeHead(503).end()
      return 'answered'
    }
    const stale = await get('app/manifests/v1')
    assert.equal(await stale.text(), second.text)
    assert.equal(stale.headers.get('warning'), '299 - "Response is Stale"')
    assert.deepEqual(await (await get('app/tags/list')).json(), { name: 'app', tags: ['v1'] })
    state.asked.length = 0
    await get('app/manifests/v1')
    assert.deepEqual(state.asked, [], 'an upstream that does not answer is left alone for a while')
    assert.equal((await get('app/manifests/other')).status, 503)
    state.fault = () => undefined
    assert.equal((await get('app/manifests/v2')).status, 404)
    await upstream.ask('DELETE', '/v2/app/manifests/v1')
    assert.equal((await get('app/manifests/v1')).status, 404, 'what went there goes here')
  })

  test('lists the referrers that are there, by the API or by their tag', async (t) => {
    const { upstream, get, state } = await start(t)
    const { digest, mediaType, size } = await upstream.pushImage('app', 'v1')
    const subject = { digest, mediaType, size }
    const signature = await upstream.pushImage('app', undefined, {
      more: { subject, artifactType: 'application/x.signature' },
    })
    const listed = async () => {
      const answer = await get(`app/referrers/${digest}?artifactType=application/x.signature`)
      return ((await answer.json()) as { manifests: { digest: string }[] }).manifests.map((one) => one.digest)
    }
    assert.deepEqual(await listed(), [signature.digest])
    assert.equal((await get(`app/manifests/${signature.digest}`)).status, 200)
    // An upstream of before the API, with the list in a tag.
    const index = {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [{ ...subject, artifactType: 'application/x.signature' }],
    }
    await upstream.pushManifest('app', digest.replace(':', '-'), index, types.index)
    state.fault = (request, response) => {
      if (!request.url?.includes('/referrers/')) return undefined
      response.writeHead(404).end()
      return 'answered'
    }
    assert.deepEqual(await listed(), [digest])
    state.fault = (_, response) => {
      response.writeHead(503).end()
      return 'answered'
    }
    assert.deepEqual(await listed(), [signature.digest], 'that of the manifest that was pulled')
  })

  test('lists the tags that are there, refuses pushes, and knows nothing that is not there', async (t) => {
    const { upstream, get, url } = await start(t)
    await upstream.pushImage('app', 'v1')
    await upstream.pushImage('app', 'v2')
    assert.deepEqual(await (await get('app/tags/list')).json(), { name: 'app', tags: ['v1', 'v2'] })
    assert.equal((await get(`app/blobs/sha256:${'0'.repeat(64)}`)).status, 404)
    assert.equal((await get('nothing/manifests/v1')).status, 404)
    const pushes = [
      fetch(`${url}/v2/app/blobs/uploads/`, { method: 'POST' }),
      fetch(`${url}/v2/app/manifests/v3`, {
        method: 'PUT',
        body: '{}',
        headers: { 'Content-Type': types.manifest },
      }),
    ]
    for (const push of await Promise.all(pushes)) {
      assert.equal(push.status, 405)
      assert.match(await push.text(), /app is a copy of 127\.0\.0\.1:\d+\/app: it takes no pushes/)
    }
  })

  test('has names by prefix, beside repositories of our own, and gives no blob that its upstream has not', async (t) => {
    const { upstream, host } = await startUpstream(t)
    const cache = await startCache(t, {
      upstreams: [upstreamAt(host, { prefix: 'mirror', path: 'library' })],
    })
    const image = await upstream.pushImage('library/app', 'v1')
    assert.equal(await (await cache.get('mirror/app/manifests/v1')).text(), image.text)
    const own = new URL(
      (await fetch(`${cache.url}/v2/own/blobs/uploads/`, { method: 'POST' })).headers.get('location') ?? '',
      cache.url,
    )
    const secret = 'our own'
    const { digest } = await upstream.pushBlob('else/where', secret)
    own.searchParams.set('digest', digest)
    assert.equal((await fetch(own, { method: 'PUT', body: secret })).status, 201)
    assert.equal((await cache.get(`mirror/app/blobs/${digest}`)).status, 404)
    await upstream.pushBlob('library/app', secret)
    assert.equal(await (await cache.get(`mirror/app/blobs/${digest}`)).text(), secret)
  })

  test('is what the upstream has, while copies come and go all the time', async (t) => {
    const { upstream, get, registry, state } = await start(t, {
      settings: { maxBytes: 200_000 },
      upstream: { fresh: 0 },
      graceMs: 150,
    })
    const names = ['a', 'b']
    const images = new Map<string, string>()
    const layers = Array.from({ length: 6 }, () => randomBytes(30_000).toString('hex'))
    for (const name of names)
      for (let tag = 0; tag < 3; tag++) {
        const { text } = await upstream.pushImage(name, `v${tag}`, { layers: layers.slice(tag, tag + 4) })
        images.set(`${name} v${tag}`, text)
      }
    const begun = Date.now()
    const figures = { pulls: 0, evicted: 0, removed: 0 }
    const isEnough = () => figures.pulls > 5 && figures.evicted > 0 && figures.removed > 0
    const isOver = () => Date.now() > begun + (isEnough() ? 2000 : 15_000)
    const client = async () => {
      while (!isOver()) {
        const [key = '', text = ''] = [...images][Math.floor(Math.random() * images.size)] ?? []
        const [name, tag] = key.split(' ')
        const manifest = await get(`${name}/manifests/${tag}`)
        assert.equal(await manifest.text(), text)
        const found = JSON.parse(text) as { layers: { digest: string; size: number }[] }
        await Promise.all(
          found.layers.map(async (layer) => {
            const blob = await get(`${name}/blobs/${layer.digest}`)
            assert.equal(blob.status, 200)
            assert(layers.includes(await blob.text()))
          }),
        )
        figures.pulls++
      }
    }
    const cleaner = async () => {
      while (!isOver()) {
        figures.evicted += (await evict(op, registry))?.copiesRemoved ?? 0
        figures.removed += (await collect(op, registry, { uploadAgeMs: 60_000 })).blobsRemoved
        await sleep(20)
      }
    }
    await Promise.all([client(), client(), client(), cleaner()])
    t.diagnostic(`${JSON.stringify(figures)}, the upstream was asked ${state.asked.length} times`)
    assert(isEnough())
  })

  test('is not larger than this registry allows', async (t) => {
    const { upstream, get } = await start(t)
    const { digest } = await upstream.pushBlob('app', Buffer.alloc((5 << 20) + 1))
    const refused = await get(`app/blobs/${digest}`)
    assert.equal(refused.status, 503)
    assert.match(await refused.text(), /more than the 5242880 bytes allowed here/)
  })

  test('goes by its last use when copies need too much', async (t) => {
    const { upstream, get, registry, state } = await start(t, { settings: { maxBytes: 250_000 } })
    const digests: string[] = []
    for (let count = 0; count < 4; count++) {
      const { digest } = await upstream.pushBlob('app', randomBytes(100_000))
      digests.push(digest)
      await (await get(`app/blobs/${digest}`)).arrayBuffer()
      await sleep(5)
    }
    assert.equal((await collect(op, registry, { uploadAgeMs: 1000 })).blobsRemoved, 0)
    await sleep(1000)
    await (await get(`app/blobs/${digests[0]}`)).arrayBuffer()
    await sleep(5)
    const evicted = await evict(op, registry)
    assert.deepEqual(evicted, { copies: 4, bytes: 400_000, copiesRemoved: 2, bytesRemoved: 200_000 })
    assert.equal((await collect(op, registry, { uploadAgeMs: 1000 })).bytesRemoved, 200_000)
    state.asked.length = 0
    for (const index of [0, 3]) await (await get(`app/blobs/${digests[index]}`)).arrayBuffer()
    assert.deepEqual(state.asked, [])
    assert.equal((await get(`app/blobs/${digests[1]}`)).status, 200)
    assert.notDeepEqual(state.asked, [])
  })
})
