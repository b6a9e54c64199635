import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { digestOf, hexOf } from '../lib/digest.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { hostArchitecture } from './platform.ts'
import { configOf, openImages, tar, type Engine, type File } from './testing.ts'

const op = background(silentLogger)
const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar+gzip',
}
const host = hostArchitecture()
const other = host === 'arm64' ? 'amd64' : 'arm64'
const free = { force: false, noPrune: false, usedBy: () => undefined }

let base = ''
let e: Engine
before(async () => {
  base = await mkdtemp(join(tmpdir(), 'platforms-'))
  e = await openImages(join(base, 'e'))
})
after(async () => {
  await e.snapshots.close()
  await rm(base, { recursive: true, force: true })
})

/** An OCI layout of an index with an image for each of two architectures, one that is not in the archive, and an attestation. */
function layout(name: string) {
  const files: File[] = []
  const blob = (mediaType: string, data: Buffer) => {
    const digest = digestOf(data)
    files.push([`blobs/sha256/${hexOf(digest)}`, data])
    return { mediaType, digest, size: data.length }
  }
  const json = (mediaType: string, value: object) => blob(mediaType, Buffer.from(JSON.stringify(value)))
  const images = [host, other].map((architecture) => {
    const layer = tar([[`${architecture}-${name}`, architecture.repeat(100)]])
    const layers = [blob(types.layer, gzipSync(layer))]
    const config = blob(types.config, configOf([layer], { architecture }))
    const manifest = json(types.manifest, { schemaVersion: 2, mediaType: types.manifest, config, layers })
    const content = manifest.size + config.size + (layers[0]?.size ?? 0)
    return { ...manifest, id: config.digest, platform: { os: 'linux', architecture }, content }
  })
  const statement = json('application/vnd.in-toto+json', { of: name })
  const attestation = json(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: json(types.config, { architecture: 'unknown', os: 'unknown' }),
    layers: [statement],
  })
  const manifests = [
    ...images.map(({ mediaType, digest, size, platform }) => ({ mediaType, digest, size, platform })),
    {
      mediaType: types.manifest,
      digest: digestOf(Buffer.from('elsewhere')),
      size: 9,
      platform: { os: 'linux', architecture: 's390x' },
    },
    {
      ...attestation,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': images[0]?.digest ?? '',
      },
    },
  ]
  const index = json(types.index, { schemaVersion: 2, mediaType: types.index, manifests })
  const top = {
    schemaVersion: 2,
    manifests: [{ ...index, annotations: { 'io.containerd.image.name': `docker.io/library/${name}:1` } }],
  }
  const archive = tar([
    ...files,
    ['index.json', JSON.stringify(top)],
    ['oci-layout', '{"imageLayoutVersion":"1.0.0"}'],
  ])
  return { archive, index, images, attestation }
}

async function load(archive: Buffer): Promise<void> {
  for await (const _ of e.images.load(op, Readable.from([archive])));
}

test('manifestsOf() tells all that an index lists, here or not', async () => {
  const { archive, index, images, attestation } = layout('list')
  await load(archive)
  const image = e.images.find('list:1')
  assert.equal(image.id, images[0]?.id)
  const { target, manifests } = await e.images.manifestsOf(op, image)
  assert.deepEqual(target, index)
  assert.deepEqual(
    manifests.map((one) => [
      one.kind,
      one.available,
      one.kind === 'image' ? `${one.platform.architecture} ${one.image?.id}` : '',
      one.kind === 'image' ? one.content : 0,
    ]),
    [
      ['image', true, `${host} ${images[0]?.id}`, images[0]?.content],
      ['image', true, `${other} ${images[1]?.id}`, images[1]?.content],
      ['image', false, 's390x undefined', 0],
      ['attestation', true, '', 0],
    ],
  )
  const last = manifests.at(-1)
  assert.equal(last?.descriptor.digest, attestation.digest)
  assert(last.kind === 'attestation' && last.for === images[0]?.digest && last.content > 0)
})

test('manifestsOf() gives an image that was made here the manifest that it is saved with', async () => {
  const image = await e.images.import(op, Readable.from([tar([['made', 'here']])]), {
    ref: 'made',
    config: {},
  })
  const { target, manifests } = await e.images.manifestsOf(op, image)
  const [only] = manifests
  assert(only?.kind === 'image' && only.available && only.image?.id === image.id)
  assert.deepEqual(only.descriptor, target)
  let saved = ''
  for await (const chunk of e.images.save(op, ['made']) as AsyncIterable<Buffer>)
    saved += chunk.toString('latin1')
  assert(saved.includes(`blobs/sha256/${hexOf(target.digest)}`))
})

test('remove() takes the platforms away that are named, and the name with the last of them', async () => {
  const { archive, index, images } = layout('remove')
  await load(archive)
  const [own, foreign] = images
  const platform = (architecture: string) => ({ os: 'linux', architecture })
  const remove = (architectures: string[], more: object = {}) =>
    e.images.remove(op, 'remove:1', { ...free, platforms: architectures.map(platform), ...more })
  await assert.rejects(remove(['s390x']), {
    kind: 'not-found',
    message:
      'image with reference remove:1 was found but does not provide the specified platform (linux/s390x)',
  })
  // All of them, or nothing.
  await assert.rejects(remove([host, 's390x']), { kind: 'not-found' })
  const usedBy = () => ({ id: 'c'.repeat(64), name: 'c', running: true })
  await assert.rejects(remove([host], { usedBy, force: true }), {
    kind: 'conflict',
    message: /running container/,
  })
  assert.equal(e.images.find('remove:1').id, own?.id)

  e.events.length = 0
  const removed = await remove([host])
  assert.deepEqual(removed[0], { Deleted: own?.id })
  assert(removed.every((item) => item.Untagged === undefined))
  assert.deepEqual(e.events, ['delete id'])
  assert.equal(e.images.find('remove:1').id, foreign?.id)
  assert(own && !e.images.has(own.id))
  await e.images.collect(op, { layers: new Set() })
  assert.equal((await e.images.manifestsOf(op, e.images.find('remove:1'))).manifests[0]?.available, false)

  // It comes again.
  await load(archive)
  assert.equal(e.images.find('remove:1').id, own.id)
  await e.images.tag(op, 'remove:1', 'else:1')
  await assert.rejects(remove([host]), { kind: 'conflict', message: /multiple repositories/ })
  const items = await remove([host, other], { force: true })
  assert.deepEqual(
    items.slice(0, 2).toSorted((a, b) => ((a.Untagged ?? '') < (b.Untagged ?? '') ? -1 : 1)),
    [{ Untagged: 'else:1' }, { Untagged: 'remove:1' }],
  )
  assert.throws(() => e.images.find('remove:1'), { kind: 'not-found' })
  await e.images.collect(op, { layers: new Set() })
  assert(!(await e.content.has(index.digest)))
})

test('remove() of a platform takes a single image for it as a whole, and no other', async () => {
  await e.images.import(op, Readable.from([tar([['single', 'x']])]), { ref: 'single', config: {} })
  const of = (architecture: string) => ({ ...free, platforms: [{ os: 'linux', architecture }] })
  await assert.rejects(e.images.remove(op, 'single', of(other)), { kind: 'not-found' })
  assert.deepEqual((await e.images.remove(op, 'single', of(host)))[0], { Untagged: 'single:latest' })
})
