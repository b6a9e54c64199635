import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  closeSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { mount, mountsUnder, MS_BIND, unmount } from '../host/mount.ts'
import { bindDescriptor } from '../host/mount-tree.ts'
import { setXattr } from '../host/xattr.ts'
import { Store } from '../store/index.ts'
import { run as runVolumeJob } from './jobs.ts'
import { Volumes } from './volumes.ts'

const op = background(silentLogger)

async function open(t: TestContext) {
  const folder = mkdtempSync(join(tmpdir(), 'gvol-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const rootfs = join(folder, 'rootfs')
  mkdirSync(join(rootfs, 'data/sub'), { recursive: true })
  const volumes = await Volumes.open(op, {
    root: join(folder, 'v'),
    store: Store.open(':memory:'),
    emit() {},
  })
  return { folder, rootfs, volumes }
}

for (const bulk of [0, 300])
  test(`populate() copies owners, modes, links and attributes (${bulk ? 'in a worker' : 'few files'})`, async (t) => {
    const { rootfs, volumes } = await open(t)
    chownSync(join(rootfs, 'data'), 70, 71)
    chmodSync(join(rootfs, 'data'), 0o1770)
    const file = join(rootfs, 'data/sub/file')
    writeFileSync(file, 'hello')
    chownSync(file, 999, 998)
    chmodSync(file, 0o4750)
    linkSync(file, join(rootfs, 'data/hard'))
    symlinkSync('/etc/passwd', join(rootfs, 'data/escape'))
    setXattr(file, 'user.note', Buffer.from('x'))
    for (let i = 0; i < bulk; i++) writeFileSync(join(rootfs, `data/sub/${i}`), '')
    const volume = await volumes.create(op, { name: 'db' })
    await volumes.populate(op, 'db', { rootfs, path: '/data' })
    const root = statSync(volume.mountpoint)
    assert.deepEqual([root.uid, root.gid, root.mode & 0o7777], [70, 71, 0o1770])
    const copied = statSync(join(volume.mountpoint, 'sub/file'))
    assert.deepEqual([copied.uid, copied.gid, copied.mode & 0o7777], [999, 998, 0o4750])
    assert.equal(statSync(join(volume.mountpoint, 'hard')).ino, copied.ino)
    assert.ok(lstatSync(join(volume.mountpoint, 'escape')).isSymbolicLink())
    assert.equal(await volumes.isEmpty(op, 'db'), false)
    // A volume with content is left alone.
    writeFileSync(file, 'other')
    await volumes.populate(op, 'db', { rootfs, path: '/data' })
    assert.equal(readFileSync(join(volume.mountpoint, 'sub/file'), 'utf8'), 'hello')
  })

test('populate() stays inside the image: a symlink at the path leads nowhere else', async (t) => {
  const { folder, rootfs, volumes } = await open(t)
  writeFileSync(join(folder, 'secret'), 's')
  symlinkSync('../../..', join(rootfs, 'out'))
  const volume = await volumes.create(op, { name: 'db' })
  await volumes.populate(op, 'db', { rootfs, path: `/out${folder}` })
  assert.equal(await volumes.isEmpty(op, 'db'), true)
  assert.equal(volume.anonymous, false)
})

test('a volume with mount options is mounted for its first holder, until the last lets go; a deletion never follows the mount', async (t) => {
  const { folder, volumes } = await open(t)
  await volumes.settle(new Map())
  const host = join(folder, 'host')
  mkdirSync(host)
  writeFileSync(join(host, 'precious'), 'x')
  const options = { type: 'none', device: host, o: 'bind' }
  const { mountpoint } = await volumes.create(op, { name: 'bound', options })
  await volumes.hold(op, 'bound', 'one')
  await volumes.hold(op, 'bound', 'one')
  await volumes.hold(op, 'bound', 'two')
  assert.equal(mountsUnder(mountpoint).length, 1)
  await volumes.release(op, 'bound', 'one')
  assert.equal(mountsUnder(mountpoint).length, 1)
  await volumes.release(op, 'bound', 'two')
  assert.equal(mountsUnder(mountpoint).length, 0)
  // Held by nobody that is known, as after a crash.
  mount({ source: host, target: mountpoint, flags: MS_BIND })
  await volumes.remove(op, 'bound', { force: false })
  assert.equal(readFileSync(join(host, 'precious'), 'utf8'), 'x')
  assert.deepEqual(mountsUnder(folder), [])
})

test('chown changes a tree and nothing that a symlink in it names; setuid stays', async (t) => {
  const { folder } = await open(t)
  const tree = join(folder, 'tree')
  mkdirSync(join(tree, 'sub'), { recursive: true })
  writeFileSync(join(folder, 'outside'), '')
  writeFileSync(join(tree, 'sub/tool'), '')
  chmodSync(join(tree, 'sub/tool'), 0o4755)
  symlinkSync('../outside', join(tree, 'link'))
  await runVolumeJob(op, { kind: 'chown', root: tree, path: '.', uid: 12, gid: 34 })
  for (const name of ['', 'sub', 'sub/tool', 'link']) {
    const { uid, gid } = lstatSync(join(tree, name))
    assert.deepEqual([uid, gid], [12, 34], name)
  }
  assert.equal(statSync(join(tree, 'sub/tool')).mode & 0o7777, 0o4755)
  assert.equal(statSync(join(folder, 'outside')).uid, 0)
})

test('an id-mapped mount shows and writes other owners than the disk has', async (t) => {
  const { folder } = await open(t)
  const [source, target] = [join(folder, 'source'), join(folder, 'target')]
  for (const path of [source, target]) mkdirSync(path)
  chownSync(source, 1234, 5678)
  const fd = openSync(source, 0o10000000)
  const ranges = (disk: number, seen: number) => [{ disk, seen, count: 1 }]
  const idMap = { uids: ranges(1234, 33), gids: ranges(5678, 34) }
  try {
    await bindDescriptor(op, { fd, target, recursive: true, idMap, what: source })
    writeFileSync(join(source, 'file'), '')
    chownSync(join(source, 'file'), 1234, 5678)
    const seen = statSync(join(target, 'file'))
    assert.deepEqual([seen.uid, seen.gid], [33, 34])
    chownSync(join(target, 'file'), 33, 34)
    assert.equal(statSync(join(source, 'file')).uid, 1234)
  } finally {
    closeSync(fd)
    unmount(target)
  }
})
