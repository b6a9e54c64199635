import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { digestOf } from '../lib/digest.ts'
import type { ProgressMessage } from '../wire/image.ts'
import { choosePlatform, formatPlatform, parsePlatform, suits } from './platform.ts'
import { LayerProgress } from './pull-progress.ts'
import { decodeManifest } from './registry-manifest.ts'
import { SharedWork } from './shared-work.ts'

const op = background(silentLogger)

test('platforms are read as docker reads them', () => {
  const read = (text: string) => formatPlatform(parsePlatform(text))
  assert.equal(read('linux/arm64/v8'), 'linux/arm64')
  assert.equal(read('aarch64'), 'linux/arm64')
  assert.equal(read('x86_64'), 'linux/amd64')
  assert.equal(read('linux/arm'), 'linux/arm/v7')
  assert.equal(read('linux/arm/6'), 'linux/arm/v6')
  assert.equal(read('Linux/AMD64'), 'linux/amd64')
  for (const text of ['a/b/c/d', 'linux/', '../x', ''])
    assert.throws(() => parsePlatform(text), { kind: 'invalid' }, text)
})

test('the newest variant that the machine runs is chosen', () => {
  const offers = [
    'linux/arm/v5',
    'linux/arm/v7',
    'linux/arm/v6',
    'linux/amd64',
    'linux/amd64/v3',
    'linux/arm64',
  ].map((text) => ({ text, platform: parsePlatform(text) }))
  const chosen = (wanted: string) => choosePlatform(offers, parsePlatform(wanted))?.text
  assert.equal(chosen('linux/arm/v7'), 'linux/arm/v7')
  assert.equal(chosen('linux/arm/v6'), 'linux/arm/v6')
  assert.equal(chosen('linux/arm/v8'), 'linux/arm/v7')
  assert.equal(chosen('linux/amd64'), 'linux/amd64')
  assert.equal(chosen('linux/arm64/v8'), 'linux/arm64')
  assert.equal(chosen('linux/s390x'), undefined)
  assert.equal(choosePlatform([{ platform: undefined }], parsePlatform('linux/amd64')), undefined)
  assert.ok(suits({ os: 'linux', architecture: 'arm64', variant: 'v8' }, parsePlatform('arm64')))
})

test('work is shared, told to all, and stops with the last who wants it', async () => {
  const shared = new SharedWork<string, number, string>()
  let runs = 0
  let stopped = 0
  const gate = Promise.withResolvers<void>()
  const work = async (inner: Op, tell: (news: number) => void) => {
    runs++
    tell(1)
    await Promise.race([
      gate.promise,
      new Promise<void>((_, reject) =>
        inner.signal.addEventListener('abort', () => reject(new Error('stopped')), { once: true }),
      ),
    ]).catch((error: unknown) => {
      stopped++
      throw error
    })
    tell(2)
    return 'done'
  }
  const heard: number[][] = [[], []]
  const leaving = new AbortController()
  const first = shared.join({ ...op, signal: leaving.signal }, 'k', { work, tell: (n) => heard[0]?.push(n) })
  const second = shared.join(op, 'k', { work, tell: (n) => heard[1]?.push(n) })
  leaving.abort()
  await assert.rejects(first, { name: 'AbortError' })
  gate.resolve()
  assert.equal(await second, 'done')
  assert.deepEqual([runs, stopped, heard], [1, 0, [[1], [1, 2]]])

  const alone = new AbortController()
  const undoing = Promise.withResolvers<void>()
  const stuck = async (inner: Op) => {
    await new Promise<void>((resolve) =>
      inner.signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    await undoing.promise
    stopped++
    return 'undone'
  }
  const only = shared.join({ ...op, signal: alone.signal }, 'k', { work: stuck, tell: () => {} })
  alone.abort()
  await new Promise((resolve) => setImmediate(resolve))
  // Who comes while it is being undone waits for that, and begins anew.
  const next = shared.join(op, 'k', { work: () => Promise.resolve('again'), tell: () => {} })
  undoing.resolve()
  await assert.rejects(only, { name: 'AbortError' })
  assert.equal(stopped, 1)
  assert.equal(await next, 'again')
})

test('of many steps a few are told', () => {
  const told: ProgressMessage[] = []
  const progress = new LayerProgress('abc', (message) => told.push(message))
  for (let current = 0; current < 1000; current++)
    progress.tell({ status: 'Downloading', current, total: 1000 })
  progress.tell({ status: 'Retrying', seconds: 1 })
  progress.tell({ status: 'Download complete' })
  progress.done()
  assert.ok(told.length < 10, String(told.length))
  assert.deepEqual(told.map(({ status }) => status).slice(-3), [
    'Retrying in 1 second',
    'Download complete',
    'Pull complete',
  ])
  assert.deepEqual(told[0]?.progressDetail, { current: 0, total: 1000 })
})

test('manifests: what is an image, an index, or neither', () => {
  const digest = digestOf('x')
  const item = (mediaType: string, more: object = {}) => ({ mediaType, digest, size: 1, ...more })
  const oci = 'application/vnd.oci.image'
  const manifest = (mediaType: string, value: object) => ({
    mediaType,
    digest,
    data: Buffer.from(JSON.stringify(value)),
  })
  const config = item(`${oci}.config.v1+json`)
  const layers = [item(`${oci}.layer.v1.tar+zstd`), item('application/vnd.docker.image.rootfs.diff.tar.gzip')]
  const image = decodeManifest(manifest(`${oci}.manifest.v1+json`, { config, layers }), 'x')
  assert.equal(image.kind === 'image' && image.layers.length, 2)
  const platform = { os: 'linux', architecture: 'amd64' }
  const index = decodeManifest(
    manifest(`${oci}.index.v1+json`, {
      manifests: [
        item(`${oci}.manifest.v1+json`, { platform }),
        item(`${oci}.manifest.v1+json`, { platform: { os: 'unknown', architecture: 'unknown' } }),
      ],
    }),
    'x',
  )
  assert.deepEqual(index.kind === 'index' && [index.images.length, index.all.length], [1, 2])
  const refused = (value: object, kind: string, message: RegExp, type = `${oci}.manifest.v1+json`) =>
    assert.throws(() => decodeManifest(manifest(type, value), 'team/x'), { kind, message })
  refused({ config: item('text/plain'), layers: [] }, 'unsupported', /^team\/x is not an image/)
  refused(
    { config, layers: [item(`${oci}.layer.nondistributable.v1.tar`)] },
    'unsupported',
    /kept outside of the registry/,
  )
  refused({ config, layers: [item('text/plain')] }, 'unsupported', /of an unknown type: "text\/plain"/)
  refused(
    { config: { ...config, digest: 'sha256:../..' }, layers: [] },
    'invalid',
    /config.digest: not a sha256 digest/,
  )
  refused({ config: { ...config, size: -1 }, layers: [] }, 'invalid', /config.size/)
  refused({}, 'unsupported', /schema 1/, 'application/vnd.docker.distribution.manifest.v1+prettyjws')
  refused({}, 'unsupported', /unknown type "text\/html"/, 'text/html')
})
