import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { after, before, test } from 'node:test'
import { ContentStore } from '../content/index.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { encodeHeader, padded, Snapshots, type DiffId, type TarType } from '../snapshot/index.ts'
import { Leases, Store } from '../store/index.ts'
import { instructionOf } from './explain.ts'
import { Images, type Image, type OciImage } from './index.ts'

const op = background(silentLogger)
let base = ''
let images: Images
let snapshots: Snapshots
const leases = new Leases()

before(async () => {
  base = await mkdtemp(join(tmpdir(), 'image-files-'))
  const store = Store.open(join(base, 'db'))
  const content = await ContentStore.open(join(base, 'content'))
  snapshots = await Snapshots.open(op, { root: join(base, 'snap'), store, leases })
  images = await Images.open(op, { store, content, snapshots, leases, emit: () => {} })
})
after(async () => {
  await snapshots.close()
  await rm(base, { recursive: true, force: true })
})

interface Entry {
  readonly name: string
  readonly type?: TarType
  readonly data?: string
  readonly link?: string
  readonly mode?: number
}

function tar(entries: readonly Entry[]): Buffer {
  const parts = entries.flatMap(({ name, type = 'file', data = '', link = '', mode = 0o644 }) => {
    const size = Buffer.byteLength(data, 'latin1')
    const common = { uid: 0, gid: 0, mtime: { sec: 1, nsec: 0 }, major: 0, minor: 0, xattrs: new Map() }
    const header = encodeHeader({ ...common, name, type, mode, linkName: link, size })
    return [header, Buffer.from(data, 'latin1'), Buffer.alloc(padded(size) - size)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

async function image(layers: readonly (readonly Entry[])[], more: Partial<OciImage> = {}): Promise<Image> {
  const diffIds: DiffId[] = []
  for (const layer of layers) diffIds.push((await snapshots.unpack(op, Readable.from([tar(layer)]))).diffId)
  return images.create(
    op,
    {
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: diffIds },
      history: layers.map((_, index) => ({ created_by: `RUN /bin/sh -c step ${index} # buildkit` })),
      ...more,
    },
    [],
  )
}

const dir = (name: string): Entry => ({ name, type: 'directory', mode: 0o755 })

test('explain() tells what each layer does, and what of it is wasted', async () => {
  const made = await image([
    [
      dir('a'),
      { name: 'a/big', data: 'x'.repeat(5000) },
      { name: 'a/small', data: 'y' },
      { name: 'h1', data: 'zz' },
      { name: 'h2', type: 'hardlink', link: 'h1' },
    ],
    [dir('a'), { name: 'a/.wh.big' }, { name: 'a/small', data: 'changed' }, { name: 'new', data: '12345' }],
    [dir('a'), { name: 'a/.wh..wh..opq' }, { name: 'a/last', data: 'l' }],
  ])
  const { Steps, Wasted, Files, Largest, WastedFiles } = await images.files.explain(op, made)
  assert.deepEqual(
    Steps.map((s) => [s.Layer, s.Instruction, s.Size, s.Added, s.Changed, s.Deleted, s.Wasted]),
    [
      [1, 'RUN step 0', 5003, 4, 0, 0, 5001],
      [2, 'RUN step 1', 12, 1, 1, 1, 7],
      [3, 'RUN step 2', 1, 1, 0, 1, 0],
    ],
  )
  assert.equal(Wasted, 5008)
  assert.equal(Files, 4)
  assert.deepEqual(
    Largest.map(({ Path, Size, Layer }) => [Path, Size, Layer]),
    [
      ['/new', 5, 2],
      ['/h1', 2, 1],
      ['/a/last', 1, 3],
    ],
  )
  assert.deepEqual(
    WastedFiles.map(({ Path, Layer, By, Deleted }) => [Path, Layer, By, Deleted]),
    [
      ['/a/big', 1, 2, true],
      ['/a/small', 2, 3, true],
      ['/a/small', 1, 2, false],
    ],
  )
})

test('history is told as a Dockerfile would have it', () => {
  const cases: Readonly<Record<string, string>> = {
    'RUN |2 A=b C=d e /bin/sh -c apt-get update # buildkit': 'RUN apt-get update',
    'RUN /bin/sh -c make # buildkit': 'RUN make',
    'COPY src /dst # buildkit': 'COPY src /dst',
    '/bin/sh -c #(nop) ADD file:abc in / ': 'ADD file:abc in / ',
    '/bin/sh -c #(nop)  CMD ["bash"]': 'CMD ["bash"]',
    '/bin/sh -c apt-get update': 'RUN apt-get update',
    '|1 A=b /bin/sh -c make': 'RUN make',
  }
  for (const [from, to] of Object.entries(cases)) assert.equal(instructionOf(from), to)
})

test('hostile links lead nowhere but into the image', async () => {
  const made = await image([
    [
      dir('etc'),
      { name: 'etc/passwd', data: 'mine' },
      { name: 'abs', type: 'symlink', link: '/etc/passwd' },
      { name: 'host', type: 'symlink', link: '/proc/self/environ' },
      { name: 'loop', type: 'symlink', link: 'loop' },
      { name: 'out', type: 'symlink', link: '/' },
      { name: 'pipe', type: 'fifo' },
      { name: 'na\u00efve-\xff\x1b[2J', data: 'odd' },
    ],
  ])
  const read = async (path: string) => text(await images.files.read(op, made, path))
  for (const path of ['/etc/passwd', 'abs', '../../etc/passwd', 'out/../../out/etc/./passwd'])
    assert.equal(await read(path), 'mine', path)
  for (const path of ['host', 'loop', '/etc/shadow', 'etc/passwd/x'])
    await assert.rejects(read(path), { kind: 'not-found' }, path)
  await assert.rejects(read('pipe'), { kind: 'invalid', message: /is not a regular file/ })
  await assert.rejects(read('out'), { kind: 'invalid', message: /is a directory/ })
  const list = await images.files.list(op, made, { path: '/', depth: Infinity })
  assert.deepEqual(list.map(({ Path }) => Path).slice(0, 4), ['/abs', '/etc', '/etc/passwd', '/host'])
  const inside = await images.files.list(op, made, { path: 'out/etc', depth: 1 })
  assert.deepEqual(
    inside.map(({ Path }) => Path),
    ['/etc', '/etc/passwd'],
  )
})

test('an open file keeps its layer', async () => {
  const made = await image([[{ name: 'f', data: 'x'.repeat(300_000) }]])
  const stream = await images.files.read(op, made, '/f')
  assert.ok(leases.holds(`layer:${made.layers[0]}`))
  const closed = new Promise((resolve) => stream.once('close', resolve))
  assert.equal((await text(stream)).length, 300_000)
  await closed
  assert.ok(!leases.holds(`layer:${made.layers[0]}`))
})

test('diff() tells files and configuration apart, and reads files where nothing else tells', async () => {
  const config = { Env: ['A=1', 'B=2'], Cmd: ['a'], Labels: { v: '1' } }
  const from = await image(
    [
      [
        { name: 'same', data: 'aaaa' },
        { name: 'content', data: 'aaaa' },
        { name: 'mode', data: 'm' },
        { name: 'gone', data: 'g' },
        { name: 'kind', data: 'k' },
        { name: 'l', type: 'symlink', link: 'a' },
      ],
    ],
    { config },
  )
  const to = await image(
    [
      [
        { name: 'same', data: 'aaaa' },
        { name: 'content', data: 'aaab' },
        { name: 'mode', data: 'm', mode: 0o755 },
        dir('new'),
        { name: 'new/f', data: 'ff' },
        dir('kind'),
        { name: 'l', type: 'symlink', link: 'b' },
      ],
    ],
    { config: { ...config, Env: ['A=1', 'B=3'], Labels: { w: '1' } } },
  )
  const { Files, Config } = await images.files.diff(op, from, to)
  assert.deepEqual(
    Files.map((f) => [f.Path, f.Change, ...(f.What ?? [])]),
    [
      ['/content', 'changed', 'content'],
      ['/gone', 'removed'],
      ['/kind', 'changed', 'type file→directory', 'mode 644→755'],
      ['/l', 'changed', 'target a→b'],
      ['/mode', 'changed', 'mode 644→755'],
      ['/new', 'added'],
      ['/new/f', 'added'],
    ],
  )
  assert.deepEqual(Config, [
    { Field: 'Env B', From: '"2"', To: '"3"' },
    { Field: 'Labels v', From: '"1"' },
    { Field: 'Labels w', To: '"1"' },
  ])
  assert.deepEqual((await images.files.diff(op, from, from)).Files, [])
})
