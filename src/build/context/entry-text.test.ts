import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeEntries, encodeEntries } from './entry-text.ts'
import type { Entry } from './scan.ts'

test('entries come back as they were', () => {
  const common = { mode: 0o4755, uid: 33, gid: 4_294_967_295 }
  const entries: Entry[] = [
    { ...common, path: '.', type: 'd', content: '' },
    { ...common, path: 'a\nb', type: 'f', content: 'ab12', inode: '64769:2' },
    { ...common, path: 'é', type: 'f', content: 'cd34' },
    { ...common, path: 'l', type: 'l', content: '../ü' },
    { ...common, path: 'p', type: 'p', content: '' },
  ]
  assert.deepEqual(decodeEntries(encodeEntries(entries)), entries)
  assert.deepEqual(decodeEntries(encodeEntries([])), [])
})
