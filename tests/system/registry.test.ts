/** Pull, push, login and what uses them, against registries of the tests' own. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf } from '../../src/lib/digest.ts'
import { TestRegistry } from '../../src/registry/testing.ts'
import { tar } from './archives.ts'
import { busyboxTar, eventually, system } from './harness.ts'

const types = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
}
const arch = process.arch === 'arm64' ? 'arm64' : 'amd64'

interface LayerInput {
  readonly data: Buffer
  readonly compression?: 'gzip' | 'zstd'
  /** In place of the true one. */
  readonly diffId?: string
}

/** Puts an image into a registry by hand; returns its manifest's descriptor. */
function addImage(
  registry: TestRegistry,
  name: string,
  tag: string | undefined,
  o: { layers: readonly LayerInput[]; architecture?: string },
) {
  const config = Buffer.from(
    JSON.stringify({
      architecture: o.architecture ?? arch,
      os: 'linux',
      config: { Cmd: ['sh'], Env: ['PATH=/bin:/usr/bin'] },
      rootfs: { type: 'layers', diff_ids: o.layers.map((layer) => layer.diffId ?? digestOf(layer.data)) },
    }),
  )
  const layers = o.layers.map(({ data, compression }) => {
    const blob =
      // As a push does it.
      compression === 'gzip'
        ? gzipSync(data, { level: 4 })
        : compression === 'zstd'
          ? zstdCompressSync(data)
          : data
    const mediaType = compression === undefined ? types.layer : `${types.layer}+${compression}`
    return { mediaType, ...registry.addBlob(name, blob) }
  })
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: types.manifest,
      config: { mediaType: types.config, ...registry.addBlob(name, config) },
      layers,
      annotations: { note: 'kept as it is' },
    }),
  )
  const digest = registry.addManifest(name, tag, types.manifest, manifest)
  return { digest, size: manifest.length, mediaType: types.manifest, layers, id: digestOf(config) }
}

describe('registries', () => {
  const s = system()
  let registry: TestRegistry
  let extra: Buffer
  before(async () => {
    registry = await TestRegistry.start()
    extra = await tar([{ name: 'extra', content: randomBytes(300_000) }])
    const base = { data: await busyboxTar(), compression: 'gzip' as const }
    addImage(registry, 'team/app', 'v1', {
      layers: [
        base,
        { data: extra, compression: 'zstd' },
        { data: await tar([{ name: 'plain', content: 'x' }]) },
      ],
    })
  })
  after(() => registry[Symbol.asyncDispose]())
  const name = (rest = 'team/app:v1') => `${registry.host}/${rest}`

  test('an image is pulled, runs, is known by its digest, and is not asked for twice', async () => {
    const manifest = digestOf(registry.manifests.get('team/app')?.get('v1')?.data ?? '')
    const out = await s.ok('pull', name())
    assert.match(out, /^v1: Pulling from team\/app\n/)
    // The base is here already: layers are known by their content.
    assert.equal(out.match(/: Pull complete/g)?.length, 2)
    assert.equal(out.match(/: Already exists/g)?.length, 1)
    assert.ok(
      out.includes(`Digest: ${manifest}\nStatus: Downloaded newer image for ${name()}\n${name()}`),
      out,
    )
    assert.equal(await s.ok('run', '--rm', name(), 'cat', 'plain'), 'x')
    assert.match(
      await s.ok('images', '--digests', '--format', '{{.Repository}} {{.Digest}}'),
      new RegExp(`${name('team/app')} ${manifest}`),
    )
    const [inspected] = JSON.parse(await s.ok('image', 'inspect', name())) as { RepoDigests: string[] }[]
    assert.deepEqual(inspected?.RepoDigests, [`${name('team/app')}@${manifest}`])
    const blobs = registry.count(/GET .*blobs/)
    assert.equal(
      await s.ok('pull', name()),
      `v1: Pulling from team/app\nDigest: ${manifest}\nStatus: Image is up to date for ${name()}\n${name()}`,
    )
    assert.equal(registry.count(/GET .*blobs/), blobs)
    assert.equal(
      await s.ok('pull', '-q', `${name('team/app')}@${manifest}`),
      `${name('team/app')}@${manifest}`,
    )
    await s.ok('rmi', name())
    await s.ok('run', '--rm', `${name('team/app')}@${manifest}`, 'true')
  })

  test('what was pulled is pushed as it was, by mounting; again, nothing is sent', async () => {
    await s.ok('pull', '-q', name())
    await s.ok('tag', name(), name('other/copy:2'))
    const manifest = digestOf(registry.manifests.get('team/app')?.get('v1')?.data ?? '')
    const first = await s.ok('push', name('other/copy:2'))
    assert.equal(first.match(/: Mounted from team\/app/g)?.length, 3, first)
    assert.match(first, new RegExp(`2: digest: ${manifest} size: \\d+$`))
    assert.deepEqual(
      registry.manifests.get('other/copy')?.get('2')?.data,
      registry.manifests.get('team/app')?.get('v1')?.data,
    )
    const sent = registry.count(/^(PATCH|POST)/)
    assert.equal((await s.ok('push', name('other/copy:2'))).match(/Layer already exists/g)?.length, 3)
    assert.equal(registry.count(/^(PATCH|POST)/), sent)
  })

  test('a built image is compressed, pushed, and the same when it comes back', async () => {
    const context = join(s.daemon.home, 'context')
    mkdirSync(context, { recursive: true })
    writeFileSync(join(context, 'Dockerfile'), 'FROM busybox\nRUN echo built > /built\nCOPY Dockerfile /\n')
    await s.ok('build', '-q', '-t', name('made/app'), context)
    const id = await s.ok('images', '-q', '--no-trunc', name('made/app'))
    assert.equal((await s.ok('push', name('made/app'))).match(/: Pushed/g)?.length, 2)
    const pushed = registry.manifests.get('made/app')?.get('latest')
    assert.equal(pushed?.type, 'application/vnd.docker.distribution.manifest.v2+json')
    await s.ok('push', '-q', name('made/app'))
    assert.deepEqual(registry.manifests.get('made/app')?.get('latest'), pushed)
    // Elsewhere in the same registry, without mounts: compressed again, to the same digests.
    registry.mounts = false
    await s.ok('tag', name('made/app'), name('made/again'))
    await s.ok('push', '-q', name('made/again'))
    registry.mounts = true
    assert.deepEqual(registry.manifests.get('made/again')?.get('latest')?.data, pushed?.data)
    await s.ok('rmi', '-f', id)
    await s.daemon.api('POST', '/build/prune?all=1')
    assert.equal(await s.ok('run', '--rm', name('made/app'), 'cat', '/built'), 'built')
    assert.equal(await s.ok('images', '-q', '--no-trunc', name('made/app')), id)
    assert.equal(registry.openUploads, 0)
  })

  test('the platform is chosen from an index, and attestations are passed over', async () => {
    const layer = { data: await busyboxTar() }
    const own = addImage(registry, 'multi/app', undefined, { layers: [layer] })
    const other = addImage(registry, 'multi/app', undefined, { layers: [layer], architecture: 'riscv64' })
    const entry = (image: typeof own, architecture: string, os = 'linux') => ({
      mediaType: image.mediaType,
      digest: image.digest,
      size: image.size,
      platform: { os, architecture },
    })
    const index = registry.addManifest('multi/app', 'latest', types.index, {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [
        {
          ...entry(own, 'unknown', 'unknown'),
          digest: digestOf('gone'),
          annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
        },
        entry(other, 'riscv64'),
        entry(own, arch),
      ],
    })
    assert.match(await s.ok('pull', name('multi/app')), new RegExp(`Digest: ${index}`))
    assert.equal(await s.ok('images', '-q', '--no-trunc', name('multi/app')), own.id)
    // Another platform of the same index is added to the same image.
    const added = await s.ok('pull', '--platform', 'linux/riscv64', name('multi/app'))
    assert.match(added, /Downloaded newer image/)
    const architecture = (...flags: string[]) =>
      s.ok('image', 'inspect', ...flags, '-f', '{{.Architecture}}', name('multi/app'))
    assert.equal(await architecture(), arch)
    assert.equal(await architecture('--platform', 'linux/riscv64'), 'riscv64')
    assert.match(await s.ok('pull', '--platform', 'linux/riscv64', name('multi/app')), /Image is up to date/)
    assert.equal((await s.ok('images', '-q', name('multi/app'))).split('\n').length, 1)
    assert.equal((await s.ok('images', '-aq', '--filter', 'dangling=true')).length, 0)
    await s.fails(
      1,
      /was found but does not provide the specified platform \(linux\/s390x\)/,
      'history',
      '--platform',
      's390x',
      name('multi/app'),
    )
    await s.fails(
      1,
      /no matching manifest for linux\/s390x in the manifest list entries of .*: it has linux\/riscv64, linux\//,
      'pull',
      '--platform',
      'linux/s390x',
      name('multi/app'),
    )
    await s.fails(
      1,
      /its platform \(linux\/\w+\) does not match the specified platform \(linux\/s390x\)/,
      'pull',
      '--platform',
      's390x',
      name(),
    )
  })

  test('an index is kept and pushed whole, with attestations; else what is here of it, and that is said', async () => {
    const layer = { data: await busyboxTar() }
    const own = addImage(registry, 'whole/app', undefined, { layers: [layer] })
    const other = addImage(registry, 'whole/app', undefined, { layers: [layer], architecture: 'riscv64' })
    const statement = Buffer.from('{"predicateType":"https://slsa.dev/provenance/v1"}')
    const attestation = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: types.manifest,
        config: { mediaType: types.config, ...registry.addBlob('whole/app', Buffer.from('{}')) },
        layers: [{ mediaType: 'application/vnd.in-toto+json', ...registry.addBlob('whole/app', statement) }],
      }),
    )
    const attested = registry.addManifest('whole/app', undefined, types.manifest, attestation)
    const entry = (image: { digest: string; size: number }, architecture: string, os = 'linux') => ({
      mediaType: types.manifest,
      digest: image.digest,
      size: image.size,
      platform: { os, architecture },
    })
    const index = registry.addManifest('whole/app', 'latest', types.index, {
      schemaVersion: 2,
      mediaType: types.index,
      manifests: [
        entry(other, 'riscv64'),
        entry(own, arch),
        {
          ...entry({ digest: attested, size: attestation.length }, 'unknown', 'unknown'),
          annotations: { 'vnd.docker.reference.type': 'attestation-manifest' },
        },
      ],
    })
    // One platform is here: that is what goes.
    await s.ok('pull', '-q', name('whole/app'))
    await s.ok('tag', name('whole/app'), name('part/app'))
    const said = await s.ok('push', name('part/app'))
    assert.match(
      said,
      new RegExp(`only the available single-platform image was pushed\\s+${index} -> ${own.digest}`),
    )
    assert.equal(registry.manifests.get('part/app')?.get('latest')?.type, types.manifest)
    assert.doesNotMatch(await s.ok('push', '--platform', `linux/${arch}`, name('part/app')), /Info/)

    await s.ok('pull', '-q', '--platform', 'all', name('whole/app'))
    await s.ok('tag', name('whole/app'), name('copy/app'))
    registry.mounts = false
    assert.match(await s.ok('push', name('copy/app')), new RegExp(`latest: digest: ${index}`))
    registry.mounts = true
    const pushed = registry.manifests.get('copy/app')
    assert.equal(pushed?.get('latest')?.type, types.index)
    for (const digest of [own.digest, other.digest, attested]) assert.ok(pushed?.has(digest), digest)

    // It is all kept while a name means it, over a restart of the daemon as well, and goes with the last one.
    await s.ok('rmi', name('whole/app'), name('part/app'))
    await s.ok('image', 'prune', '-f')
    await s.daemon.stop()
    await s.daemon.start()
    assert.equal(
      await s.ok('image', 'inspect', '--platform', 'riscv64', '-f', '{{.Id}}', name('copy/app')),
      other.id,
    )
    registry.manifests.delete('copy/app')
    assert.match(await s.ok('push', name('copy/app')), new RegExp(`latest: digest: ${index}`))
    // The same with an archive on the way.
    const archive = join(s.daemon.home, 'several.tar')
    await s.ok('save', '-o', archive, name('copy/app'))
    const one = join(s.daemon.home, 'one.tar')
    await s.ok('save', '-o', one, '--platform', 'riscv64', name('copy/app'))
    await s.ok('rmi', name('copy/app'))
    assert.equal(await s.ok('load', '-i', archive), `Loaded image: ${name('copy/app')}:latest`)
    assert.equal(await s.ok('image', 'inspect', '-f', '{{.Id}}', name('copy/app')), own.id)
    registry.manifests.delete('copy/app')
    assert.match(await s.ok('push', name('copy/app')), new RegExp(`latest: digest: ${index}`))
    await s.ok('rmi', name('copy/app'))
    await s.ok('load', '-i', one)
    assert.equal(await s.ok('image', 'inspect', '-f', '{{.Id}}', name('copy/app')), other.id)
    await s.ok('rmi', name('copy/app'))
    await s.fails(1, /no image for the platform linux\/s390x/, 'load', '-i', archive, '--platform', 's390x')
    await s.ok('load', '-i', archive, '--platform', 'riscv64')
    assert.equal(await s.ok('image', 'inspect', '-f', '{{.Id}}', name('copy/app')), other.id)
    await s.ok('load', '-i', archive)
    const removed = await s.ok('rmi', name('copy/app'))
    for (const id of [own.id, other.id]) assert.match(removed, new RegExp(`Deleted: ${id}`))
    assert.equal(await s.ok('images', '-aq', '--filter', 'reference=*/app'), '')
  })

  test('search asks an index, shows a table, and filters', async () => {
    const long = 'An image whose description is far longer than the table has room for'
    const asked: string[] = []
    const index = createServer((request, response) => {
      asked.push(request.url ?? '')
      if (!request.url?.startsWith('/v1/search')) return void response.writeHead(404).end()
      if (request.url.includes('q=broken')) return void response.end('<html>not JSON</html>')
      if (request.url.includes('q=none')) return void response.end('{"results":null}')
      response.end(
        JSON.stringify({
          results: [
            { name: 'busybox', description: long, star_count: 3000, is_official: true },
            { name: 'someone/busybox', description: 'Two\nlines \x1b[31m', star_count: 2 },
          ],
        }),
      )
    })
    index.listen(0, '127.0.0.1')
    await once(index, 'listening')
    try {
      const host = `127.0.0.1:${(index.address() as AddressInfo).port}`
      const listed = (await s.ok('search', '--limit', '7', `${host}/busybox`)).split('\n')
      assert.match(listed[0] ?? '', /^NAME +DESCRIPTION +STARS +OFFICIAL$/)
      assert.match(listed[1] ?? '', /^busybox +An image whose description is far longer tha… +3000 +\[OK\]$/)
      // Nothing of a foreign text moves the cursor.
      assert.match(listed[2] ?? '', /^someone\/busybox +Two lines +\[31m +2 *$/)
      assert.equal(asked.at(-1), '/v1/search?q=busybox&n=7')
      const names = (...flags: string[]) =>
        s.ok('search', '--format', '{{.Name}}', ...flags, `${host}/busybox`)
      assert.equal(await names(), 'busybox\nsomeone/busybox')
      assert.equal(await names('--filter', 'is-official=true'), 'busybox')
      assert.equal(await names('--filter', 'stars=2', '-f', 'is-official=false'), 'someone/busybox')
      assert.match(await s.ok('search', '--no-trunc', `${host}/busybox`), new RegExp(long))
      assert.equal((await s.ok('search', `${host}/none`)).split('\n').length, 1)
      await s.fails(1, /the answer to the search is not understood/, 'search', `${host}/broken`)
      await s.fails(
        1,
        /limit 101 is outside the range of \[1, 100\]/,
        'search',
        '--limit',
        '101',
        `${host}/x`,
      )
      await s.fails(1, /invalid filter 'stars=many'/, 'search', '-f', 'stars=many', `${host}/x`)
      await s.fails(1, /connection refused/, 'search', '127.0.0.1:1/x')
    } finally {
      index.close()
    }
  })

  test('all tags', async () => {
    const layers = [{ data: await busyboxTar() }]
    for (const tag of ['1', '2', '3']) addImage(registry, 'many/app', tag, { layers })
    await s.ok('pull', '-a', '-q', name('many/app'))
    const listed = await s.ok('images', '--format', '{{.Tag}}', name('many/app'))
    assert.deepEqual(listed.split('\n').toSorted(), ['1', '2', '3'])
    await s.ok('tag', name('many/app:1'), name('more/app:1'))
    await s.ok('tag', name('many/app:1'), name('more/app:2'))
    await s.ok('push', '-a', name('more/app'))
    assert.ok(registry.manifests.get('more/app')?.has('1') && registry.manifests.get('more/app')?.has('2'))
  })

  test('manifest lists are made and pushed; images are copied without being pulled', async () => {
    const layers = [{ data: await busyboxTar() }]
    const one = addImage(registry, 'lists/one', '1', { layers })
    const two = addImage(registry, 'lists/two', '1', { layers: [{ data: await tar([{ name: 'two' }]) }] })
    const list = name('lists/both:1')
    assert.equal(
      await s.ok('manifest', 'create', list, name('lists/one:1'), name('lists/two:1')),
      `Created manifest list ${list}`,
    )
    await s.fails(
      1,
      /refusing to amend an existing manifest list/,
      'manifest',
      'create',
      list,
      name('lists/one:1'),
    )
    await s.ok('manifest', 'annotate', '--arch', 'arm', '--variant', 'v7', list, name('lists/two:1'))
    const out = await s.ok('manifest', 'push', '--purge', list)
    const stored = registry.manifests.get('lists/both')?.get('1')
    assert.equal(stored?.type, types.index)
    assert.equal(out.split('\n').at(-1), digestOf(stored?.data ?? ''))
    await s.fails(1, /No such manifest/, 'manifest', 'rm', list)
    assert.equal(registry.blobs.get('lists/both')?.size, 4)
    const copied = (await s.run(['buildx', 'imagetools', 'create', '-t', name('lists/copy:x'), list])).stderr
    assert.match(copied, new RegExp(`copy:x with digest ${digestOf(stored?.data ?? '')}`))
    assert.deepEqual(registry.manifests.get('lists/copy')?.get('x')?.data, stored?.data)
    const shown = await s.ok('buildx', 'imagetools', 'inspect', name('lists/copy:x'))
    assert.match(
      shown,
      new RegExp(`@${one.digest}[^]*Platform:  linux/${arch}[^]*@${two.digest}[^]*linux/arm/v7`),
    )
    const manifest = JSON.parse(await s.ok('manifest', 'inspect', name('lists/one:1'))) as {
      layers: object[]
    }
    assert.equal(manifest.layers.length, 1)
    await s.fails(1, /manifest unknown/, 'manifest', 'inspect', name('lists/none'))
  })

  test('what lies is refused by name, and leaves nothing', async () => {
    const layer = {
      data: await tar([{ name: 'f', content: randomBytes(50_000) }]),
      compression: 'gzip' as const,
    }
    const refused = async (repository: string, text: RegExp) => {
      const before = readdirSync(join(s.daemon.dataRoot, 'content/blobs/sha256')).length
      await s.fails(1, text, 'pull', name(repository))
      await s.fails(1, /No such image/, 'image', 'inspect', name(repository))
      assert.equal(readdirSync(join(s.daemon.dataRoot, 'content/blobs/sha256')).length, before)
      assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'content/ingest')), [])
    }
    // Other bytes of the same length under the layer's digest.
    const wrong = addImage(registry, 'bad/blob', 'latest', { layers: [layer] })
    const [blob] = wrong.layers
    const honest = registry.blobs.get('bad/blob')?.get(blob?.digest ?? '') ?? Buffer.alloc(0)
    const lying = Buffer.from(honest)
    lying[25_000] = (lying[25_000] ?? 0) ^ 1
    registry.blobs.get('bad/blob')?.set(blob?.digest ?? '', lying)
    await refused('bad/blob', /damaged|verification failed|promised/)
    addImage(registry, 'bad/diffid', 'latest', { layers: [{ ...layer, diffId: digestOf('something else') }] })
    await refused('bad/diffid', /not sha256:\w+ as promised/)
    const climbing = await tar([{ name: '../../escaped', content: 'x' }])
    addImage(registry, 'bad/tar', 'latest', { layers: [{ data: climbing, compression: 'gzip' }] })
    await refused('bad/tar', /refused|\.\.\/\.\.\/escaped/)
    addImage(registry, 'bad/short', 'latest', { layers: [layer] })
    registry.manifests.get('bad/short')?.set('latest', {
      type: 'application/vnd.docker.distribution.manifest.v1+json',
      data: Buffer.from('{"schemaVersion":1}'),
    })
    await refused('bad/short', /schema 1, which is not supported/)
    registry.addManifest('bad/thing', 'latest', types.manifest, {
      schemaVersion: 2,
      config: {
        mediaType: 'application/vnd.example.chart',
        ...registry.addBlob('bad/thing', Buffer.from('{}')),
      },
      layers: [],
    })
    await refused(
      'bad/thing',
      /is not an image: its configuration is of the type "application\/vnd.example.chart"/,
    )
    await refused('not/there', /manifest for .*not\/there:latest not found: manifest unknown/)
  })

  test('a broken connection is taken up again; two pulls of one image fetch it once', async () => {
    const data = await tar([{ name: 'big', content: randomBytes(3_000_000) }])
    addImage(registry, 'slow/app', 'latest', { layers: [{ data, compression: 'gzip' }] })
    let cuts = 0
    registry.faults.push(({ method, url }) =>
      method === 'GET' && url.includes('slow/app/blobs') && cuts++ === 1
        ? { cutAfter: 1_000_000 }
        : undefined,
    )
    const before = registry.count(/GET \/v2\/slow\/app\/blobs/)
    await Promise.all([s.ok('pull', '-q', name('slow/app')), s.ok('pull', '-q', name('slow/app'))])
    registry.faults.length = 0
    // The configuration once or twice, the layer in two parts.
    const asked = registry.count(/GET \/v2\/slow\/app\/blobs/) - before
    assert.ok(asked <= 4, `${asked} requests`)
  })

  test('a pull that is interrupted leaves nothing', async () => {
    const data = await tar([{ name: 'big', content: randomBytes(3_000_000) }])
    addImage(registry, 'hang/app', 'latest', { layers: [{ data, compression: 'gzip' }] })
    let hanging = false
    registry.faults.push(({ method, url, headers }, response) => {
      if (method !== 'GET' || !url.includes('hang/app/blobs') || headers.range) return undefined
      const digest = url.split('/').at(-1) ?? ''
      const blob = registry.blobs.get('hang/app')?.get(digest)
      if (!blob || blob.length < 10_000) return undefined
      response.writeHead(200, { 'Content-Length': blob.length })
      response.write(blob.subarray(0, 1_000_000), () => (hanging = true))
      return 'answered'
    })
    const blobs = () => readdirSync(join(s.daemon.dataRoot, 'content/blobs/sha256')).length
    const before = blobs()
    const child = s.spawn(['pull', name('hang/app')])
    await eventually(() => assert.ok(hanging))
    child.kill('SIGINT')
    await eventually(() => {
      assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'content/ingest')), [])
      assert.deepEqual(readdirSync(join(s.daemon.dataRoot, 'overlay/tmp')), [])
      assert.equal(blobs(), before)
    })
    registry.faults.length = 0
  })

  test('run and create pull what is missing, always, or never; builds too', async () => {
    const pulled = await s.run(['run', '--rm', name(), 'echo', 'ran'])
    assert.equal(pulled.stdout, 'ran\n')
    assert.match(
      pulled.stderr,
      /^Unable to find image '.*team\/app:v1' locally\nv1: Pulling from team\/app\n/,
    )
    const asked = () => registry.count(/GET .*manifests\/v1/)
    const before = asked()
    assert.equal((await s.run(['run', '--rm', '--pull', 'missing', name(), 'true'])).stderr, '')
    assert.equal(asked(), before)
    assert.equal((await s.run(['run', '--rm', '--pull=always', '-q', name(), 'true'])).stderr, '')
    assert.equal(asked(), before + 1)
    await s.ok('rmi', name())
    await s.fails(125, /No such image: .*team\/app:v1/, 'run', '--pull', 'never', name(), 'true')
    const context = join(s.daemon.home, 'context2')
    mkdirSync(context, { recursive: true })
    writeFileSync(join(context, 'Dockerfile'), `FROM ${name()}\nRUN test -f /plain\n`)
    await s.ok('build', '-q', context)
    const now = asked()
    await s.ok('build', '-q', context)
    assert.equal(asked(), now)
    await s.ok('build', '-q', '--pull', context)
    assert.equal(asked(), now + 1)
  })
})

describe('registries that ask who it is', () => {
  const s = system()
  const users = { ann: 'wonder-word' }
  let registry: TestRegistry
  let config: string
  before(async () => {
    registry = await TestRegistry.start({ auth: 'bearer', users, publicPrefix: 'public/' })
    for (const name of ['private/app', 'public/app'])
      addImage(registry, name, 'v1', { layers: [{ data: await busyboxTar() }] })
    config = join(s.daemon.home, '.docker')
  })
  after(() => registry[Symbol.asyncDispose]())

  test('login, pull, push, logout', async () => {
    const image = `${registry.host}/private/app:v1`
    await s.fails(
      1,
      /pull access denied for .*private\/app, repository does not exist or may require 'docker login'/,
      'pull',
      image,
    )
    await s.fails(1, /unauthorized/, 'login', '-u', 'ann', '-p', 'wrong', registry.host)
    assert.ok(!existsSync(join(config, 'config.json')))
    const login = await s.run(['login', '-u', 'ann', '--password-stdin', registry.host], {
      input: 'wonder-word\n',
    })
    assert.equal(login.code, 0, login.stderr)
    assert.equal(login.stdout, 'Login Succeeded\n')
    assert.match(login.stderr, /stored unencrypted in '.*config.json'/)
    assert.equal(statSync(join(config, 'config.json')).mode & 0o777, 0o600)
    const { auths } = JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')) as {
      auths: Record<string, object>
    }
    assert.deepEqual(Object.keys(auths), [registry.host])
    // The server gave a token in place of the password, which is then written nowhere.
    assert.doesNotMatch(readFileSync(join(config, 'config.json'), 'utf8'), /wonder-word|d29uZGVyLXdvcmQ/)
    assert.equal(await s.ok('logout', registry.host), `Removing login credentials for ${registry.host}`)
    assert.equal(await s.ok('logout', registry.host), `Not logged in to ${registry.host}`)
    await s.fails(1, /requires --username to be set/, 'login', '--password-stdin', registry.host)
    await s.fails(1, /Cannot perform an interactive login from a non TTY device/, 'login', registry.host)
    writeFileSync(
      join(config, 'config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth: btoa('ann:wonder-word') } } }),
    )
    await s.ok('pull', '-q', image)
    await s.ok('tag', image, `${registry.host}/private/two`)
    await s.ok('push', '-q', `${registry.host}/private/two`)
    assert.ok(registry.manifests.get('private/two')?.has('latest'))
    await s.ok('rmi', image, `${registry.host}/private/two`)
    const context = join(s.daemon.home, 'context')
    mkdirSync(context, { recursive: true })
    writeFileSync(join(context, 'Dockerfile'), `FROM ${image}\n`)
    await s.ok('build', '-q', context)
  })

  test('a credential helper is asked, told and made to forget', async () => {
    const bin = join(s.daemon.home, 'bin')
    mkdirSync(bin, { recursive: true })
    mkdirSync(config, { recursive: true })
    const helper = join(bin, 'docker-credential-test')
    // Keeps what it is given in a file; its protocol is docker's.
    writeFileSync(
      helper,
      `#!/bin/sh\ncase $1 in\nstore) cat > ${bin}/kept ;;\nget) cat >/dev/null; [ -f ${bin}/kept ] && cat ${bin}/kept || { echo 'credentials not found in native keychain'; exit 1; } ;;\nerase) cat > ${bin}/erased; rm -f ${bin}/kept ;;\nlist) echo '{}' ;;\nesac\n`,
    )
    chmodSync(helper, 0o755)
    writeFileSync(
      join(config, 'config.json'),
      JSON.stringify({ credHelpers: { [registry.host]: 'test' }, detachKeys: 'ctrl-a' }),
    )
    const env = { PATH: `${bin}:${process.env['PATH']}` }
    const image = `${registry.host}/private/app:v1`
    assert.equal((await s.run(['pull', '-q', image], { env })).code, 1)
    const login = await s.run(['login', '-u', 'ann', '-p', 'wonder-word', registry.host], { env })
    assert.equal(login.code, 0, login.stderr)
    assert.doesNotMatch(login.stderr, /unencrypted/)
    assert.deepEqual(JSON.parse(readFileSync(join(bin, 'kept'), 'utf8')), {
      ServerURL: registry.host,
      Username: '<token>',
      Secret: 'an-identity-token',
    })
    const kept = JSON.parse(readFileSync(join(config, 'config.json'), 'utf8')) as Record<string, unknown>
    assert.deepEqual([kept['detachKeys'], kept['auths']], ['ctrl-a', { [registry.host]: {} }])
    writeFileSync(
      join(bin, 'kept'),
      JSON.stringify({ ServerURL: registry.host, Username: 'ann', Secret: 'wonder-word' }),
    )
    assert.equal((await s.run(['pull', '-q', image], { env })).code, 0)
    assert.equal((await s.run(['logout', registry.host], { env })).code, 0)
    assert.equal(readFileSync(join(bin, 'erased'), 'utf8'), registry.host)

    // A file from another machine names a helper that is not here: what is public needs none.
    writeFileSync(join(config, 'config.json'), '{"credsStore":"elsewhere"}')
    const open = await s.run(['pull', '-q', `${registry.host}/public/app:v1`])
    assert.equal(open.code, 0, open.stderr)
    assert.match(open.stderr, /^WARNING: .*"docker-credential-elsewhere".*: going on without credentials$/m)
    await s.fails(1, /docker-credential-elsewhere/, 'push', `${registry.host}/public/app:v1`)
    writeFileSync(join(config, 'config.json'), '{}')
  })
})

describe('a daemon that is told of registries', () => {
  const s = system('gantry', { flags: ['--offline', '--registry-mirror=http://127.0.0.1:1'] })

  test('offline, what is here is used and nothing is asked for', async () => {
    await s.fails(1, /the daemon is offline \(--offline\)/, 'pull', 'localhost:1/x')
    await s.ok('run', '--rm', 'busybox', 'true')
    await s.fails(125, /offline/, 'run', '--rm', 'localhost:1/x')
    assert.match(await s.ok('info'), /Registry Mirrors:\n {2}http:\/\/127.0.0.1:1\//)
  })
})
