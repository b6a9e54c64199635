import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
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
import { setXattr } from '../host/xattr.ts'
import { Store } from '../store/index.ts'
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
