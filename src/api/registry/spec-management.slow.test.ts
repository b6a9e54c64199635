/** OCI Distribution Specification 1.1, "Content Management": each test begins with the section and what it says there. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { digestOf } from '../../distribution/index.ts'
import { openAccess, readOnly } from './access.ts'
import { TestServer, types } from './testing.ts'

let server: TestServer
before(async () => void (server = await TestServer.start()))
after(() => server[Symbol.asyncDispose]())

const statusOf = async (method: string, path: string) => (await server.ask(method, path)).status

describe('Deleting tags (end-9)', () => {
  test('success MUST be 202, and a GET of the tag is 404 then; the manifest and its other tags stay', async () => {
    const { digest } = await server.pushImage('delete/tag', 'v1')
    await server.pushImage('delete/tag', 'v2')
    assert.equal(await statusOf('DELETE', '/v2/delete/tag/manifests/v1'), 202)
    assert.equal(await statusOf('GET', '/v2/delete/tag/manifests/v1'), 404)
    assert.equal(await statusOf('GET', `/v2/delete/tag/manifests/${digest}`), 200)
    assert.equal(await statusOf('GET', '/v2/delete/tag/manifests/v2'), 200)
    assert.equal(await statusOf('DELETE', '/v2/delete/tag/manifests/v1'), 404)
    assert.equal(await statusOf('DELETE', '/v2/delete/tag/manifests/-x'), 404)
  })

  test('a repository without tags is still there', async () => {
    await server.pushImage('delete/last', 'v1')
    await server.ask('DELETE', '/v2/delete/last/manifests/v1')
    const response = await server.ask('GET', '/v2/delete/last/tags/list')
    assert.deepEqual([response.status, await response.json()], [200, { name: 'delete/last', tags: [] }])
  })
})

describe('Deleting Manifests (end-9)', () => {
  test('success MUST be 202, and a GET of the digest, and of any tag pointing to it, is 404 then', async () => {
    const { digest } = await server.pushImage('delete/manifest', 'v1')
    await server.pushImage('delete/manifest', 'v2')
    await server.pushImage('delete/manifest', 'other', { layers: ['other'] })
    assert.equal(await statusOf('DELETE', `/v2/delete/manifest/manifests/${digest}`), 202)
    for (const reference of [digest, 'v1', 'v2'])
      for (const method of ['GET', 'HEAD'])
        assert.equal(await statusOf(method, `/v2/delete/manifest/manifests/${reference}`), 404)
    assert.equal(await statusOf('GET', '/v2/delete/manifest/manifests/other'), 200)
    assert.equal(await statusOf('DELETE', `/v2/delete/manifest/manifests/${digest}`), 404)
    const tags = await server.ask('GET', '/v2/delete/manifest/tags/list')
    assert.deepEqual(((await tags.json()) as { tags: string[] }).tags, ['other'])
  })

  test('a repository that does not exist MUST be 404', async () => {
    assert.equal(await statusOf('DELETE', `/v2/delete/nowhere/manifests/${digestOf('x')}`), 404)
    assert.equal(await statusOf('DELETE', '/v2/delete/nowhere/manifests/v1'), 404)
  })

  test('it is deleted from its repository alone', async () => {
    const { digest } = await server.pushImage('delete/here', 'v1')
    await server.pushImage('delete/there', 'v1')
    assert.equal(await statusOf('DELETE', `/v2/delete/here/manifests/${digest}`), 202)
    assert.equal(await statusOf('GET', '/v2/delete/there/manifests/v1'), 200)
  })

  test('a deleted manifest refers to its subject no more', async () => {
    const { mediaType, digest, size } = await server.pushImage('delete/referrer', 'v1')
    const more = { subject: { mediaType, digest, size } }
    const referrer = await server.pushImage('delete/referrer', undefined, { more })
    const list = async () => {
      const response = await server.ask('GET', `/v2/delete/referrer/referrers/${digest}`)
      return ((await response.json()) as { manifests: unknown[] }).manifests.length
    }
    assert.equal(await list(), 1)
    assert.equal(await statusOf('DELETE', `/v2/delete/referrer/manifests/${referrer.digest}`), 202)
    assert.equal(await list(), 0)
    // And one whose subject was deleted still does.
    await server.ask('PUT', `/v2/delete/referrer/manifests/${referrer.digest}`, {
      body: referrer.text,
      headers: { 'Content-Type': types.manifest },
    })
    assert.equal(await statusOf('DELETE', `/v2/delete/referrer/manifests/${digest}`), 202)
    assert.equal(await list(), 1)
  })

  test('what was deleted can be pushed again', async () => {
    const { digest } = await server.pushImage('delete/again', 'v1')
    await server.ask('DELETE', `/v2/delete/again/manifests/${digest}`)
    assert.equal((await server.pushImage('delete/again', 'v1')).response.status, 201)
    assert.equal(await statusOf('GET', '/v2/delete/again/manifests/v1'), 200)
  })
})

describe('Deleting Blobs (end-10)', () => {
  test('success MUST be 202; a blob that is not found MUST be 404', async () => {
    const { digest } = await server.pushBlob('delete/blob', 'gone')
    await server.pushBlob('delete/other', 'gone')
    assert.equal(await statusOf('DELETE', `/v2/delete/blob/blobs/${digest}`), 202)
    for (const method of ['GET', 'HEAD', 'DELETE'])
      assert.equal(await statusOf(method, `/v2/delete/blob/blobs/${digest}`), 404)
    assert.equal(await statusOf('GET', `/v2/delete/other/blobs/${digest}`), 200)
    assert.equal(await statusOf('DELETE', `/v2/delete/blob/blobs/${digestOf('never')}`), 404)
  })
})

describe('Content Management that is disabled', () => {
  test('deleting tags, manifests and blobs MUST be 400 or 405, and pulls go on', async () => {
    const { digest } = await server.pushImage('delete/never', 'v1')
    const layer = await server.pushBlob('delete/never', 'layer')
    await using disabled = await TestServer.over(server.registry, { access: readOnly(openAccess) })
    for (const path of ['manifests/v1', `manifests/${digest}`, `blobs/${layer.digest}`]) {
      const response = await disabled.ask('DELETE', `/v2/delete/never/${path}`)
      assert.equal(response.status, 405, path)
      assert.match(await response.text(), /"code":"UNSUPPORTED"/)
      assert.equal((await disabled.ask('GET', `/v2/delete/never/${path}`)).status, 200, path)
    }
  })
})
