import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readManifest } from './manifest-document.ts'

const imageType = 'application/vnd.oci.image.manifest.v1+json'
const artifactManifest = 'application/vnd.oci.artifact.manifest.v1+json'
const digestOf = (letter: string) => `sha256:${letter.repeat(64)}` as const
const descriptor = (letter: string, mediaType = 'a/b') => ({ mediaType, digest: digestOf(letter), size: 1 })
const image = { schemaVersion: 2, config: descriptor('c'), layers: [descriptor('a'), descriptor('b')] }
const read = (document: object, type = imageType) => readManifest(Buffer.from(JSON.stringify(document)), type)

test('an image needs its configuration and its layers, each once, and none that is kept elsewhere', () => {
  const foreign = descriptor('f', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip')
  const layers = [...image.layers, ...image.layers, foreign]
  assert.deepEqual(read({ ...image, layers }), {
    mediaType: imageType,
    blobs: [digestOf('c'), digestOf('a'), digestOf('b')],
    manifests: [],
    subject: undefined,
    artifactType: 'a/b',
    annotations: undefined,
  })
})

test('an index needs its manifests, an artifact its blobs', () => {
  const index = { schemaVersion: 2, manifests: [descriptor('a')], annotations: { a: 'b' } }
  const found = read(index, 'application/vnd.docker.distribution.manifest.list.v2+json')
  assert.deepEqual(
    [found.blobs, found.manifests, found.artifactType, found.annotations],
    [[], [digestOf('a')], undefined, { a: 'b' }],
  )
  const artifact = {
    mediaType: artifactManifest,
    artifactType: 'x/y',
    blobs: [descriptor('d')],
    subject: descriptor('e'),
  }
  const other = read(artifact, '')
  assert.deepEqual([other.blobs, other.subject, other.artifactType], [[digestOf('d')], digestOf('e'), 'x/y'])
  assert.deepEqual(read({ mediaType: artifactManifest }, artifactManifest).blobs, [])
})

test('what is wrong is said by its field', () => {
  for (const [more, message] of [
    [
      { layers: [descriptor('a'), { ...descriptor('b'), digest: 'x' }] },
      /layers\.1\.digest: not a sha256 or/,
    ],
    [{ layers: [{ ...descriptor('b'), size: 1.5 }] }, /layers\.0\.size: not a number of bytes/],
    [{ config: { ...descriptor('b'), mediaType: '' } }, /config\.mediaType: not a media type/],
    [{ config: [] }, /config: not a descriptor/],
    [{ layers: undefined }, /layers: not a list of descriptors/],
    [{ annotations: { a: 1 } }, /annotations\.a: not a text/],
    [{ annotations: [] }, /annotations: not an object of texts/],
    [{ manifests: null }, /an image has no manifests/],
    [{ artifactType: 1 }, /artifactType/],
    [{ subject: 'x' }, /subject: not a descriptor/],
    [{ schemaVersion: '2' }, /schemaVersion: want 2/],
  ] as const)
    assert.throws(() => read({ ...image, ...more }), { code: 'MANIFEST_INVALID', message })
})

test('fields by the names of an object’s own properties are fields like others', () => {
  const text = JSON.stringify({ ...image, annotations: { a: 'b' } }).replace('"a":"b"', '"__proto__":"x"')
  const { annotations } = readManifest(Buffer.from(text), imageType)
  assert.equal(JSON.stringify(annotations), '{"__proto__":"x"}')
  const wrong = text.replace('"__proto__":"x"', '"__proto__":{"y":1}')
  assert.throws(() => readManifest(Buffer.from(wrong), imageType), { code: 'MANIFEST_INVALID' })
})

test('a document that is made to be slow is not', () => {
  const many = (value: unknown) => Array.from({ length: 1_000_000 }, () => value)
  const started = performance.now()
  assert.equal(read({ ...image, config: { ...image.config, urls: many(1) } }).blobs.length, 3)
  for (const more of [{ layers: many({}) }, { layers: many(1).slice(0, 10_000) }, { layers: [many([])] }])
    assert.throws(() => read({ ...image, ...more }), { code: 'MANIFEST_INVALID' })
  // Looking at each of them with messages and paths took twenty.
  assert(performance.now() - started < 10_000)
})
