import assert from 'node:assert/strict'
import {
  closeSync,
  constants,
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
import { afterEach, beforeEach, test } from 'node:test'
import { RootDir } from './root-dir.ts'

let base = ''
let root = ''
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'root-dir-'))
  root = join(base, 'root')
  mkdirSync(join(root, 'etc'), { recursive: true })
  writeFileSync(join(base, 'secret'), 'outside')
  writeFileSync(join(root, 'etc/passwd'), 'inside')
})
afterEach(() => rmSync(base, { recursive: true, force: true }))

test('names with .., absolute names and symlinks stay inside the tree', () => {
  symlinkSync('/etc/passwd', join(root, 'absolute'))
  symlinkSync('../../../../etc/passwd', join(root, 'etc/climbing'))
  symlinkSync(join(base, 'secret'), join(root, 'escape'))
  using dir = RootDir.open(root)
  for (const name of [
    'etc/passwd',
    '/etc/passwd',
    '../../etc/passwd',
    'absolute',
    'etc/climbing',
    '/../etc/../etc/passwd',
  ])
    assert.equal(dir.readFile(name, 100).toString(), 'inside', name)
  assert.throws(() => dir.readFile('escape', 100), { code: 'ENOENT' })
  assert.throws(() => dir.readFile('../secret', 100), { code: 'ENOENT' })
})

test('a root that refuses symlinks fails on any name through one, and still handles the symlink itself', () => {
  symlinkSync('etc', join(root, 'link'))
  using dir = RootDir.open(root, { symlinks: false })
  assert.throws(() => dir.readFile('link/passwd', 100), { code: 'ELOOP' })
  assert.throws(() => dir.mkdir('link/new', 0o755), { code: 'ELOOP' })
  assert.equal(dir.lstat('link').kind, 'symlink')
  assert.equal(dir.readlink('link').toString(), 'etc')
  dir.unlink('link')
  assert.equal(dir.tryLstat('link'), undefined)
})

test('magic links of /proc are never followed', () => {
  using dir = RootDir.open('/')
  assert.throws(() => dir.readFile('/proc/self/root/etc/hostname', 100), { code: 'ELOOP' })
})

test('files, directories, links and times are made as asked, whatever the umask', () => {
  using dir = RootDir.open(root, { cache: true })
  dir.mkdir('a', 0o1777)
  const fd = dir.openFile('a/file', constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  closeSync(fd)
  dir.chmod('a/file', 0o4755)
  dir.utimes('a/file', { sec: -5, nsec: 7 })
  dir.link('a/file', 'a/hard')
  dir.symlink('file', 'a/soft')
  dir.mknod('a/pipe', { kind: 'fifo', mode: 0o600 })
  assert.equal(dir.lstat('a').mode, 0o1777)
  const file = dir.lstat('a/file')
  assert.deepEqual(
    [file.kind, file.mode, file.nlink, file.mtimeSec, file.mtimeNsec],
    ['file', 0o4755, 2, -5, 7],
  )
  assert.equal(dir.lstat('a/hard').identity, file.identity)
  assert.equal(dir.stat('a/soft').identity, file.identity)
  assert.equal(dir.lstat('a/soft/').kind, 'symlink')
  assert.equal(dir.lstat('a/pipe').kind, 'fifo')
  assert.deepEqual(dir.list('a'), ['file', 'hard', 'pipe', 'soft'])
  dir.rename('a', 'b')
  assert.equal(dir.lstat('b/file').identity, file.identity)
  dir.removeAll('b')
  assert.deepEqual(dir.list('/'), ['etc'])
})

test('names need not be UTF-8', () => {
  using dir = RootDir.open(root)
  const name = Buffer.from([0x66, 0xff, 0xfe])
  dir.mkdir(name, 0o755)
  assert.deepEqual(dir.listBytes('.').at(-1), name)
  assert.equal(dir.lstat(name).kind, 'directory')
  dir.removeAll(name)
})

test('mkdirAll() makes what is missing, through a dangling symlink too, and says what it made', () => {
  symlinkSync('/run/deep', join(root, 'var'))
  using dir = RootDir.open(root)
  assert.deepEqual(
    dir.mkdirAll('/var/lock/x', 0o755),
    ['run', 'run/deep', 'run/deep/lock', 'run/deep/lock/x'].map((p) =>
      p.replace(/^run\/deep\/lock/, 'var/lock'),
    ),
  )
  assert.ok(statSync(join(root, 'run/deep/lock/x')).isDirectory())
  assert.deepEqual(dir.mkdirAll('/var/lock/x', 0o755), [])
  assert.throws(() => dir.mkdirAll('/etc/passwd/x', 0o755), { code: 'ENOTDIR' })
})

test('mkdirAll() gives up on symlinks that lead in a circle', () => {
  symlinkSync('b', join(root, 'a'))
  symlinkSync('a', join(root, 'b'))
  using dir = RootDir.open(root)
  assert.throws(() => dir.mkdirAll('a/x', 0o755), { code: 'ELOOP' })
})

test('readFile() refuses what is no regular file, or too long', () => {
  using dir = RootDir.open(root)
  dir.mknod('pipe', { kind: 'fifo', mode: 0o600 })
  assert.throws(() => dir.readFile('pipe', 10), /not a regular file/)
  assert.throws(() => dir.readFile('etc/passwd', 3), /larger than 3 bytes/)
  assert.throws(() => dir.readFile('etc', 3), /not a regular file/)
})

test('removal does not follow symlinks', () => {
  mkdirSync(join(base, 'other'))
  writeFileSync(join(base, 'other/keep'), 'x')
  symlinkSync(join(base, 'other'), join(root, 'etc/link'))
  using dir = RootDir.open(root)
  dir.removeAll('etc')
  assert.equal(readFileSync(join(base, 'other/keep'), 'utf8'), 'x')
})
