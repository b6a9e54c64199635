/** OCI Distribution Specification 1.1, "Push": each test begins with the section and what it says there. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { TestServer, types } from './testing.ts'

let server: TestServer
before(async () => void (server = await TestServer.start()))
after(() => server[Symbol.asyncDispose]())

const uuid = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/

async function begin(name: string): Promise<string> {
  const response = await server.ask('POST', `/v2/${name}/blobs/uploads/`, {
    headers: { 'Content-Length': '0' },
  })
  assert.equal(response.status, 202)
  return response.headers.get('location') ?? ''
}

const withDigest = (location: string, digest: string) => `${location}?digest=${digest}`

function chunk(location: string, data: string, range?: string): Promise<Response> {
  const headers = { 'Content-Type': 'application/octet-stream', ...(range && { 'Content-Range': range }) }
  return server.ask('PATCH', location, { body: data, headers })
}

async function codesOf(response: Response): Promise<string[]> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return errors.map((error) => error.code)
}

describe('Pushing a blob monolithically: POST then PUT (end-4a, end-6)', () => {
  test('POST MUST be 202 with a Location, which MUST contain a UUID representing a unique session', async () => {
    const locations = await Promise.all([begin('push/post'), begin('push/post')])
    for (const location of locations) assert.match(location, uuid)
    assert.notEqual(locations[0], locations[1])
  })

  test('PUT MUST be 201 with a Location that is a pullable blob URL', async () => {
    for (const algorithm of ['sha256', 'sha512'] as const) {
      const data = randomBytes(100_000)
      const digest = digestOf(data, algorithm)
      const put = await server.ask('PUT', withDigest(await begin('push/put'), digest), { body: data })
      assert.equal(put.status, 201)
      assert.equal(put.headers.get('docker-content-digest'), digest)
      const blob = await server.ask('GET', put.headers.get('location') ?? '')
      assert.equal(blob.status, 200)
      assert(data.equals(await blob.bytes()))
    }
  })

  test('<digest> is the digest of the blob: with another one nothing is stored, and the session is over', async () => {
    const location = await begin('push/wrong')
    const digest = digestOf('promised')
    const put = await server.ask('PUT', withDigest(location, digest), { body: 'sent' })
    assert.deepEqual([put.status, await codesOf(put)], [400, ['DIGEST_INVALID']])
    assert.equal((await server.ask('GET', `/v2/push/wrong/blobs/${digest}`)).status, 404)
    assert.equal((await server.ask('GET', `/v2/push/wrong/blobs/${digestOf('sent')}`)).status, 404)
    assert.equal((await server.ask('GET', location)).status, 404)
  })

  test('a digest that is none, or none at all, is refused', async () => {
    const location = await begin('push/none')
    for (const query of ['', '?digest=', '?digest=x', `?digest=md5:${'a'.repeat(32)}`]) {
      const put = await server.ask('PUT', location + query, { body: 'x' })
      assert.deepEqual([put.status, await codesOf(put)], [400, ['DIGEST_INVALID']], query)
    }
  })

  test('a session is of its repository alone, and unknown ones are 404', async () => {
    const location = await begin('push/mine')
    const foreign = location.replace('/push/mine/', '/push/other/')
    for (const path of [foreign, '/v2/push/mine/blobs/uploads/x', location.replace(uuid, '..%2Fx')])
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const query = method === 'PUT' ? `?digest=${digestOf('x')}` : ''
        const response = await server.ask(method, path + query)
        assert.equal(response.status, 404, `${method} ${path}`)
      }
    const response = await server.ask('PATCH', foreign, { body: 'x' })
    assert.deepEqual(await codesOf(response), ['BLOB_UPLOAD_UNKNOWN'])
  })
})

describe('Pushing a blob monolithically: Single POST (end-4b)', () => {
  test('successful completion MUST be 201 with a Location that is a pullable blob URL', async () => {
    const digest = digestOf('single')
    const response = await server.ask('POST', `/v2/push/single/blobs/uploads/?digest=${digest}`, {
      body: 'single',
    })
    assert.equal(response.status, 201)
    const blob = await server.ask('GET', response.headers.get('location') ?? '')
    assert.equal(await blob.text(), 'single')
  })

  test('<digest> MUST match the digest of the blob', async () => {
    const response = await server.ask('POST', `/v2/push/single/blobs/uploads/?digest=${digestOf('x')}`, {
      body: 'y',
    })
    assert.deepEqual([response.status, await codesOf(response)], [400, ['DIGEST_INVALID']])
    assert.equal((await server.ask('GET', `/v2/push/single/blobs/${digestOf('y')}`)).status, 404)
  })
})

describe('Pushing a blob in chunks (end-5, end-6, end-13)', () => {
  test('each chunk MUST be 202 with Location and Range; closing MUST be 201 with a pullable Location', async () => {
    const parts = ['first', '-', 'second part', 'last']
    let location = await begin('push/chunks')
    let sent = 0
    for (const part of parts) {
      const response = await chunk(location, part, `${sent}-${sent + part.length - 1}`)
      sent += part.length
      assert.equal(response.status, 202)
      assert.equal(response.headers.get('range'), `0-${sent - 1}`)
      location = response.headers.get('location') ?? ''
    }
    const put = await server.ask('PUT', withDigest(location, digestOf(parts.join(''))))
    assert.equal(put.status, 201)
    const blob = await server.ask('GET', put.headers.get('location') ?? '')
    assert.equal(await blob.text(), parts.join(''))
    assert.equal((await server.ask('GET', location)).status, 404, 'the session is closed')
  })

  test('the final chunk MAY be uploaded in the closing PUT', async () => {
    const location = await begin('push/final')
    assert.equal((await chunk(location, 'abc', '0-2')).status, 202)
    const put = await server.ask('PUT', withDigest(location, digestOf('abcdef')), {
      body: 'def',
      headers: { 'Content-Range': '3-5' },
    })
    assert.equal(put.status, 201)
  })

  test('<range> MUST match ^[0-9]+-[0-9]+$', async () => {
    const location = await begin('push/ranges')
    for (const range of ['bytes 0-2/3', '0-', '-2', 'x', '0-2-4', 'bytes=0-2']) {
      const response = await chunk(location, 'abc', range)
      assert.equal(response.status, 416, range)
    }
    assert.equal((await chunk(location, 'abc', '0-2')).status, 202)
  })

  test('the first chunk MUST begin with 0; a chunk out of order MUST be 416, and GET tells the offset', async () => {
    const location = await begin('push/order')
    assert.equal((await chunk(location, 'abc', '1-3')).status, 416)
    assert.equal((await chunk(location, 'abc', '0-2')).status, 202)
    for (const range of ['0-2', '2-4', '4-6']) {
      const response = await chunk(location, 'def', range)
      assert.equal(response.status, 416, range)
      assert.equal(response.headers.get('range'), '0-2')
      assert.equal(response.headers.get('location'), location)
    }
    const put = await server.ask('PUT', withDigest(location, digestOf('abcdef')), {
      body: 'def',
      headers: { 'Content-Range': '5-7' },
    })
    assert.equal(put.status, 416)
    const status = await server.ask('GET', location)
    assert.equal(status.status, 204)
    assert.equal(status.headers.get('range'), '0-2')
    assert.equal((await chunk(location, 'def', '3-5')).status, 202)
    assert.equal((await server.ask('PUT', withDigest(location, digestOf('abcdef')))).status, 201)
  })

  test('<length> is the length of the chunk: another one is refused before a byte is taken', async () => {
    const location = await begin('push/length')
    const response = await chunk(location, 'abc', '0-9')
    assert.deepEqual([response.status, await codesOf(response)], [400, ['SIZE_INVALID']])
    assert.equal((await chunk(location, 'abc', '0-2')).status, 202)
  })

  test('a stream without a range goes where the last one ended, as docker pushes', async () => {
    const location = await begin('push/stream')
    for (const part of ['abc', 'def']) assert.equal((await chunk(location, part)).status, 202)
    assert.equal((await server.ask('PUT', withDigest(location, digestOf('abcdef')))).status, 201)
  })

  test('GET of an active upload MUST be 204 with Location and Range', async () => {
    const location = await begin('push/status')
    const empty = await server.ask('GET', location)
    assert.deepEqual([empty.status, empty.headers.get('range')], [204, '0-0'])
    await chunk(location, 'abcdef')
    const status = await server.ask('GET', location)
    assert.equal(status.status, 204)
    assert.equal(status.headers.get('range'), '0-5')
    assert.equal(status.headers.get('location'), location)
  })

  test('the closing PUT MUST include the digest of the whole blob', async () => {
    const location = await begin('push/whole')
    await chunk(location, 'abc')
    const put = await server.ask('PUT', withDigest(location, digestOf('def')), { body: 'def' })
    assert.deepEqual([put.status, await codesOf(put)], [400, ['DIGEST_INVALID']])
  })

  test('a cancelled upload is gone', async () => {
    const location = await begin('push/cancel')
    await chunk(location, 'abc')
    assert.equal((await server.ask('DELETE', location)).status, 204)
    assert.equal((await server.ask('GET', location)).status, 404)
    assert.equal((await server.ask('DELETE', location)).status, 404)
  })
})

describe('Mounting a blob from another repository (end-11)', () => {
  test('a successful mount MUST be 201 with the Location of the blob', async () => {
    const { digest } = await server.pushBlob('mount/from', 'shared')
    assert.equal((await server.ask('GET', `/v2/mount/to/blobs/${digest}`)).status, 404)
    const response = await server.ask('POST', `/v2/mount/to/blobs/uploads/?mount=${digest}&from=mount/from`)
    assert.equal(response.status, 201)
    assert.equal(response.headers.get('location'), `/v2/mount/to/blobs/${digest}`)
    assert.equal(response.headers.get('docker-content-digest'), digest)
    assert.equal(await (await server.ask('GET', `/v2/mount/to/blobs/${digest}`)).text(), 'shared')
  })

  test('a registry that is unable to mount SHOULD return 202: the upload session has begun', async () => {
    const { digest } = await server.pushBlob('mount/from', 'shared')
    for (const query of [
      `mount=${digestOf('nothing')}&from=mount/from`,
      `mount=${digest}&from=mount/nowhere`,
      `mount=${digest}&from=Not/A/Name`,
      `mount=x&from=mount/from`,
      // To name a digest is not to have the blob: without a repository that one may read, nothing is mounted.
      `mount=${digest}`,
    ]) {
      const response = await server.ask('POST', `/v2/mount/never/blobs/uploads/?${query}`)
      assert.equal(response.status, 202, query)
      assert.equal((await chunk(response.headers.get('location') ?? '', 'x')).status, 202)
    }
  })
})

describe('Pushing Manifests (end-7)', () => {
  test('success MUST be 201 with a pullable Location; Docker-Content-Digest MUST be the digest', async () => {
    for (const reference of ['v1', undefined]) {
      const { response, digest, text } = await server.pushImage('manifests/ok', reference)
      assert.equal(response.status, 201)
      assert.equal(response.headers.get('docker-content-digest'), digest)
      const pulled = await server.ask('GET', response.headers.get('location') ?? '')
      assert.deepEqual([pulled.status, await pulled.text()], [200, text])
    }
  })

  test('the manifest MUST be stored in the exact byte representation', async () => {
    const config = await server.pushBlob('manifests/bytes', '{}', types.config)
    const body = `  {"layers":[ ],\n"config":${JSON.stringify(config)} ,"annotations":{"ü":"\\u00fc"},\t"schemaVersion":2}\r\n`
    const put = await server.ask('PUT', '/v2/manifests/bytes/manifests/v1', {
      body,
      headers: { 'Content-Type': types.manifest },
    })
    assert.equal(put.status, 201)
    const pulled = await server.ask('GET', '/v2/manifests/bytes/manifests/v1')
    assert.equal(await pulled.text(), body)
    assert.equal(pulled.headers.get('docker-content-digest'), digestOf(body))
  })

  test('the list of blobs MAY be empty; an index of nothing is one, too', async () => {
    assert.equal((await server.pushImage('manifests/empty', 'v1', { layers: [] })).response.status, 201)
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [] }
    assert.equal((await server.pushManifest('manifests/empty', 'i', index, types.index)).response.status, 201)
  })

  test('one pushed by digest has that digest, sha512 too', async () => {
    const { text } = await server.pushImage('manifests/digest', 'v1')
    const put = (digest: string) =>
      server.ask('PUT', `/v2/manifests/digest/manifests/${digest}`, {
        body: text,
        headers: { 'Content-Type': types.manifest },
      })
    const digest = digestOf(text, 'sha512')
    assert.equal((await put(digest)).headers.get('docker-content-digest'), digest)
    assert.equal(await (await server.ask('GET', `/v2/manifests/digest/manifests/${digest}`)).text(), text)
    const wrong = await put(digestOf('another'))
    assert.deepEqual([wrong.status, await codesOf(wrong)], [400, ['DIGEST_INVALID']])
  })

  test('one that refers to what is not in the repository MUST result in MANIFEST_BLOB_UNKNOWN', async () => {
    const elsewhere = await server.pushBlob('manifests/elsewhere', 'elsewhere')
    const config = await server.pushBlob('manifests/missing', '{}', types.config)
    const document = {
      schemaVersion: 2,
      mediaType: types.manifest,
      config,
      layers: [elsewhere, { ...elsewhere, digest: digestOf('nowhere') }],
    }
    const { response } = await server.pushManifest('manifests/missing', 'v1', document)
    assert.equal(response.status, 404)
    const { errors } = (await response.json()) as { errors: { code: string; detail: { digest: string } }[] }
    assert.deepEqual(
      errors.map(({ code, detail }) => [code, detail.digest]),
      document.layers.map(({ digest }) => ['MANIFEST_BLOB_UNKNOWN', digest]),
    )
    const child = await server.pushImage('manifests/elsewhere', undefined)
    const { mediaType, digest, size } = child
    const index = {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [{ mediaType, digest, size }],
    }
    const pushed = await server.pushManifest('manifests/missing', 'v1', index, types.index)
    assert.deepEqual(
      [pushed.response.status, await codesOf(pushed.response)],
      [404, ['MANIFEST_BLOB_UNKNOWN']],
    )
    assert.equal((await server.ask('GET', '/v2/manifests/missing/manifests/v1')).status, 404)
  })

  test('layers that are kept elsewhere need not be here', async () => {
    const config = await server.pushBlob('manifests/foreign', '{}', types.config)
    const foreign = {
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
      digest: digestOf('foreign'),
      size: 7,
      urls: ['https://elsewhere.example/layer'],
    }
    const document = { schemaVersion: 2, config, layers: [foreign] }
    assert.equal((await server.pushManifest('manifests/foreign', 'v1', document)).response.status, 201)
  })

  test('what is no manifest of the type that it was pushed as is MANIFEST_INVALID', async () => {
    const config = await server.pushBlob('manifests/invalid', '{}', types.config)
    const good = { schemaVersion: 2, mediaType: types.manifest, config, layers: [] }
    for (const [document, type] of [
      ['', types.manifest],
      ['{', types.manifest],
      ['null', types.manifest],
      ['[]', types.manifest],
      ['\ufeff{}', types.manifest],
      [good, types.index],
      [good, 'text/plain'],
      [good, 'application/vnd.docker.distribution.manifest.v1+prettyjws'],
      [{ ...good, schemaVersion: 1 }, types.manifest],
      [{ ...good, mediaType: types.index }, types.manifest],
      [{ ...good, manifests: [] }, types.manifest],
      [{ ...good, config: undefined }, types.manifest],
      [{ ...good, config: { ...config, digest: 'sha256:x' } }, types.manifest],
      [{ ...good, config: { ...config, size: -1 } }, types.manifest],
      [{ ...good, layers: {} }, types.manifest],
      [{ ...good, subject: { digest: 'x' } }, types.manifest],
      [{ ...good, annotations: { a: 1 } }, types.manifest],
      [{ schemaVersion: 2, manifests: [], layers: [] }, types.index],
      ['['.repeat(1_000_000), types.manifest],
      [`{"a":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`, types.manifest],
    ] as const) {
      const body = typeof document === 'string' ? document : JSON.stringify(document)
      const response = await server.ask('PUT', '/v2/manifests/invalid/manifests/v1', {
        body,
        headers: { 'Content-Type': type },
      })
      assert.deepEqual(
        [response.status, await codesOf(response)],
        [400, ['MANIFEST_INVALID']],
        body.slice(0, 200),
      )
    }
  })

  test('manifests of at least 4 megabytes are taken, and over the limit SHOULD be 413', async () => {
    const config = await server.pushBlob('manifests/large', '{}', types.config)
    const limit = 4 << 20
    const documentOf = (size: number) => {
      const frame = JSON.stringify({ schemaVersion: 2, config, layers: [], annotations: { pad: '' } })
      return frame.replace('"pad":""', `"pad":"${'x'.repeat(size - frame.length)}"`)
    }
    const put = (body: string) =>
      server.ask('PUT', '/v2/manifests/large/manifests/v1', {
        body,
        headers: { 'Content-Type': types.manifest },
      })
    assert.equal((await put(documentOf(limit))).status, 201)
    const tooLarge = await put(documentOf(limit + 1))
    assert.deepEqual([tooLarge.status, await codesOf(tooLarge)], [413, ['SIZE_INVALID']])
  })

  test('without a Content-Type, the manifest says what it is', async () => {
    const config = await server.pushBlob('manifests/typeless', '{}', types.config)
    const document = { schemaVersion: 2, mediaType: types.manifest, config, layers: [] }
    const put = (value: object) =>
      server.ask('PUT', '/v2/manifests/typeless/manifests/v1', { body: Buffer.from(JSON.stringify(value)) })
    assert.equal((await put(document)).status, 201)
    assert.equal((await put({ ...document, mediaType: undefined })).status, 400)
  })

  test('a tag that is pushed again points to the new manifest, and the old one stays', async () => {
    const old = await server.pushImage('manifests/again', 'v1', { layers: ['old'] })
    const young = await server.pushImage('manifests/again', 'v1', { layers: ['young'] })
    const pulled = await server.ask('GET', '/v2/manifests/again/manifests/v1')
    assert.equal(pulled.headers.get('docker-content-digest'), young.digest)
    assert.equal((await server.ask('GET', `/v2/manifests/again/manifests/${old.digest}`)).status, 200)
  })

  test('Referrers Tag Schema: clients MAY push on condition that the tag is what they saw', async () => {
    const first = await server.pushImage('manifests/condition', 'v1', { layers: ['1'] })
    const second = await server.pushImage('manifests/condition', undefined, { layers: ['2'] })
    const put = async (tag: string, headers: Record<string, string>) => {
      const response = await server.ask('PUT', `/v2/manifests/condition/manifests/${tag}`, {
        body: second.text,
        headers: { 'Content-Type': types.manifest, ...headers },
      })
      return response.status
    }
    assert.equal(await put('v1', { 'If-Match': `"${second.digest}"` }), 412)
    assert.equal(await put('v1', { 'If-None-Match': '*' }), 412)
    assert.equal(await put('v2', { 'If-Match': '*' }), 412)
    assert.equal(await put('v2', { 'If-None-Match': '*' }), 201)
    assert.equal(await put('v1', { 'If-Match': `"${first.digest}"` }), 201)
    assert.equal(await put('v1', { 'If-Match': `"${first.digest}"` }), 412)
  })
})

describe('Pushing Manifests with Subject', () => {
  test('a manifest whose subject does not exist MUST initially be accepted; the response MUST have OCI-Subject', async () => {
    const subject = { mediaType: types.manifest, digest: digestOf('not yet'), size: 7 }
    for (const [more, reference] of [
      [{ subject }, undefined],
      [{ subject, annotations: { a: 'b' } }, 'tagged'],
    ] as const) {
      const { response } = await server.pushImage('subject/image', reference, { more })
      assert.equal(response.status, 201)
      assert.equal(response.headers.get('oci-subject'), subject.digest)
    }
    const index = { schemaVersion: 2, mediaType: types.index, manifests: [], subject }
    const pushed = await server.pushManifest('subject/image', undefined, index, types.index)
    assert.equal(pushed.response.headers.get('oci-subject'), subject.digest)
    const without = await server.pushImage('subject/image', 'plain')
    assert.equal(without.response.headers.get('oci-subject'), null)
  })
})
