import assert from 'node:assert/strict'
import { test } from 'node:test'
import { canonical } from '../../lib/reference.ts'
import { annotationsOf } from './annotations.ts'
import { checkAttestations, parseOutputs, type Output } from './outputs.ts'

const send = () => Promise.resolve()
const one = (type: string, attrs: Record<string, string> = {}, tags: string[] = [], sent = false): Output => {
  const [output] = parseOutputs([{ type, attrs, ...(sent && { send }) }], { tags, several: false })
  assert.ok(output)
  return output
}

test('without outputs the result is an image of the store, with the tags', () => {
  const [output] = parseOutputs(undefined, { tags: ['app:1'], several: false })
  assert.ok(output?.kind === 'store' && !output.push)
  assert.deepEqual(output.names.map(canonical), ['docker.io/library/app:1'])
})

test('names come from the output and the tags, each once', () => {
  const output = one('image', { name: 'a,b:2' }, ['a'])
  assert.ok(output.kind === 'store')
  assert.deepEqual(output.names.map(canonical), ['docker.io/library/a:latest', 'docker.io/library/b:2'])
})

test('docker without a receiver is the store, with one an archive', () => {
  assert.equal(one('docker').kind, 'store')
  const archive = one('docker', {}, [], true)
  assert.ok(archive.kind === 'archive' && !archive.manifest.ociTypes)
  assert.ok(one('registry', { name: 'r.example/x' }).kind === 'store')
})

test('annotations and compression are read, and make manifests OCI ones', () => {
  const output = one(
    'oci',
    { compression: 'zstd', 'compression-level': '7', 'annotation-index[linux/amd64].k': 'v' },
    [],
    true,
  )
  assert.ok(output.kind === 'archive')
  assert.deepEqual(output.manifest.layers, { compression: 'zstd', level: 7, force: false })
  assert.deepEqual(annotationsOf(output.manifest.annotations, 'index'), { k: 'v' })
})

test('annotations of one platform are for its manifest alone', () => {
  const output = one('oci', { 'annotation.a': '1', 'annotation[linux/arm64/v8].a': '2' }, [], true)
  assert.ok(output.kind === 'archive')
  const { annotations } = output.manifest
  const of = (architecture: string) => annotationsOf(annotations, 'manifest', { os: 'linux', architecture })
  assert.deepEqual([of('amd64'), of('arm64')], [{ a: '1' }, { a: '2' }])
})

test('files of several platforms go into folders, those of one only when asked to', () => {
  const files = (attrs: Record<string, string>, several: boolean) => {
    const [output] = parseOutputs([{ type: 'local', attrs, send }], { tags: [], several })
    return output?.kind === 'files' && output.split
  }
  assert.deepEqual(
    [files({}, false), files({}, true), files({ 'platform-split': 'true' }, false)],
    [false, true, true],
  )
  assert.throws(() => files({ 'platform-split': 'false' }, true), /platform-split=false .* is not supported/)
  const archive = () => parseOutputs([{ type: 'docker', attrs: {}, send }], { tags: [], several: true })
  assert.throws(archive, /docker exporter does not support exporting manifest lists/)
})

test('what an output cannot do is refused by name', () => {
  const cases: [() => unknown, RegExp][] = [
    [() => one('nope'), /output type "nope" is not supported/],
    [() => one('local'), /output local needs a receiver/],
    [() => one('oci', { bogus: '1' }, [], true), /output oci: bogus is not supported/],
    [() => one('image', { unpack: 'false' }), /output image: unpack is not supported/],
    [() => one('image', { push: 'maybe' }), /non-bool value "maybe" specified for push/],
    [() => one('image', { push: 'true' }), /tag is needed when pushing to registry/],
    [
      () => one('image', { name: 'x@sha256:' + 'a'.repeat(64) }),
      /refusing to create a tag with a digest reference/,
    ],
    [() => one('image', { 'annotation.k': 'v' }), /annotations are kept in manifests/],
    [() => one('oci', { compression: 'estargz' }, [], true), /layer compression "estargz" is not supported/],
    [() => one('oci', { 'compression-level': '12' }, [], true), /compression level 12 does not fit gzip/],
    [() => one('oci', { 'annotation-nope.k': 'v' }, [], true), /invalid annotation "annotation-nope\.k"/],
    [() => checkAttestations([one('local', {}, [], true)]), /attestations stand beside manifests/],
    [() => checkAttestations([one('docker', {}, [], true)]), /attestations stand beside manifests/],
  ]
  for (const [work, message] of cases) assert.throws(work, message)
  checkAttestations([one('oci', {}, [], true), one('registry', { name: 'x' })])
})
