import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../context/scan.ts'
import { manifestOf } from './manifest.ts'

const common = { mode: 0o644, uid: 5, gid: 6, content: 'c' }
const root: Entry = { ...common, path: 'd', type: 'd', content: '' }
const file = (path: string, inode?: string): Entry => ({
  ...common,
  path,
  type: 'f',
  ...(inode !== undefined && { inode }),
})
const digest = (below: Entry[], owners = false) =>
  manifestOf([{ path: 'd', name: 'd', root, below, complete: true }], { owners }).digest

test('a manifest tells which of its files are hard links of each other', () => {
  const apart = digest([file('a'), file('b'), file('c')])
  assert.notEqual(digest([file('a', '1:1'), file('b', '1:1'), file('c')]), apart)
  assert.notEqual(
    digest([file('a', '1:1'), file('b', '1:1'), file('c')]),
    digest([file('a', '1:1'), file('b'), file('c', '1:1')]),
  )
  // The numbers themselves are those of one file system at one time, and other names may not be taken.
  assert.equal(
    digest([file('a', '1:1'), file('b', '1:1'), file('c')]),
    digest([file('a', '2:7'), file('b', '2:7'), file('c', '2:8')]),
  )
  assert.equal(digest([file('a', '1:1'), file('b'), file('c')]), apart)
})

test('owners count where they are kept', () => {
  const other = { ...file('a'), uid: 9 }
  assert.equal(digest([other]), digest([file('a')]))
  assert.notEqual(digest([other], true), digest([file('a')], true))
})
