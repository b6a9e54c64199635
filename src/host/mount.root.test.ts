import assert from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { isMountPoint, MNT_DETACH, mountOverlay, mountsUnder, unmount } from './mount.ts'
import { getXattr, listXattrs, removeXattr, setXattr } from './xattr.ts'

const base = mkdtempSync(join(tmpdir(), 'mount-'))
after(() => {
  for (const target of mountsUnder(base)) unmount(target, MNT_DETACH)
  rmSync(base, { recursive: true, force: true })
})

function make(
  name: string,
  layers: number,
): { lowers: string[]; upper: string; work: string; target: string } {
  const dir = (part: string) => {
    const path = join(base, name, part)
    mkdirSync(path, { recursive: true })
    return path
  }
  const lowers = Array.from({ length: layers }, (_, index) => {
    const path = dir(`a-rather-long-name-for-the-directory-of-a-layer-${'x'.repeat(60)}-${index}`)
    writeFileSync(join(path, `file${index}`), `${index}`)
    return path
  })
  return { lowers, upper: dir('upper'), work: dir('work'), target: dir('target') }
}

test('mountOverlay() takes more lowers than a page of options holds', () => {
  const o = make('many', 200)
  mountOverlay(o)
  assert.ok(isMountPoint(o.target))
  assert.equal(readFileSync(join(o.target, 'file199'), 'utf8'), '199')
  writeFileSync(join(o.target, 'file0'), 'new')
  assert.equal(readFileSync(join(o.upper, 'file0'), 'utf8'), 'new')
  unmount(o.target)
  unmount(o.target)
  assert.ok(!isMountPoint(o.target))
})

test('mountOverlay() takes paths with commas, colons and backslashes', () => {
  const o = make('a,b:c\\d', 2)
  mountOverlay({ ...o, volatile: true })
  assert.ok(existsSync(join(o.target, 'file1')))
  unmount(o.target)
})

test('extended attributes are listed, read, replaced and removed', () => {
  const path = join(base, 'attributes')
  writeFileSync(path, '')
  setXattr(path, 'user.b', Buffer.from('1'))
  setXattr(path, 'user.a', Buffer.from([0, 255]))
  setXattr(path, 'user.a', Buffer.from([0, 254]))
  assert.deepEqual(listXattrs(path), ['user.a', 'user.b'])
  assert.deepEqual(getXattr(path, 'user.a'), Buffer.from([0, 254]))
  assert.equal(getXattr(path, 'user.c'), undefined)
  assert.equal(removeXattr(path, 'user.a'), true)
  assert.equal(removeXattr(path, 'user.a'), false)
})
