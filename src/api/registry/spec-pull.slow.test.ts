/** OCI Distribution Specification 1.1, "Pull", "API": each test begins with the section and what it says there. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { TestServer, types } from './testing.ts'

let server: TestServer
before(async () => void (server = await TestServer.start()))
after(() => server[Symbol.asyncDispose]())

const unknown = digestOf('never pushed')
const get = (path: string, headers: Readonly<Record<string, string>> = {}) =>
  server.ask('GET', path, { headers })

describe('Pulling manifests (end-3)', () => {
  test('<reference> MUST be either the digest of the manifest or a tag: GET of either MUST provide the manifest, with 200', async () => {
    const pushed = await server.pushImage('pull/refs', 'v1')
    for (const reference of ['v1', pushed.digest]) {
      const response = await get(`/v2/pull/refs/manifests/${reference}`)
      assert.equal(response.status, 200)
      assert.equal(await response.text(), pushed.text)
    }
  })

  test('<reference> MUST NOT be in any other format', async () => {
    await server.pushImage('pull/format', 'v1')
    for (const [reference, status] of [
      ['.hidden', 404],
      ['-dash', 404],
      ['a+b', 404],
      ['x'.repeat(129), 404],
      ['sha256:totallywrong', 400],
      [`sha256:${'A'.repeat(64)}`, 400],
      [`md5:${'a'.repeat(32)}`, 400],
    ] as const) {
      const response = await get(`/v2/pull/format/manifests/${reference}`)
      assert.equal(response.status, status, reference)
    }
  })

  test('<name> MUST match the regular expression', async () => {
    for (const name of ['a', 'a/b/c', 'a.b', 'a_b', 'a__b', 'a-b', 'a---b', '0/1.2_3', 'x'.repeat(255)]) {
      const response = await get(`/v2/${name}/manifests/latest`)
      assert.equal(response.status, 404, name)
    }
    for (const name of [
      'A',
      'a..b',
      'a___b',
      '-a',
      'a-',
      '_a',
      'a//b',
      'a/_blobs',
      'ä',
      'a b',
      'x'.repeat(256),
    ]) {
      const response = await get(`/v2/${encodeURI(name)}/manifests/latest`)
      assert.equal(response.status, 400, name)
      assert.equal(await codeOf(response), 'NAME_INVALID', name)
    }
  })

  test('a tag MUST be at most 128 characters and MUST match the regular expression', async () => {
    for (const tag of ['a', '_', 'A.b-c_d', '0', 'x'.repeat(128)]) {
      const pushed = await server.pushImage('pull/tags', tag)
      assert.equal(pushed.response.status, 201, tag)
      assert.equal((await get(`/v2/pull/tags/manifests/${tag}`)).status, 200, tag)
    }
  })

  test('Content-Type indicates the type of the manifest, SHOULD match what was pushed, and SHOULD have no parameters', async () => {
    const { config } = JSON.parse((await server.pushImage('pull/type', 'v1')).text) as { config: object }
    const type = 'application/vnd.docker.distribution.manifest.v2+json'
    const body = JSON.stringify({ schemaVersion: 2, mediaType: type, config, layers: [] })
    const put = await server.ask('PUT', '/v2/pull/type/manifests/docker', {
      body,
      headers: { 'Content-Type': `${type}; charset=utf-8` },
    })
    assert.equal(put.status, 201)
    const response = await get('/v2/pull/type/manifests/docker', { Accept: types.manifest })
    assert.equal(response.headers.get('content-type'), type)
    assert.equal(await response.text(), body)
  })

  test('a successful response SHOULD contain the digest in Docker-Content-Digest', async () => {
    const pushed = await server.pushImage('pull/digest', 'v1')
    const response = await get('/v2/pull/digest/manifests/v1')
    assert.equal(response.headers.get('docker-content-digest'), pushed.digest)
    assert.equal(digestOf(await response.text()), pushed.digest)
  })

  test('a manifest that is not found in the repository MUST be 404', async () => {
    const pushed = await server.pushImage('pull/found', 'v1')
    for (const path of [
      '/v2/pull/found/manifests/v2',
      `/v2/pull/found/manifests/${unknown}`,
      // In another repository.
      `/v2/pull/nowhere/manifests/${pushed.digest}`,
      '/v2/pull/nowhere/manifests/v1',
    ]) {
      const response = await get(path)
      assert.equal(response.status, 404, path)
      assert.equal(await codeOf(response), 'MANIFEST_UNKNOWN')
    }
  })

  test('an attempt to pull a nonexistent repository MUST be 404', async () => {
    assert.equal((await get('/v2/no/such/repository/manifests/latest')).status, 404)
    assert.equal((await get(`/v2/no/such/repository/blobs/${unknown}`)).status, 404)
    assert.equal((await get('/v2/no/such/repository/tags/list')).status, 404)
  })
})

describe('Pulling blobs (end-2)', () => {
  test('GET of an existing blob MUST provide it, with 200; Docker-Content-Digest MUST match the body', async () => {
    const data = Buffer.alloc(3 << 20, 'blob')
    const blob = await server.pushBlob('pull/blob', data)
    const response = await get(`/v2/pull/blob/blobs/${blob.digest}`)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), String(data.length))
    const body = await response.bytes()
    assert(data.equals(body))
    assert.equal(response.headers.get('docker-content-digest'), digestOf(body))
  })

  test('a blob that is not found in the repository MUST be 404', async () => {
    const blob = await server.pushBlob('pull/mine', 'mine')
    for (const path of [`/v2/pull/mine/blobs/${unknown}`, `/v2/pull/others/blobs/${blob.digest}`]) {
      const response = await get(path)
      assert.equal(response.status, 404, path)
      assert.equal(await codeOf(response), 'BLOB_UNKNOWN')
    }
  })

  test('the bytes of a manifest are no blob of the repository unless they were pushed as one', async () => {
    const pushed = await server.pushImage('pull/bytes', 'v1')
    assert.equal((await get(`/v2/pull/bytes/blobs/${pushed.digest}`)).status, 404)
  })

  test('Range SHOULD be supported in accordance with RFC 9110', async () => {
    const data = '0123456789'
    const { digest } = await server.pushBlob('pull/range', data)
    const path = `/v2/pull/range/blobs/${digest}`
    for (const [range, text, content] of [
      ['bytes=0-0', '0', 'bytes 0-0/10'],
      ['bytes=2-5', '2345', 'bytes 2-5/10'],
      ['bytes=7-', '789', 'bytes 7-9/10'],
      ['bytes=7-99', '789', 'bytes 7-9/10'],
      ['bytes=-4', '6789', 'bytes 6-9/10'],
      ['bytes=-99', data, 'bytes 0-9/10'],
    ] as const) {
      const response = await get(path, { Range: range })
      assert.equal(response.status, 206, range)
      assert.equal(response.headers.get('content-range'), content)
      assert.equal(response.headers.get('content-length'), String(text.length))
      assert.equal(await response.text(), text)
    }
    for (const range of ['bytes=10-', 'bytes=99-100', 'bytes=-0']) {
      const response = await get(path, { Range: range })
      assert.equal(response.status, 416, range)
      assert.equal(response.headers.get('content-range'), 'bytes */10')
    }
    // RFC 9110, 14.2: what is no valid range, or of another unit, is ignored; so may several ranges be.
    for (const range of ['bytes=5-2', 'bytes=a-b', 'lines=1-2', 'bytes=0-1,3-4', 'bytes=-', '0-5']) {
      const response = await get(path, { Range: range })
      assert.equal(response.status, 200, range)
      assert.equal(await response.text(), data)
    }
    const whole = await get(path)
    assert.equal(whole.headers.get('accept-ranges'), 'bytes')
    const etag = whole.headers.get('etag') ?? ''
    assert.equal((await get(path, { Range: 'bytes=0-1', 'If-Range': etag })).status, 206)
    assert.equal((await get(path, { Range: 'bytes=0-1', 'If-Range': '"another"' })).status, 200)
  })

  test('an empty blob has no range that can be satisfied', async () => {
    const { digest } = await server.pushBlob('pull/empty', '')
    const response = await get(`/v2/pull/empty/blobs/${digest}`)
    assert.deepEqual([response.status, await response.text()], [200, ''])
    assert.equal((await get(`/v2/pull/empty/blobs/${digest}`, { Range: 'bytes=0-' })).status, 416)
  })

  test('conditional requests are answered as RFC 9110, 13.1.2 says', async () => {
    const { digest } = await server.pushBlob('pull/known', 'known')
    const pushed = await server.pushImage('pull/known', 'v1')
    for (const [path, etag] of [
      [`/v2/pull/known/blobs/${digest}`, `"${digest}"`],
      ['/v2/pull/known/manifests/v1', `"${pushed.digest}"`],
    ] as const) {
      assert.equal((await get(path)).headers.get('etag'), etag)
      for (const header of [etag, `W/${etag}`, `"x", ${etag}`, '*']) {
        const response = await get(path, { 'If-None-Match': header })
        assert.deepEqual([response.status, await response.text()], [304, ''], header)
        const head = await server.ask('HEAD', path, { headers: { 'If-None-Match': header } })
        assert.equal(head.status, 304, header)
      }
      assert.equal((await get(path, { 'If-None-Match': '"x"' })).status, 200)
    }
  })
})

describe('Checking if content exists in the registry', () => {
  test('HEAD of an existing blob or manifest MUST be 200, and SHOULD have digest and size', async () => {
    const pushed = await server.pushImage('pull/head', 'v1')
    const blob = await server.pushBlob('pull/head', 'some bytes')
    for (const [path, { digest, size }] of [
      ['manifests/v1', pushed],
      [`manifests/${pushed.digest}`, pushed],
      [`blobs/${blob.digest}`, blob],
    ] as const) {
      const response = await server.ask('HEAD', `/v2/pull/head/${path}`)
      assert.equal(response.status, 200, path)
      assert.equal(response.headers.get('docker-content-digest'), digest)
      assert.equal(response.headers.get('content-length'), String(size))
      assert.equal(await response.text(), '')
    }
  })

  test('HEAD of what is not found in the repository MUST be 404', async () => {
    for (const path of ['manifests/v9', `manifests/${unknown}`, `blobs/${unknown}`]) {
      const response = await server.ask('HEAD', `/v2/pull/head/${path}`)
      assert.deepEqual([response.status, await response.text()], [404, ''], path)
    }
  })
})

describe('Determining Support (end-1)', () => {
  test('GET of /v2/ is 200 when the registry implements this specification', async () => {
    for (const path of ['/v2/', '/v2']) {
      const response = await get(path)
      assert.equal(response.status, 200)
      // Docker's clients of old.
      assert.equal(response.headers.get('docker-distribution-api-version'), 'registry/2.0')
    }
  })

  test('what is none of the endpoints is 404, and another method 405', async () => {
    for (const path of [
      '/',
      '/v1/',
      '/v3/',
      '/v2/a',
      '/v2/a/nothing/b',
      '/v2/a/tags',
      `/v2/${'a/'.repeat(2000)}`,
    ])
      assert.equal((await get(path)).status, 404, path)
    const response = await server.ask('POST', '/v2/a/manifests/b')
    assert.equal(response.status, 405)
    assert.equal(response.headers.get('allow'), 'GET, HEAD, PUT, DELETE')
    assert.equal(await codeOf(response), 'UNSUPPORTED')
  })
})

describe('Error Codes', () => {
  test('a JSON body of a 4XX answer MUST have the format, and a code of the table', async () => {
    const codes = new Set(
      (
        'BLOB_UNKNOWN BLOB_UPLOAD_INVALID BLOB_UPLOAD_UNKNOWN DIGEST_INVALID MANIFEST_BLOB_UNKNOWN MANIFEST_INVALID ' +
        'MANIFEST_UNKNOWN NAME_INVALID NAME_UNKNOWN SIZE_INVALID UNAUTHORIZED DENIED UNSUPPORTED TOOMANYREQUESTS'
      ).split(' '),
    )
    const { digest } = await server.pushBlob('errors', 'x')
    const upload = (await server.ask('POST', '/v2/errors/blobs/uploads/')).headers.get('location') ?? ''
    const asked = [
      ['GET', '/v2/Bad/manifests/x'],
      ['GET', '/v2/a%ff/manifests/x'],
      ['GET', '/nothing'],
      ['PATCH', '/v2/'],
      ['GET', '/v2/errors/manifests/x'],
      ['GET', '/v2/errors/manifests/sha256:x'],
      ['PUT', '/v2/errors/manifests/a+b', '{}'],
      ['PUT', '/v2/errors/manifests/x', 'no json'],
      ['PUT', `/v2/errors/manifests/${digest}`, '{}'],
      ['DELETE', '/v2/errors/manifests/x'],
      ['GET', `/v2/errors/blobs/${unknown}`],
      ['GET', '/v2/errors/blobs/x'],
      ['DELETE', `/v2/errors/blobs/${unknown}`],
      ['POST', '/v2/errors/blobs/uploads/?digest=x', 'x'],
      ['POST', `/v2/errors/blobs/uploads/?digest=${unknown}`, 'x'],
      ['PATCH', '/v2/errors/blobs/uploads/x', 'x'],
      ['PUT', upload, 'x'],
      ['GET', '/v2/nothing/tags/list'],
      ['GET', '/v2/errors/tags/list?n=x'],
      ['GET', '/v2/errors/tags/list?n=-1'],
      ['GET', '/v2/errors/referrers/x'],
      ['GET', '/v2/_catalog?n=x'],
    ] as const
    for (const [method, path, body] of asked) {
      const response = await server.ask(method, path, body === undefined ? {} : { body })
      assert(response.status >= 400 && response.status < 500, `${method} ${path}: ${response.status}`)
      assert.equal(response.headers.get('content-type'), 'application/json')
      const { errors } = (await response.json()) as { errors: { code: string; message: string }[] }
      assert(errors.length > 0)
      for (const error of errors) {
        assert(codes.has(error.code), `${method} ${path}: ${error.code}`)
        assert.equal(typeof error.message, 'string')
      }
    }
  })
})

async function codeOf(response: Response): Promise<string | undefined> {
  const { errors } = (await response.json()) as { errors: { code: string }[] }
  return errors[0]?.code
}
