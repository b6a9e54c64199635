import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { after, before, beforeEach, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { isMountPoint, mountsUnder } from '../host/mount.ts'
import { RootDir } from '../host/root-dir.ts'
import { getXattr, setXattr } from '../host/xattr.ts'
import { digestOf, hexOf, type Digest } from '../lib/digest.ts'
import { silentLogger } from '../lib/log.ts'
import { background, type Op } from '../lib/op.ts'
import { Leases, Store } from '../store/index.ts'
import { endOfTar, readTar, Snapshots, type DiffId } from './index.ts'
import { bzip2, rawBlock, tarArchive, xz, type TestEntry } from './testing.ts'

const op = background(silentLogger)
const emptyLayer = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef'
let base = ''
let root = ''
let count = 0
let leases: Leases
let store: Store
let s: Snapshots
const opened: Snapshots[] = []

async function reopen(): Promise<Snapshots> {
  store = Store.open(join(base, `db${count}`))
  s = await Snapshots.open(op, { root, store, leases })
  opened.push(s)
  return s
}

before(() => void (base = mkdtempSync(join(tmpdir(), 'snap-'))))
beforeEach(async () => {
  root = join(base, `s${++count}`)
  leases = new Leases()
  await reopen()
})
after(async () => {
  for (const snapshots of opened) {
    for (const id of await snapshots.workspaces()) await snapshots.remove(op, id)
    await snapshots.close()
  }
  assert.deepEqual(mountsUnder(base), [])
  rmSync(base, { recursive: true, force: true })
})

const unpack = (entries: readonly TestEntry[]) => s.unpack(op, Readable.from([tarArchive(entries)]))
const inTmp = () => readdirSync(join(root, 'tmp'))

/** A mounted workspace over layers. */
async function workspace(id: string, lowers: readonly DiffId[] = []): Promise<string> {
  await s.prepare(op, id)
  return s.mount(op, id, lowers)
}

/** Everything in an archive, one line for each entry. */
async function lines(stream: Readable): Promise<string[]> {
  const result: string[] = []
  for await (const { entry, body } of readTar(stream)) {
    let data = ''
    for await (const chunk of body) data += chunk.toString()
    const { type, name, linkName, mode, uid, gid } = entry
    result.push([type, name, linkName, mode.toString(8), `${uid}:${gid}`, data].join(' ').trim())
  }
  return result
}

test('an unpacked layer has the names, owners, modes, times, links and attributes of its archive', async () => {
  const archive = tarArchive([
    { name: './', type: 'directory', mode: 0o750 },
    { name: './usr', type: 'directory', mode: 0o2775, uid: 5, mtime: 99 },
    { name: 'usr/suid', data: 'x', mode: 0o4755, uid: 1, gid: 2, mtime: 1234, xattrs: { 'user.k': 'v' } },
    { name: 'usr/hard', type: 'hardlink', link: './usr/suid' },
    { name: 'usr/soft', type: 'symlink', link: '/etc/passwd', uid: 7 },
    { name: 'usr/up', type: 'symlink', link: '../top' },
    { name: 'usr/pipe', type: 'fifo', mode: 0o622 },
    { name: 'made/for/it', data: 'y' },
    { name: Buffer.from('ü').toString('latin1'), data: 'z' },
    { name: Buffer.from([0x66, 0xff]).toString('latin1'), data: 'raw' },
    { name: 'dev/null', type: 'char', major: 1, minor: 3 },
  ])
  const layer = await s.unpack(op, Readable.from([archive]), { expected: digestOf(archive) })
  assert.equal(layer.diffId, digestOf(archive))
  assert.equal(layer.size, 'xyzraw'.length)
  assert.equal(layer.tarSize, archive.length)
  const dir = s.layerPath(layer.diffId)
  assert.equal(statSync(dir).mode & 0o7777, 0o750)
  const usr = statSync(join(dir, 'usr'))
  assert.deepEqual([usr.mode & 0o7777, usr.uid, usr.mtimeMs], [0o2775, 5, 99_000])
  const suid = statSync(join(dir, 'usr/suid'))
  assert.deepEqual(
    [suid.mode & 0o7777, suid.uid, suid.gid, suid.mtimeMs, suid.nlink],
    [0o4755, 1, 2, 1_234_000, 2],
  )
  assert.equal(getXattr(join(dir, 'usr/suid'), 'user.k')?.toString(), 'v')
  assert.equal(readlinkSync(join(dir, 'usr/soft')), '/etc/passwd')
  assert.equal(lstatSync(join(dir, 'usr/soft')).uid, 7)
  assert.ok(lstatSync(join(dir, 'usr/pipe')).isFIFO())
  assert.equal(readFileSync(join(dir, 'made/for/it'), 'utf8'), 'y')
  assert.equal(readFileSync(join(dir, 'ü'), 'utf8'), 'z')
  assert.equal(existsSync(join(dir, 'dev/null')), false)
  using tree = RootDir.open(dir)
  assert.equal(tree.readFile(Buffer.from([0x66, 0xff]), 10).toString(), 'raw')
})

test('hostile layers are refused by name, and leave nothing behind', async () => {
  const dir: TestEntry = { name: 'd', type: 'directory' }
  const out: TestEntry = { name: 'd/out', type: 'symlink', link: base }
  const cases: [string, TestEntry[], RegExp][] = [
    ['..', [{ name: '../evil' }], /"\.\.\/evil": its name contains "\.\."/],
    ['.. inside', [{ name: 'd/../../evil' }], /contains "\.\."/],
    ['.. at the end', [{ name: 'd/..', type: 'directory' }], /contains "\.\."/],
    ['absolute', [{ name: '/etc/evil' }], /"\/etc\/evil": its name is absolute/],
    ['absolute directory', [{ name: '/', type: 'directory' }], /is absolute/],
    ['no name', [{ name: '' }], /name is empty/],
    [
      'through a symlink to outside',
      [dir, out, { name: 'd/out/evil' }],
      /"d\/out\/evil": its path leads through the symlink "d\/out"/,
    ],
    [
      'through a symlink to inside',
      [dir, { name: 'l', type: 'symlink', link: 'd' }, { name: 'l/x/y' }],
      /through the symlink "l"/,
    ],
    [
      'a directory over a symlink',
      [dir, out, { name: 'd/out', type: 'directory' }],
      /an entry of this name already/,
    ],
    ['through a file', [{ name: 'f' }, { name: 'f/x' }], /"f", which is not a directory/],
    [
      'symlink that climbs out',
      [dir, { name: 'd/l', type: 'symlink', link: '../../etc/passwd' }],
      /outside the archive's root/,
    ],
    ['symlink without a target', [{ name: 'l', type: 'symlink' }], /without a target/],
    [
      'hard link to outside',
      [{ name: 'h', type: 'hardlink', link: '../../etc/passwd' }],
      /link target .* contains "\.\."/,
    ],
    [
      'absolute hard link',
      [{ name: 'h', type: 'hardlink', link: '/etc/passwd' }],
      /link target "\/etc\/passwd" is absolute/,
    ],
    [
      'hard link to nothing',
      [{ name: 'h', type: 'hardlink', link: 'etc/passwd' }],
      /no earlier file of the archive/,
    ],
    [
      'hard link through a symlink',
      [dir, out, { name: 'h', type: 'hardlink', link: 'd/out/secret' }],
      /no earlier file/,
    ],
    ['hard link to a directory', [dir, { name: 'h', type: 'hardlink', link: 'd' }], /no earlier file/],
    [
      'hard link to a whiteout',
      [{ name: '.wh.x' }, { name: 'h', type: 'hardlink', link: 'x' }],
      /no earlier file/,
    ],
    ['hard link to itself', [{ name: 'h', type: 'hardlink', link: 'h' }], /no earlier file/],
    ['block device', [{ name: 'sda', type: 'block', major: 8 }], /"sda": it is a device node \(8:0\)/],
    ['character device', [{ name: 'mem', type: 'char', major: 1, minor: 1 }], /it is a device node \(1:1\)/],
    [
      'a device named as a standard one',
      [{ name: 'dev/null', type: 'char', major: 1, minor: 1 }],
      /it is a device node/,
    ],
    [
      'a standard device elsewhere',
      [{ name: 'null', type: 'char', major: 1, minor: 3 }],
      /it is a device node/,
    ],
    ['a whiteout as a device', [{ name: 'x', type: 'char' }], /it is a device node \(0:0\)/],
    ['a file over a directory', [dir, { name: 'd' }], /an entry of this name already/],
    ['whiteout of nothing', [{ name: '.wh.' }], /not a valid whiteout/],
    ['whiteout of .', [{ name: 'd/.wh..' }], /not a valid whiteout/],
    ['whiteout of ..', [{ name: 'd/.wh...' }], /not a valid whiteout/],
    ['whiteout of a whiteout', [{ name: '.wh..wh.x' }], /not a valid whiteout/],
    ['a path through a whiteout', [{ name: '.wh.d/x' }], /leads through a whiteout/],
    ['a path through .wh..', [{ name: '.wh../x' }], /leads through a whiteout/],
    ['whiteout with content', [{ name: '.wh.x', data: 'y' }], /must be an empty file/],
    ['whiteout as a directory', [{ name: '.wh.x', type: 'directory' }], /must be an empty file/],
    ['whiteout as a symlink', [{ name: '.wh.x', type: 'symlink', link: '/etc' }], /must be an empty file/],
    ['whiteout twice', [{ name: '.wh.x' }, { name: '.wh.x' }], /an entry of this name already/],
    [
      'overlay attributes',
      [{ name: 'd', type: 'directory', xattrs: { 'trusted.overlay.redirect': '/etc' } }],
      /trusted\.overlay\.redirect/,
    ],
    [
      'overlay attributes of users',
      [{ name: 'f', xattrs: { 'user.overlay.metacopy': '' } }],
      /user\.overlay\.metacopy/,
    ],
    ['a part too long', [{ name: 'n'.repeat(300) }], /a part of 300 bytes/],
    ['a path too long', [{ name: 'n/'.repeat(2040) + 'x'.repeat(100) }], /4180 bytes|too long/],
    ['the root as a file', [{ name: './.' }], /would replace the root/],
  ]
  writeFileSync(join(base, 'secret'), 'secret')
  const before = readdirSync(base).toSorted()
  for (const [what, entries, message] of cases) {
    // Something good comes first, so that there is something to leave behind.
    const archive = [{ name: 'good', data: 'x'.repeat(5000) }, ...entries]
    await assert.rejects(unpack(archive), (error: Error & { kind?: string }) => {
      assert.match(error.message, message, what)
      assert.equal(error.kind, 'invalid', what)
      return true
    })
    assert.deepEqual(inTmp(), [], what)
  }
  assert.deepEqual(readdirSync(join(root, 'layers')), [])
  assert.deepEqual(s.layers(), [])
  assert.deepEqual(readdirSync(base).toSorted(), before)
  assert.equal(statSync(join(base, 'secret')).nlink, 1)
})

test('of two entries with one name the later counts', async () => {
  const layer = await unpack([
    { name: 'd/f', data: 'first' },
    { name: 'l', type: 'symlink', link: '/etc' },
    { name: './d//f', data: '2nd' },
    { name: 'l', data: 'file' },
  ])
  const path = s.layerPath(layer.diffId)
  assert.equal(readFileSync(join(path, 'd/f'), 'utf8'), '2nd')
  assert.equal(readFileSync(join(path, 'l'), 'utf8'), 'file')
  assert.equal(layer.size, '2nd'.length + 'file'.length)
})

test('archives that lie about sizes or break off leave nothing behind', async () => {
  const cut = tarArchive([{ name: 'a', data: 'x'.repeat(100_000) }]).subarray(0, 50_000)
  await assert.rejects(s.unpack(op, Readable.from([cut])), { kind: 'invalid', message: /middle of an entry/ })
  const lying = tarArchive([{ name: 'a', data: 'x', patch: (h) => void h.write('77777777777', 124) }])
  await assert.rejects(s.unpack(op, Readable.from([lying])), { kind: 'invalid' })
  const huge = Buffer.concat([rawBlock('x', Buffer.alloc(0), { size: 8 ** 11 - 1 }), Buffer.alloc(10_000)])
  await assert.rejects(s.unpack(op, Readable.from([huge])), { kind: 'invalid', message: /extended header/ })
  const broken = new Readable({ read() {} })
  broken.push(cut)
  setTimeout(() => broken.destroy(new Error('the network is gone')), 20)
  await assert.rejects(s.unpack(op, broken), /the network is gone/)
  const controller = new AbortController()
  const endless = new Readable({ read() {} })
  endless.push(cut)
  setTimeout(() => controller.abort(), 20)
  const cancelled: Op = { ...op, signal: controller.signal }
  await assert.rejects(s.unpack(cancelled, endless), { name: 'AbortError' })
  assert.equal(endless.destroyed, true)
  const good = tarArchive([{ name: 'a' }])
  await assert.rejects(s.unpack(op, Readable.from([good]), { expected: emptyLayer }), {
    message: /not sha256:5f70.* as promised/,
  })
  assert.deepEqual(inTmp(), [])
  assert.deepEqual(s.layers(), [])
})

test('whiteouts delete what is below, opaque directories all of it, whatever their order', async () => {
  const lower = await unpack([
    { name: 'gone', data: '1' },
    { name: 'dir/a', data: '1' },
    { name: 'dir/b', data: '1' },
    { name: 'opaque/a', data: '1' },
    { name: 'again/old', data: '1' },
    { name: 'before/old', data: '1' },
    { name: 'implied/old', data: '1' },
    { name: 'file', type: 'directory' },
  ])
  const upper = await unpack([
    { name: '.wh.gone' },
    { name: 'dir/.wh.a' },
    { name: 'opaque/new', data: '2' },
    { name: 'opaque/.wh..wh..opq' },
    { name: '.wh.again' },
    { name: 'again', type: 'directory' },
    { name: 'again/new', data: '2' },
    { name: 'before/new', data: '2' },
    { name: '.wh.before' },
    { name: '.wh.implied' },
    { name: 'implied/new', data: '2' },
    { name: '.wh.file' },
    { name: 'file', data: 'now a file' },
  ])
  const merged = await workspace('w', [lower.diffId, upper.diffId])
  assert.deepEqual(readdirSync(merged).toSorted(), ['again', 'before', 'dir', 'file', 'implied', 'opaque'])
  assert.deepEqual(readdirSync(join(merged, 'dir')), ['b'])
  for (const name of ['again', 'before', 'implied', 'opaque'])
    assert.deepEqual(readdirSync(join(merged, name)), ['new'], name)
  assert.equal(readFileSync(join(merged, 'file'), 'utf8'), 'now a file')
})

test('an opaque root hides every layer below', async () => {
  const lower = await unpack([{ name: 'old', data: '1' }])
  const upper = await unpack([{ name: '.wh..wh..opq' }, { name: 'new', data: '2' }])
  assert.deepEqual(readdirSync(await workspace('w', [lower.diffId, upper.diffId])), ['new'])
})

test('a committed workspace is a layer whose archive has its digest and can be unpacked to the same', async () => {
  const lower = await unpack([
    { name: 'etc/gone', data: '1' },
    { name: 'etc/kept', data: '1' },
    { name: 'var/replaced/old', data: '1' },
  ])
  const merged = await workspace('w', [lower.diffId])
  rmSync(join(merged, 'etc/gone'))
  rmSync(join(merged, 'var/replaced'), { recursive: true })
  mkdirSync(join(merged, 'var/replaced'))
  writeFileSync(join(merged, 'var/replaced/new'), 'n')
  writeFileSync(join(merged, 'big'), Buffer.alloc(3 << 20, 'b'))
  linkSync(join(merged, 'big'), join(merged, 'big2'))
  symlinkSync('/nowhere', join(merged, 'soft'))
  chownSync(join(merged, 'big'), 12, 34)
  chmodSync(join(merged, 'big'), 0o4711)
  setXattr(join(merged, 'big'), 'user.a', Buffer.from('b'))
  const { usage, changes } = { usage: await s.usage(op, 'w'), changes: await s.changes(op, 'w') }
  assert.equal(usage, (3 << 20) + 1)
  assert.deepEqual(
    changes.map((change) => `${change.kind} ${change.path}`),
    [
      'added /big',
      'added /big2',
      'modified /etc',
      'deleted /etc/gone',
      'added /soft',
      'modified /var',
      'modified /var/replaced',
      'added /var/replaced/new',
      'deleted /var/replaced/old',
    ],
  )
  const captured = await s.capture(op, 'w')
  await s.unmount(op, 'w')
  const layer = await s.commit(op, 'w')
  assert.equal(layer.diffId, captured.diffId)
  assert.deepEqual(await s.workspaces(), [])
  const archive = await buffer(s.tar(op, layer.diffId))
  assert.equal(digestOf(archive), layer.diffId)
  assert.equal(archive.length, layer.tarSize)
  assert.deepEqual(
    (await lines(Readable.from([archive]))).filter((line) => !line.includes('big')),
    [
      'directory etc  755 0:0',
      'file etc/.wh.gone  0 0:0',
      'symlink soft /nowhere 777 0:0',
      'directory var  755 0:0',
      'directory var/replaced  755 0:0',
      'file var/replaced/.wh..wh..opq  0 0:0',
      'file var/replaced/new  644 0:0 n',
    ],
  )
  assert.equal(spawnSync('tar', ['tf', '-'], { input: archive }).status, 0)

  // Elsewhere, from the archive, the same tree comes out.
  await s.close()
  const [here, digest] = [s.layerPath(layer.diffId), layer.diffId]
  const facts = (dir: string) => [
    lstatSync(join(dir, 'big')).mode,
    lstatSync(join(dir, 'big2')).nlink,
    lstatSync(join(dir, 'etc/gone')).rdev,
    getXattr(join(dir, 'big'), 'user.a')?.toString(),
  ]
  const before = facts(here)
  root = join(base, `s${++count}`)
  await reopen()
  await s.unpack(op, Readable.from([archive]), { expected: digest })
  assert.deepEqual(facts(s.layerPath(digest)), before)
})

test('equal work gives equal layers, and nothing written the well-known empty one', async () => {
  const make = async (id: string, names: string[]) => {
    const merged = await workspace(id)
    for (const name of names) {
      writeFileSync(join(merged, name), name)
      utimesSync(join(merged, name), 1000.25, 1000.75)
    }
    return s.commit(op, id)
  }
  const a = await make('a', ['x', 'B', 'a'])
  const b = await make('b', ['a', 'x', 'B'])
  assert.equal(a.diffId, b.diffId)
  assert.deepEqual(
    (await lines(s.tar(op, a.diffId))).map((line) => line.split(' ')[1]),
    ['B', 'a', 'x'],
  )
  assert.equal((await make('c', [])).diffId, emptyLayer)
  assert.equal((await make('d', [])).diffId, emptyLayer)
  assert.equal(s.layers().length, 2)
})

test('commit() with an epoch gives one digest whenever it is made', async () => {
  const make = async (id: string, time: number) => {
    const merged = await workspace(id)
    mkdirSync(join(merged, 'd'))
    writeFileSync(join(merged, 'd/f'), 'x')
    symlinkSync('x', join(merged, 'd/l'))
    writeFileSync(join(merged, 'old'), 'x')
    utimesSync(join(merged, 'old'), 500, 500)
    utimesSync(join(merged, 'd/f'), time, time)
    return s.commit(op, id, { epoch: 1000 })
  }
  const layer = await make('a', 2000)
  assert.equal((await make('b', 3000)).diffId, layer.diffId)
  assert.equal(statSync(join(s.layerPath(layer.diffId), 'd/f')).mtimeMs, 1_000_000)
  assert.equal(statSync(join(s.layerPath(layer.diffId), 'old')).mtimeMs, 500_000)
  assert.equal(digestOf(await buffer(s.tar(op, layer.diffId))), layer.diffId)
})

test('what a layer cannot hold is refused at commit, and the workspace stays', async () => {
  const merged = await workspace('w')
  writeFileSync(join(merged, '.wh.x'), '')
  await assert.rejects(s.commit(op, 'w'), { kind: 'unsupported', message: /names that begin with "\.wh\."/ })
  rmSync(join(await s.mount(op, 'w', []), '.wh.x'))
  using dir = RootDir.open(merged)
  dir.mknod('node', { kind: 'char', mode: 0o600, major: 1, minor: 3 })
  await assert.rejects(s.commit(op, 'w'), { kind: 'unsupported', message: /device node \(1:3\)/ })
  assert.ok(existsSync(join(s.upperPath('w'), 'node')))
})

test('a cancelled commit leaves the workspace as it was', async () => {
  const merged = await workspace('w')
  for (let i = 0; i < 200; i++) writeFileSync(join(merged, `f${i}`), 'x')
  const controller = new AbortController()
  const promise = s.commit({ ...op, signal: controller.signal }, 'w')
  setImmediate(() => controller.abort())
  await assert.rejects(promise, { name: 'AbortError' })
  assert.deepEqual(inTmp(), [])
  assert.equal(readdirSync(s.upperPath('w')).length, 200)
  assert.equal((await s.commit(op, 'w')).size, 200)
})

test('mounting takes many layers, layers twice, empty ones and none', async () => {
  const layers: DiffId[] = []
  for (let i = 0; i < 150; i++)
    layers.push(
      (
        await unpack([
          { name: `f${i}`, data: `${i}` },
          { name: 'same', data: `${i}` },
        ])
      ).diffId,
    )
  const empty = (await unpack([])).diffId
  assert.equal(empty, emptyLayer)
  const first = layers[0]
  assert.ok(first)
  const merged = await workspace('w', [...layers, empty, first, empty])
  assert.equal(readdirSync(merged).length, 151)
  assert.equal(readFileSync(join(merged, 'same'), 'utf8'), '0')
  assert.equal(await s.mount(op, 'w', layers), merged)
  await s.unmount(op, 'w')
  await s.unmount(op, 'w')
  assert.equal(isMountPoint(merged), false)
  await assert.rejects(s.mount(op, 'w', [digestOf('nothing')]), { kind: 'not-found' })
  await assert.rejects(s.mount(op, 'nothing', []), { kind: 'not-found' })
  await s.remove(op, 'w')
  await s.remove(op, 'w')
  assert.deepEqual(await s.workspaces(), [])
  assert.deepEqual(readdirSync(await workspace('none', [])), [])
})

test('a workspace that is in use is unmounted all the same', async () => {
  const merged = await workspace('w')
  writeFileSync(join(merged, 'open'), 'x')
  using _busy = RootDir.open(merged)
  await s.unmount(op, 'w')
  assert.equal(isMountPoint(merged), false)
})

test('exportTar() gives the whole tree, mounted or not', async () => {
  const lower = await unpack([
    { name: 'a', data: '1' },
    { name: 'b', data: '2' },
  ])
  const merged = await workspace('w', [lower.diffId])
  rmSync(join(merged, 'a'))
  writeFileSync(join(merged, 'c'), '3')
  const mounted = await lines(s.exportTar(op, 'w'))
  assert.deepEqual(mounted, ['file b  644 0:0 2', 'file c  644 0:0 3'])
  await s.unmount(op, 'w')
  assert.deepEqual(await lines(s.exportTar(op, 'w')), mounted)
  const half = s.exportTar(op, 'w')
  half.destroy()
  await s.prepare(op, 'fresh', { lowers: [lower.diffId] })
  assert.equal((await lines(s.exportTar(op, 'fresh'))).length, 2)
  assert.deepEqual(await s.changes(op, 'fresh'), [])
  assert.deepEqual(inTmp(), [])
})

test('exportTar() into folders: parts that make one archive', async () => {
  const lower = await unpack([
    { name: 'a', data: '1' },
    { name: 'b', type: 'hardlink', link: 'a' },
    { name: 'l', type: 'symlink', link: '/a' },
  ])
  await s.prepare(op, 'w', { lowers: [lower.diffId] })
  const whole = await buffer(s.exportTar(op, 'w'))
  const parts = [
    await buffer(s.exportTar(op, 'w', { into: 'one' })),
    await buffer(s.exportTar(op, 'w', { into: 'two' })),
  ]
  const joined = await lines(Readable.from([...parts, endOfTar()]))
  assert.deepEqual(joined, [
    'directory one  755 0:0',
    'file one/a  644 0:0 1',
    'hardlink one/b one/a 644 0:0',
    'symlink one/l /a 777 0:0',
    'directory two  755 0:0',
    'file two/a  644 0:0 1',
    'hardlink two/b two/a 644 0:0',
    'symlink two/l /a 777 0:0',
  ])
  // A thread gives its chunks away: what it sends later is not of them.
  for (let again = 0; again < 4; again++) assert.deepEqual(await buffer(s.exportTar(op, 'w')), whole)
})

test('copyInto() keeps what it copies and never leaves either tree', async () => {
  const context = join(base, 'context')
  mkdirSync(join(context, 'src/sub'), { recursive: true })
  writeFileSync(join(context, 'src/file'), 'f')
  chmodSync(join(context, 'src/file'), 0o751)
  utimesSync(join(context, 'src/file'), 77, 77)
  setXattr(join(context, 'src/file'), 'user.a', Buffer.from('b'))
  symlinkSync('/etc/passwd', join(context, 'src/sub/absolute'))
  symlinkSync('../../../../../../etc/hostname', join(context, 'evil'))
  symlinkSync('src/file', join(context, 'good'))
  const merged = await workspace('w', [
    (
      await unpack([
        { name: 'run', type: 'directory' },
        { name: 'var/run', type: 'symlink', link: '/run' },
        { name: 'away', type: 'symlink', link: base },
        { name: 'app/file', data: 'old' },
        { name: 'app/kept', data: 'k' },
      ])
    ).diffId,
  ])
  const copy = (
    entries: { source: string; target: string }[],
    more: { chown?: { uid: number; gid: number }; mode?: number } = {},
  ) => s.copyInto(op, { workspace: 'w', from: { dir: context }, entries, ...more })

  await copy([{ source: 'src', target: '/app' }], { chown: { uid: 3, gid: 4 } })
  const file = statSync(join(merged, 'app/file'))
  assert.deepEqual([file.mode & 0o7777, file.uid, file.gid, file.mtimeMs], [0o751, 3, 4, 77_000])
  assert.equal(getXattr(join(merged, 'app/file'), 'user.a')?.toString(), 'b')
  assert.equal(readlinkSync(join(merged, 'app/sub/absolute')), '/etc/passwd')
  assert.equal(readFileSync(join(merged, 'app/kept'), 'utf8'), 'k')
  assert.equal(statSync(join(merged, 'app')).uid, 0)

  await copy([{ source: 'good', target: '/new/deep/name' }], { chown: { uid: 5, gid: 6 }, mode: 0o600 })
  assert.deepEqual(
    [statSync(join(merged, 'new')).uid, statSync(join(merged, 'new/deep/name')).mode & 0o777],
    [5, 0o600],
  )
  assert.ok(lstatSync(join(merged, 'new/deep/name')).isFile())

  // Links on either side mean the tree's own root.
  await copy([{ source: 'src/file', target: '/var/run/pid' }])
  assert.equal(readFileSync(join(merged, 'run/pid'), 'utf8'), 'f')
  await assert.rejects(copy([{ source: 'evil', target: '/x' }]), /ENOENT/)
  await assert.rejects(copy([{ source: '../secret', target: '/x' }]), /ENOENT/)
  await copy([{ source: 'src/file', target: '/away/planted' }])
  assert.equal(existsSync(join(base, 'planted')), false)
  await copy([{ source: 'src/file', target: '/../../up' }])
  assert.equal(readFileSync(join(merged, 'up'), 'utf8'), 'f')

  await assert.rejects(copy([{ source: 'src/file', target: '/app' }]), {
    kind: 'invalid',
    message: /over the directory/,
  })
  await assert.rejects(copy([{ source: 'src', target: '/app/file' }]), {
    kind: 'invalid',
    message: /cannot copy to non-directory: /,
  })
  using dir = RootDir.open(context)
  dir.mknod('node', { kind: 'char', mode: 0o600, major: 1, minor: 1 })
  await assert.rejects(copy([{ source: '.', target: '/all' }]), { kind: 'invalid', message: /device node/ })
  await s.unmount(op, 'w')
  await assert.rejects(copy([{ source: 'src', target: '/app' }]), {
    kind: 'conflict',
    message: /not mounted/,
  })
})

test('extractInto() unpacks archives by their content, within the root', async () => {
  const archive = tarArchive([
    { name: './', type: 'directory', mode: 0o700 },
    { name: 'bin/tool', data: 'new', mode: 0o755, uid: 9 },
    { name: 'dir', type: 'directory', mode: 0o711 },
    { name: 'bin/same', type: 'hardlink', link: 'bin/tool' },
  ])
  const context = join(base, 'archives')
  mkdirSync(context)
  const forms: [string, Buffer][] = [
    ['plain', archive],
    ['gzip', gzipSync(archive)],
    ['bzip2', bzip2(archive)],
    ['xz', xz(archive)],
  ]
  const lower = await unpack([
    { name: 'opt', type: 'directory', mode: 0o755 },
    { name: 'opt/bin', type: 'symlink', link: '/usr/bin' },
    { name: 'usr/bin/tool', data: 'old' },
  ])
  for (const [name, data] of forms) {
    writeFileSync(join(context, name), data)
    const merged = await workspace(name, [lower.diffId])
    assert.equal(
      await s.extractInto(op, { workspace: name, from: { dir: context }, archive: name, target: '/opt' }),
      true,
      name,
    )
    assert.equal(readFileSync(join(merged, 'usr/bin/tool'), 'utf8'), 'new')
    assert.equal(statSync(join(merged, 'usr/bin/tool')).nlink, 2)
    assert.equal(statSync(join(merged, 'opt')).mode & 0o777, 0o755)
    assert.equal(statSync(join(merged, 'opt/dir')).mode & 0o777, 0o711)
  }
  const merged = await workspace('w')
  assert.equal(
    await s.extractInto(op, {
      workspace: 'w',
      archive: join(context, 'plain'),
      target: '/a/b',
      chown: { uid: 1, gid: 2 },
    }),
    true,
  )
  assert.deepEqual([statSync(join(merged, 'a')).uid, statSync(join(merged, 'a/b/bin/tool')).gid], [1, 2])
  for (const [name, data] of [
    ['text', Buffer.from('hello')],
    ['zipped', gzipSync('hello'.repeat(1000))],
    ['broken', gzipSync(archive).subarray(0, 12)],
    ['nothing', Buffer.alloc(0)],
  ] as const) {
    writeFileSync(join(context, name), data)
    assert.equal(
      await s.extractInto(op, { workspace: 'w', from: { dir: context }, archive: name, target: '/' }),
      false,
      name,
    )
  }
  assert.deepEqual(readdirSync(merged), ['a'])
  // Damaged further on: that is a failure, not a file to be copied.
  writeFileSync(
    join(context, 'cut'),
    gzipSync(tarArchive([{ name: 'x', data: randomBytes(200_000).toString('hex') }])).subarray(0, 150_000),
  )
  await assert.rejects(
    s.extractInto(op, { workspace: 'w', from: { dir: context }, archive: 'cut', target: '/' }),
    { kind: 'invalid', message: /gzip data is damaged/ },
  )
})

test('hostile archives do not leave the directory that they are extracted over', async () => {
  const outside = join(base, 'outside')
  mkdirSync(outside, { recursive: true })
  const target = join(base, 'target')
  const extract = (entries: TestEntry[]) =>
    s.extract(op, { dir: target, source: Readable.from([tarArchive(entries)]) })
  const cases: [TestEntry[], RegExp][] = [
    [[{ name: '../evil' }], /contains "\.\."/],
    [[{ name: '/evil' }], /absolute/],
    [[{ name: 'sda', type: 'block' }], /device node/],
    [[{ name: 'h', type: 'hardlink', link: '../outside/secret' }], /contains "\.\."/],
    [[{ name: 'h', type: 'hardlink', link: 'missing' }], /not a file/],
    [[{ name: 'l', type: 'symlink', link: '../../x' }], /outside the archive's root/],
    [[{ name: '.wh.x' }], /mark deletions/],
  ]
  for (const [entries, message] of cases) {
    rmSync(target, { recursive: true, force: true })
    mkdirSync(target)
    await assert.rejects(extract(entries), { kind: 'invalid', message })
  }
  await s.extract(op, {
    dir: target,
    source: Readable.from([
      tarArchive([
        { name: 'climbs', type: 'symlink', link: '../../x' },
        { name: 'climbs/in', data: 'x' },
      ]),
    ]),
    anySymlinks: true,
  })
  assert.equal(readFileSync(join(target, 'x/in'), 'utf8'), 'x')
  // A symlink in the archive means the directory as the root, as it would in the container.
  await extract([
    { name: 'l', type: 'symlink', link: outside },
    { name: 'l/planted', data: 'x' },
  ])
  assert.deepEqual(readdirSync(outside), [])
  assert.equal(readFileSync(join(target, outside, 'planted'), 'utf8'), 'x')
})

test('layers are shared, reused without reading, and removed unless leased', async () => {
  const archive = tarArchive([{ name: 'a', data: '1' }])
  const diffId = digestOf(archive)
  const both = await Promise.all(
    [1, 2].map(() => s.unpack(op, Readable.from([archive]), { expected: diffId })),
  )
  assert.equal(both[0]?.diffId, both[1]?.diffId)
  const blind = await Promise.all([1, 2].map(() => s.unpack(op, Readable.from([archive]))))
  assert.equal(blind[0]?.diffId, diffId)
  const unread = new Readable({ read: () => assert.fail('the source was read') })
  const blob: Digest = digestOf('blob')
  assert.equal((await s.unpack(op, unread, { expected: diffId })).diffId, diffId)
  assert.equal(unread.destroyed, true)
  assert.equal((await s.unpack(op, Readable.from([archive]), { blob })).blob, blob)
  assert.throws(() => s.tar(op, diffId), { kind: 'unsupported' })
  {
    using lease = leases.open()
    await s.unpack(op, Readable.from([archive]), { expected: diffId, lease })
    await s.removeLayer(op, diffId)
    assert.ok(s.layer(diffId))
  }
  await s.removeLayer(op, diffId)
  await s.removeLayer(op, diffId)
  assert.equal(s.layer(diffId), undefined)
  assert.equal(existsSync(s.layerPath(diffId)), false)
})

test('after a crash, what no record reaches goes, mounts too', async () => {
  const kept = await unpack([{ name: 'kept', data: '1' }])
  const unused = await unpack([{ name: 'unused', data: '1' }])
  const lost = await unpack([{ name: 'lost', data: '1' }])
  await workspace('alive', [kept.diffId])
  await workspace('dead', [unused.diffId])
  await workspace('leased')
  mkdirSync(join(root, 'tmp/half/fs'), { recursive: true })
  mkdirSync(join(root, 'layers', 'f'.repeat(64), 'fs'), { recursive: true })
  mkdirSync(join(root, 'trash/old'), { recursive: true })
  rmSync(join(root, 'layers', hexOf(lost.diffId)), { recursive: true })
  await s.close()
  store.close()
  leases = new Leases()
  await reopen()
  using lease = leases.open()
  lease.add('workspace:leased')
  await s.reconcile(op, { layers: new Set([kept.diffId, lost.diffId]), workspaces: new Set(['alive']) })
  assert.deepEqual(
    s.layers().map((layer) => layer.diffId),
    [kept.diffId],
  )
  assert.deepEqual(readdirSync(join(root, 'layers')), [hexOf(kept.diffId)])
  assert.deepEqual((await s.workspaces()).toSorted(), ['alive', 'leased'])
  assert.equal(isMountPoint(s.mergedPath('alive')), true)
  assert.equal(readFileSync(join(s.mergedPath('alive'), 'kept'), 'utf8'), '1')
  await s.close()
  assert.deepEqual([inTmp(), readdirSync(join(root, 'trash'))], [[], []])
})

test('layers that the machine may not have written before it went down are checked', async () => {
  const make = async (id: string, data: string) => {
    writeFileSync(join(await workspace(id), 'f'), data)
    return s.commit(op, id)
  }
  const [good, damaged] = [await make('a', 'good'), await make('b', 'damaged')]
  const foreign = await unpack([{ name: 'x', data: '1' }])
  const table = store.table('layers', (value) => value as Record<string, unknown>)
  await s.close()
  for (const { key, record } of table.all()) table.put(key, { ...record, unsynced: 'another boot' })
  writeFileSync(join(s.layerPath(damaged.diffId), 'f'), '')
  store.close()
  await reopen()
  assert.deepEqual(
    s.layers().map((layer) => layer.diffId),
    [good.diffId],
  )
  assert.equal(existsSync(s.layerPath(foreign.diffId)), false)
})

test('layers that are on the disk are not checked again', async () => {
  const layer = await unpack([{ name: 'x', data: '1' }])
  await s.close()
  const table = store.table('layers', (value) => value as Record<string, unknown>)
  assert.equal(table.get(layer.diffId)?.['unsynced'], undefined)
})
