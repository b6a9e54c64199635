import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MNT_DETACH, mount, unmount } from '../../host/mount.ts'
import { digestOf } from '../../distribution/index.ts'
import { TestServer, types } from './testing.ts'

test('a full disk is told with 507, nothing is left, and what fits is taken again', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-full-'))
  mount({ source: 'tmpfs', target: directory, type: 'tmpfs', data: 'size=8m' })
  try {
    await using server = await TestServer.start({ directory })
    const free = () => statfsSync(directory).bfree
    await server.pushImage('full', 'before')
    const before = free()
    const large = randomBytes(12 << 20)
    const path = `/v2/full/blobs/uploads/?digest=${digestOf(large)}`
    const refused = await server.ask('POST', path, { body: large })
    assert.equal(refused.status, 507)
    assert.match(await refused.text(), /the registry has no space left/)
    const begun = await server.ask('POST', '/v2/full/blobs/uploads/')
    const location = begun.headers.get('location') ?? ''
    assert.equal((await server.ask('PATCH', location, { body: large })).status, 507)
    assert.equal((await server.ask('GET', location)).status, 404)
    assert.deepEqual(readdirSync(join(directory, 'uploads')), [])
    assert.deepEqual(readdirSync(join(directory, 'temporary')), [])
    assert.equal(free(), before)
    // To the last page: then even a manifest finds no place.
    const config = await server.pushBlob('full', '{}', types.config)
    const filler = randomBytes(free() * statfsSync(directory).bsize - (64 << 10))
    await server.pushBlob('full', filler)
    const annotations = { pad: 'x'.repeat(200_000) }
    const document = { schemaVersion: 2, config, layers: [], annotations }
    const manifest = await server.pushManifest('full', 'too-much', document)
    assert.equal(manifest.response.status, 507)
    assert.equal((await server.ask('GET', '/v2/full/manifests/too-much')).status, 404)
    assert.deepEqual(readdirSync(join(directory, 'temporary')), [])
    assert.equal((await server.ask('GET', '/v2/full/manifests/before')).status, 200)
    const small = await server.pushManifest('full', 'small', { schemaVersion: 2, config, layers: [] })
    assert.equal(small.response.status, 201)
  } finally {
    // Detached: a server that failed to start may hold its lock.
    unmount(directory, MNT_DETACH)
    rmSync(directory, { recursive: true })
  }
})
