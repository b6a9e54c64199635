import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { digestOf, hexOf, type Digest } from '../lib/digest.ts'
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { readTar, type Snapshots } from '../snapshot/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import { configOf, openImages, tar, type Engine, type File } from './testing.ts'

const op = background(silentLogger)
let base = ''
let count = 0
const opened: Snapshots[] = []

async function engine(root = join(base, `e${++count}`)): Promise<Engine> {
  const made = await openImages(root)
  opened.push(made.snapshots)
  return made
}

let e: Engine
before(async () => void (base = await mkdtemp(join(tmpdir(), 'images-'))))
beforeEach(async () => void (e = await engine()))
after(async () => {
  for (const snapshots of opened) await snapshots.close()
  await rm(base, { recursive: true, force: true })
})

const one = tar([
  ['etc', '', 'directory'],
  ['etc/a', 'first'],
])
const two = tar([
  ['etc', '', 'directory'],
  ['etc/b', 'second'],
  ['etc/.wh.a', ''],
])

/** As `docker save` wrote it before version 25. */
function dockerArchive(
  o: { layers?: Buffer[]; stored?: Buffer[]; tags?: string[] | null; config?: Buffer } = {},
): Buffer {
  const layers = o.layers ?? [one, two]
  const config = o.config ?? configOf(layers)
  const names = layers.map((layer) => `${hexOf(digestOf(layer))}/layer.tar`)
  const tags = o.tags === undefined ? ['demo:1'] : o.tags
  return tar([
    ...layers.map((layer, index): File => [names[index] ?? '', o.stored?.[index] ?? layer]),
    ['config.json', config],
    ['manifest.json', JSON.stringify([{ Config: 'config.json', RepoTags: tags, Layers: names }])],
  ])
}

async function load(archive: Buffer, into: Engine = e, inner: Op = op): Promise<string> {
  const messages: ProgressMessage[] = []
  for await (const message of into.images.load(inner, Readable.from([archive]))) messages.push(message)
  return messages.map((message) => message.stream ?? '').join('')
}

/** Nothing is kept that a failed load has brought. */
async function assertEmpty(engineToCheck: Engine = e): Promise<void> {
  assert.deepEqual(engineToCheck.images.list(), [])
  assert.deepEqual(engineToCheck.snapshots.layers(), [])
  assert.deepEqual(await engineToCheck.content.list(), [])
  assert.deepEqual(readdirSync(join(engineToCheck.root, 'content/ingest')), [])
  assert.deepEqual(readdirSync(join(engineToCheck.root, 'snap/tmp')), [])
  assert.deepEqual(readdirSync(join(engineToCheck.root, 'snap/layers')), [])
}

test('a docker-archive is loaded, whatever its compressions', async () => {
  const wrap = [(data: Buffer) => data, gzipSync, zstdCompressSync]
  for (const outer of wrap)
    for (const inner of wrap) {
      const fresh = await engine()
      const archive = dockerArchive({ stored: [Buffer.from(inner(one)), Buffer.from(inner(two))] })
      assert.equal(await load(Buffer.from(outer(archive)), fresh), 'Loaded image: demo:1\n')
      const image = fresh.images.find('demo:1')
      assert.equal(image.id, digestOf(configOf([one, two])))
      assert.deepEqual(image.refs, ['docker.io/library/demo:1'])
      assert.equal(image.size, 'firstsecond'.length)
      await fresh.snapshots.prepare(op, 'w')
      const merged = await fresh.snapshots.mount(op, 'w', image.layers)
      assert.deepEqual(readdirSync(join(merged, 'etc')), ['b'])
      await fresh.snapshots.remove(op, 'w')
    }
})

test('a saved image is loaded again elsewhere, with the same id and names', async () => {
  await load(dockerArchive({ tags: ['demo:1', 'demo:2', 'registry.example:5000/x/y:z'] }))
  await e.snapshots.prepare(op, 'step')
  const merged = await e.snapshots.mount(op, 'step', e.images.find('demo:1').layers)
  await writeFile(join(merged, 'etc/c'), 'third')
  await rm(join(merged, 'etc/b'))
  await e.snapshots.unmount(op, 'step')
  const layer = await e.snapshots.commit(op, 'step')
  const { config, layers } = e.images.find('demo:1')
  const built = await e.images.create(
    op,
    { ...config, rootfs: { type: 'layers', diff_ids: [...layers, layer.diffId] } },
    ['docker.io/library/built:latest'],
  )
  const archive = await buffer(e.images.save(op, ['demo', built.id, 'built', 'registry.example:5000/x/y:z']))
  assert.deepEqual(
    await buffer(e.images.save(op, ['demo', built.id, 'built', 'registry.example:5000/x/y:z'])),
    archive,
  )

  const other = await engine()
  assert.match(await load(archive, other), /Loaded image: built:latest/)
  assert.deepEqual(other.images.find('demo:2').refs, e.images.find('demo:2').refs)
  assert.equal(other.images.find('built').id, built.id)
  assert.deepEqual(
    other.images
      .list()
      .map((image) => image.id)
      .toSorted(),
    e.images
      .list()
      .map((image) => image.id)
      .toSorted(),
  )
  await other.snapshots.prepare(op, 'w')
  const root = await other.snapshots.mount(op, 'w', other.images.find('built').layers)
  assert.deepEqual(readdirSync(join(root, 'etc')), ['c'])
  await other.snapshots.remove(op, 'w')

  // As an OCI layout alone.
  const files: File[] = []
  for await (const { entry, body } of readTar(Readable.from([archive]))) {
    const chunks: Buffer[] = []
    for await (const chunk of body) chunks.push(Buffer.from(chunk))
    if (entry.type === 'file' && entry.name !== 'manifest.json')
      files.push([entry.name, Buffer.concat(chunks)])
  }
  const third = await engine()
  await load(tar(files), third)
  assert.deepEqual(
    third.images
      .list()
      .map((image) => `${image.id} ${image.refs.join()}`)
      .toSorted(),
    e.images
      .list()
      .map((image) => `${image.id} ${image.refs.join()}`)
      .toSorted(),
  )
})

test('layers that are there are not unpacked again, and equal layers are kept once', async () => {
  await load(dockerArchive({ layers: [one], tags: ['base:1'] }))
  const three = tar([['x', 'y']])
  // The first layer's data is not even in the second archive.
  const archive = dockerArchive({ layers: [one, three], stored: [Buffer.alloc(0), three], tags: ['app:1'] })
  await load(archive)
  assert.equal(e.snapshots.layers().length, 2)
  assert.equal(e.images.sharedSize(e.images.find('app:1')), 'first'.length)
  await e.images.remove(op, 'app:1', { force: false, noPrune: false, usedBy: () => undefined })
  await e.images.collect(op, { layers: new Set() })
  assert.deepEqual(
    e.snapshots.layers().map((layer) => layer.diffId),
    [digestOf(one)],
  )
  await load(archive)
  assert.equal(e.snapshots.layers().length, 2)
})

test('links between the files of an archive are followed inside it only', async () => {
  const hex = hexOf(digestOf(one))
  const archive = (link: string) =>
    tar([
      [`${hex}/layer.tar`, one],
      ['second/layer.tar', '', 'symlink', link],
      ['config.json', configOf([one, one])],
      [
        'manifest.json',
        JSON.stringify([
          { Config: 'config.json', RepoTags: null, Layers: [`${hex}/layer.tar`, 'second/layer.tar'] },
        ]),
      ],
    ])
  const outside = await engine()
  await assert.rejects(load(archive('../../../etc/passwd'), outside), {
    kind: 'invalid',
    message: /leads out of the archive/,
  })
  await assertEmpty(outside)
  assert.match(await load(archive(`../${hex}/layer.tar`)), /Loaded image ID: sha256:/)
  assert.deepEqual(e.images.list()[0]?.refs, [])
})

test('archives that lie are refused, and leave nothing behind', async () => {
  const manifest = (value: unknown): Buffer =>
    tar([
      ['layer.tar', one],
      ['config.json', configOf([one])],
      ['manifest.json', JSON.stringify(value)],
    ])
  const good = { Config: 'config.json', RepoTags: ['x:1'], Layers: ['layer.tar'] }
  const hostile = tar([
    ['etc', '', 'directory'],
    ['etc/../../x', 'evil'],
  ])
  const cases: [string, Buffer, RegExp][] = [
    [
      'another layer than promised',
      dockerArchive({ stored: [one, one] }),
      /has the digest sha256:.* not sha256:.* as promised/,
    ],
    [
      'fewer layers than promised',
      manifest([{ ...good, Layers: [] }]),
      /config has 1 layers, its manifest 0/,
    ],
    [
      'a file that is not there',
      manifest([{ ...good, Layers: ['../../etc/passwd'] }]),
      /refused|not in the archive/,
    ],
    ['an absolute path', manifest([{ ...good, Config: '/etc/passwd' }]), /leads out of the archive/],
    [
      'another file',
      manifest([{ ...good, Config: 'nothing.json' }]),
      /"nothing.json", which is not in the archive/,
    ],
    ['a layer as config', manifest([{ ...good, Config: 'layer.tar' }]), /is not JSON/],
    ['a manifest of another form', manifest({ images: [] }), /manifest.json is not valid/],
    ['a bad name', manifest([{ ...good, RepoTags: ['UPPER:1'] }]), /must be lowercase/],
    [
      'a hostile layer',
      dockerArchive({ layers: [one, hostile] }),
      /refused archive entry "etc\/\.\.\/\.\.\/x"/,
    ],
    [
      'a damaged layer',
      dockerArchive({ stored: [one, gzipSync(two).subarray(0, 60)] }),
      /gzip data is damaged/,
    ],
    ['a cut off archive', dockerArchive().subarray(0, 5000), /middle of an entry/],
    [
      'a blob that is another',
      tar([
        [`blobs/sha256/${'0'.repeat(64)}`, 'x'],
        ['manifest.json', '[]'],
      ]),
      /not sha256:0+ as promised/,
    ],
    ['no image at all', tar([['etc/passwd', 'x']]), /neither manifest.json nor index.json/],
    [
      'names that lead out',
      tar([
        ['../x', 'y'],
        ['manifest.json', '[]'],
      ]),
      /leads out of the archive/,
    ],
    [
      'device nodes',
      tar([
        ['x', '', 'block'],
        ['manifest.json', '[]'],
      ]),
      /it is a block node/,
    ],
    ['another system', dockerArchive({ config: configOf([one, two], { os: 'windows' }) }), /is for windows/],
    ['no tar', Buffer.alloc(2000, 'x'), /damaged/],
    ['nothing', Buffer.alloc(0), /neither manifest.json nor index.json/],
  ]
  for (const [what, archive, message] of cases) {
    await assert.rejects(load(archive), { message }, what)
    await assertEmpty()
  }
  const controller = new AbortController()
  const endless = new Readable({ read() {} })
  endless.push(dockerArchive().subarray(0, 3000))
  setTimeout(() => controller.abort(), 20)
  await assert.rejects(
    async () => {
      for await (const _ of e.images.load({ ...op, signal: controller.signal }, endless));
    },
    { name: 'AbortError' },
  )
  await assertEmpty()
})

test('images are found as docker finds them', async () => {
  await load(dockerArchive({ tags: ['demo:latest', 'ghcr.io/a/b:v1'] }))
  const { id } = e.images.find('demo')
  for (const ref of [
    'demo',
    'demo:latest',
    'library/demo',
    'docker.io/library/demo',
    'ghcr.io/a/b:v1',
    id,
    hexOf(id),
    hexOf(id).slice(0, 12),
    hexOf(id).slice(0, 3),
    `demo@${id}`,
    id.slice(0, 20),
  ])
    assert.equal(e.images.find(ref).id, id, ref)
  for (const [ref, text] of [
    ['nope', 'No such image: nope:latest'],
    ['docker.io/library/nope:1', 'No such image: nope:1'],
    ['sha256:0000', 'No such image: sha256:0000'],
    ['ghcr.io/a/b', 'No such image: ghcr.io/a/b:latest'],
  ] as const)
    assert.throws(() => e.images.find(ref), { kind: 'not-found', message: text })
  assert.throws(() => e.images.find('Nope'), { kind: 'invalid', message: /must be lowercase/ })
  assert.throws(() => e.images.find(''), { kind: 'invalid', message: 'invalid reference format' })
})

test('a short id that fits several images is refused', async () => {
  for (let i = 0; i < 17; i++)
    await e.images.create(
      op,
      { architecture: 'amd64', os: 'linux', author: `${i}`, rootfs: { type: 'layers', diff_ids: [] } },
      [],
    )
  const firsts = e.images.list().map((image) => hexOf(image.id)[0] ?? '')
  const twice = firsts.find((digit, index) => firsts.indexOf(digit) !== index)
  assert.ok(twice)
  assert.throws(() => e.images.find(`sha256:${twice}`), { kind: 'invalid', message: /ambiguous/ })
})

test('names move, and an image goes with its last one', async () => {
  await load(dockerArchive({ tags: ['demo:1'] }))
  await load(dockerArchive({ layers: [one], tags: ['other:1'] }))
  const { id } = e.images.find('demo:1')
  const free = { force: false, noPrune: false, usedBy: () => undefined }
  await e.images.tag(op, 'demo:1', 'demo:2')
  await e.images.tag(op, 'other:1', 'demo:1')
  assert.deepEqual(e.images.find(id).refs, ['docker.io/library/demo:2'])
  await assert.rejects(e.images.tag(op, 'demo:2', `demo@${id}`), {
    message: 'refusing to create a tag with a digest reference',
  })
  assert.deepEqual(await e.images.remove(op, 'demo:1', free), [{ Untagged: 'demo:1' }])
  const removed = await e.images.remove(op, 'demo:2', free)
  assert.deepEqual(removed.slice(0, 2), [{ Untagged: 'demo:2' }, { Deleted: id }])
  // The second layer's chain id; the first layer is still used.
  assert.equal(removed.length, 3)
  assert.throws(() => e.images.find(id), { kind: 'not-found' })
  await e.images.remove(op, 'other:1', free)
  await e.images.collect(op, { layers: new Set() })
  await assertEmpty()
  assert.deepEqual(
    e.events.filter((event) => /^(delete|untag)/.test(event)),
    ['untag id', 'untag id', 'delete id', 'untag id', 'delete id'],
  )
})

test("removal follows docker's rules and texts", async () => {
  await load(dockerArchive({ tags: ['demo:1'] }))
  const { id } = e.images.find('demo:1')
  const short = hexOf(id).slice(0, 12)
  const user = { id: 'c'.repeat(64), name: 'web', running: false }
  const by = (running: boolean | undefined, force = false) => ({
    force,
    noPrune: false,
    usedBy: (each: Digest) => (each === id && running !== undefined ? { ...user, running } : undefined),
  })
  await assert.rejects(e.images.remove(op, 'demo:1', by(false)), {
    kind: 'conflict',
    message: `conflict: unable to remove repository reference "demo:1" (must force) - container cccccccccccc is using its referenced image ${short}`,
  })
  await assert.rejects(e.images.remove(op, id, by(false)), {
    kind: 'conflict',
    message: `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container cccccccccccc`,
  })
  await assert.rejects(e.images.remove(op, id, by(true, true)), {
    kind: 'conflict',
    message: `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container cccccccccccc`,
  })
  await e.images.tag(op, 'demo:1', 'else:1')
  await assert.rejects(e.images.remove(op, id, by(undefined)), {
    message: `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  })
  assert.deepEqual(await e.images.remove(op, 'demo:1', by(true)), [{ Untagged: 'demo:1' }])
  // Forced while it runs: the name goes, the image stays.
  assert.deepEqual(await e.images.remove(op, 'else:1', by(true, true)), [{ Untagged: 'else:1' }])
  assert.deepEqual(e.images.find(id).refs, [])
  assert.equal((await e.images.remove(op, short, by(false, true)))[0]?.Deleted, id)
})

test('import makes an image of one layer, which can be saved', async () => {
  const image = await e.images.import(op, Readable.from([gzipSync(one)]), {
    ref: 'rootfs',
    message: 'from a test',
    config: { Cmd: ['/bin/sh'] },
  })
  assert.deepEqual(image.refs, ['docker.io/library/rootfs:latest'])
  assert.deepEqual(
    e.images.history(image).map(({ Id, Comment, Size, Tags }) => ({ Id, Comment, Size, Tags })),
    [{ Id: image.id, Comment: 'from a test', Size: 5, Tags: ['rootfs:latest'] }],
  )
  assert.deepEqual(await e.content.list(), [image.id])
  const other = await engine()
  await load(await buffer(e.images.save(op, ['rootfs'])), other)
  assert.equal(other.images.find('rootfs').id, image.id)
  await assert.rejects(
    e.images.import(op, Readable.from([Buffer.from('no archive'.repeat(100))]), { config: {} }),
    { kind: 'invalid' },
  )
  await assert.rejects(e.images.import(op, Readable.from([one]), { ref: 'Bad', config: {} }), {
    kind: 'invalid',
  })
  assert.equal(e.images.list().length, 1)
})

test('history shows steps without a layer, and layers without a step', async () => {
  const config = configOf([one, two], {
    history: [
      { created: '2024-01-01T00:00:00Z', created_by: 'ADD', comment: 'c' },
      { created: '2024-01-01T00:00:01Z', created_by: 'ENV', empty_layer: true },
    ],
  })
  await load(dockerArchive({ config }))
  const image = e.images.find('demo:1')
  assert.deepEqual(
    e.images.history(image).map(({ Id, CreatedBy, Size, Tags }) => [Id === image.id, CreatedBy, Size, Tags]),
    [
      [true, '', 6, ['demo:1']],
      [false, 'ENV', 0, null],
      [false, 'ADD', 5, null],
    ],
  )
})

test('images are there after a restart; one that lost its layer is forgotten', async () => {
  await load(dockerArchive({ tags: ['demo:1'] }))
  await load(dockerArchive({ layers: [one], tags: ['other:1'] }))
  await e.snapshots.close()
  e.store.close()
  const again = await engine(e.root)
  assert.deepEqual(
    again.images
      .list()
      .flatMap((image) => image.refs)
      .toSorted(),
    ['docker.io/library/demo:1', 'docker.io/library/other:1'],
  )
  await again.snapshots.removeLayer(op, digestOf(two))
  await again.snapshots.close()
  again.store.close()
  const third = await engine(e.root)
  assert.deepEqual(
    third.images.list().flatMap((image) => image.refs),
    ['docker.io/library/other:1'],
  )
})

test('collect() spares what leases and callers hold', async () => {
  await load(dockerArchive())
  const layers = e.images.find('demo:1').layers
  await e.images.remove(op, 'demo:1', { force: false, noPrune: false, usedBy: () => undefined })
  {
    using lease = e.leases.open()
    lease.add(`layer:${digestOf(one)}`)
    await e.images.collect(op, { layers: new Set(layers.slice(1)) })
    assert.equal(e.snapshots.layers().length, 2)
  }
  await e.images.collect(op, { layers: new Set() })
  await assertEmpty()
})

test('busybox is loaded from a docker-archive made by hand', async () => {
  const layer = tar([
    ['bin', '', 'directory'],
    ['bin/busybox', await readFile('/bin/busybox')],
    ['bin/sh', '', 'hardlink', 'bin/busybox'],
  ])
  await load(dockerArchive({ layers: [layer], tags: ['busybox:latest'] }))
  await e.snapshots.prepare(op, 'w')
  const root = await e.snapshots.mount(op, 'w', e.images.find('busybox').layers)
  assert.deepEqual(await readFile(join(root, 'bin/sh')), await readFile('/bin/busybox'))
  await e.snapshots.remove(op, 'w')
})
