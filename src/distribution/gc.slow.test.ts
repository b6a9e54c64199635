import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { collect, type CollectOptions } from './gc.ts'
import {
  imageType,
  keysOf,
  missingOf,
  op,
  openRegistry,
  pushBlob,
  pushImage,
  pushIndex,
  putManifest,
} from './gc-testing.ts'
import { blobKey, linkKey, referrerKey } from './layout.ts'
import type { Registry } from './registry.ts'

/** After the clock has moved on: what was written before is older than the collection. */
async function collectNow(registry: Registry, o: Partial<CollectOptions> = {}) {
  await sleep(10)
  return await collect(op, registry, { uploadAgeMs: 3_600_000, ...o })
}

describe('collect()', () => {
  test('removes what no manifest needs, and says how much that was', async () => {
    await using at = await openRegistry()
    const image = await pushImage(at.registry, 'team/app', { tag: 'v1' })
    const lost = await pushBlob(at.registry, 'team/app', randomBytes(1000))
    const before = await keysOf(at.registry)
    const dry = await collectNow(at.registry, { dryRun: true })
    assert.deepEqual(await keysOf(at.registry), before)
    const done = await collectNow(at.registry)
    assert.deepEqual(
      { ...done, milliseconds: 0, dryRun: true, blobsKept: 3 },
      { ...dry, milliseconds: 0 },
      'a dry run says what will be done',
    )
    assert.deepEqual(
      { ...done, milliseconds: 0 },
      {
        dryRun: false,
        repositories: 1,
        manifests: 1,
        blobsKept: 3,
        blobsRemoved: 1,
        bytesRemoved: 1000,
        linksRemoved: 1,
        referrersRemoved: 0,
        incompleteRemoved: 0,
        uploadsRemoved: 0,
        uploadBytesRemoved: 0,
        milliseconds: 0,
      },
    )
    assert.deepEqual(
      (await keysOf(at.registry)).toSorted(),
      before.filter((key) => !key.includes(lost.digest.slice(7))).toSorted(),
    )
    assert.deepEqual(await missingOf(at.registry, 'team/app', image.digest), [])
  })

  test('keeps untagged manifests, children of an index, referrers, and blobs that another repository has', async () => {
    await using at = await openRegistry()
    const { registry } = at
    const layer = await pushBlob(registry, 'a')
    const untagged = await pushImage(registry, 'a', { layers: [layer] })
    const child = await pushImage(registry, 'a')
    const index = await pushIndex(registry, 'a', { manifests: [child], tag: 'all' })
    const signature = await pushImage(registry, 'a', {
      subject: index,
      artifactType: 'application/x.signature',
    })
    await registry.repository('b').blobs.mount(op, layer.digest, registry.repository('a').blobs)
    const other = await pushImage(registry, 'b', { layers: [layer], tag: 'v1' })
    await registry.repository('a').manifests.remove(op, untagged.digest)
    const done = await collectNow(registry)
    assert.equal(done.linksRemoved, 2, 'the configuration and the layer that repository a needs no more')
    assert.equal(done.blobsRemoved, 2, 'the manifest and its configuration; the layer is needed by b')
    for (const [name, one] of [
      ['a', index],
      ['a', signature],
      ['b', other],
    ] as const)
      assert.deepEqual(await missingOf(registry, name, one.digest), [])
    assert.equal((await Array.fromAsync(registry.repository('a').referrers(op, index.digest))).length, 1)
  })

  test('removes nothing that is younger than the grace period, or was held within it', async () => {
    await using at = await openRegistry({ graceMs: 1000 })
    const { registry } = at
    const [young, held, old] = [
      await pushBlob(registry, 'a'),
      await pushBlob(registry, 'a'),
      await pushBlob(registry, 'a'),
    ]
    assert.equal((await collectNow(registry)).blobsRemoved, 0)
    await sleep(1010)
    await registry.repository('a').blobs.promise(op, held.digest)
    await registry.storage.write(op, linkKey('a', young.digest), new Uint8Array())
    const done = await collectNow(registry)
    assert.deepEqual([done.linksRemoved, done.blobsRemoved], [1, 1])
    assert.equal(await registry.storage.stat(op, blobKey(old.digest)), undefined)
    // What was held and what was written again stays, and can be named by a manifest.
    const config = held
    const document = { schemaVersion: 2, mediaType: imageType, config, layers: [young] }
    const { digest } = await putManifest(registry, 'a', { document })
    await sleep(1010)
    await collectNow(registry)
    assert.deepEqual(await missingOf(registry, 'a', digest), [])
  })

  test('keeps what a push began with hours ago as long as its bytes come', async (t) => {
    const hour = 3_600_000
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() })
    await using at = await openRegistry({ graceMs: hour })
    const { registry } = at
    const { blobs } = registry.repository('a')
    const collectAfter = async (ms: number) => {
      t.mock.timers.tick(ms)
      return (await collect(op, registry, { uploadAgeMs: 10 * hour })).blobsRemoved
    }
    const known = await pushBlob(registry, 'a')
    t.mock.timers.tick(11 * hour)
    const first = await pushBlob(registry, 'a')
    await blobs.promise(op, known.digest)
    for (let layer = 0; layer < 4; layer++) {
      await blobs.start(op)
      assert.equal(await collectAfter(0.9 * hour), 0)
    }
    for (const { digest, size } of [known, first]) assert.equal((await blobs.stat(op, digest)).size, size)
    // It was given up.
    assert.equal(await collectAfter(2 * hour), 2)
  })

  test('touches nothing for a grace period after the start', async () => {
    await using at = await openRegistry({ graceMs: 60_000 })
    const { registry, directory } = at
    const blob = await pushBlob(registry, 'a')
    const long = new Date(Date.now() - 3_600_000)
    for (const key of [blobKey(blob.digest), linkKey('a', blob.digest)])
      await utimes(join(directory, 'storage/objects', key), long, long)
    assert.equal((await collectNow(registry)).blobsRemoved, 0)
  })

  test('leaves a repository alone whose manifest is damaged', async () => {
    await using at = await openRegistry()
    const image = await pushImage(at.registry, 'a')
    await at.registry.storage.write(op, blobKey(image.digest), Buffer.from('{"layers": 7'))
    const done = await collectNow(at.registry)
    assert.deepEqual([done.linksRemoved, done.blobsRemoved], [0, 0])
  })

  test('is not stopped by what somebody put into a manifest', async () => {
    await using at = await openRegistry()
    const config = await pushBlob(at.registry, 'a')
    const document = {
      schemaVersion: 2,
      mediaType: imageType,
      config,
      layers: [],
      blobs: [1, null, { digest: 5 }],
    }
    await putManifest(at.registry, 'a', { document })
    await pushBlob(at.registry, 'a')
    const done = await collectNow(at.registry)
    assert.deepEqual([done.linksRemoved, done.blobsRemoved, done.blobsKept], [1, 1, 2])
  })

  test('removes the record of a manifest whose bytes never came', async () => {
    await using at = await openRegistry()
    const { registry } = at
    const image = await pushImage(registry, 'a')
    await registry.storage.remove(op, blobKey(image.digest))
    await collectNow(registry)
    assert.equal((await collectNow(registry)).blobsKept, 0)
    assert.deepEqual(await keysOf(registry), [])
  })

  test('clears the lists of referrers of what is gone', async () => {
    await using at = await openRegistry()
    const { registry } = at
    const subject = await pushImage(registry, 'a', { tag: 'v1' })
    const referrer = await pushImage(registry, 'a', { subject })
    const key = referrerKey('a', { subject: subject.digest, referrer: referrer.digest })
    const { manifests } = registry.repository('a')
    const entry = await registry.storage.read(op, key)
    entry.destroy()
    await manifests.remove(op, referrer.digest)
    // As if the process had been killed before the entry went.
    await registry.storage.write(op, key, Buffer.from('{}'))
    const done = await collectNow(registry)
    assert.equal(done.referrersRemoved, 1)
    assert.equal(await registry.storage.stat(op, key), undefined)
  })

  test('gives up uploads that nobody goes on with', async () => {
    await using at = await openRegistry()
    const { blobs } = at.registry.repository('a')
    const old = await blobs.start(op)
    await old.append(op, Readable.from([Buffer.alloc(77)]), { limit: 1000 })
    const long = new Date(Date.now() - 7_200_000)
    await utimes(join(at.directory, 'uploads', old.id, 'data'), long, long)
    const young = await blobs.start(op)
    const done = await collectNow(at.registry)
    assert.deepEqual([done.uploadsRemoved, done.uploadBytesRemoved], [1, 77])
    await assert.rejects(blobs.upload(op, old.id), { code: 'BLOB_UPLOAD_UNKNOWN' })
    assert.equal((await blobs.upload(op, young.id)).size, 0)
  })

  test('runs once at a time', async () => {
    await using at = await openRegistry()
    await pushImage(at.registry, 'a')
    const first = collectNow(at.registry)
    await sleep(11)
    const [one, other] = await Promise.allSettled([first, collect(op, at.registry, { uploadAgeMs: 1 })])
    assert.equal(one.status, 'fulfilled')
    assert(other.status === 'fulfilled' || (other.reason as Error).message.includes('a collection runs'))
  })
})
