import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { encodeHeader, padded, type TarEntry } from '../../snapshot/index.ts'
import { compareLayers } from './compare.ts'

type File = Partial<TarEntry> & { name: string; text?: string }

function archive(...files: File[]): Readable {
  const chunks = files.flatMap(({ text = '', ...rest }) => {
    const entry: TarEntry = {
      type: 'file',
      linkName: '',
      mode: 0o644,
      uid: 0,
      gid: 0,
      size: Buffer.byteLength(text),
      mtime: { sec: 0, nsec: 0 },
      major: 0,
      minor: 0,
      xattrs: new Map(),
      ...rest,
    }
    const body = Buffer.alloc(padded(entry.size))
    body.write(text)
    return [encodeHeader(entry), body]
  })
  return Readable.from([...chunks, Buffer.alloc(1024)], { objectMode: false })
}

const compared = async (first: File[], second: File[], limit = 9) =>
  (await compareLayers(archive(...first), archive(...second), { limit })).map(
    ({ path, what }) => `${path}: ${what.join('; ')}`,
  )

test('equal archives have no difference', async () => {
  const files = [
    { name: 'a', type: 'directory' as const },
    { name: 'a/b', text: 'x' },
  ]
  assert.deepEqual(await compared(files, files), [])
})

test('each file that differs is told, with all that differs of it', async () => {
  const first: File[] = [
    { name: 'a', type: 'directory', mode: 0o755 },
    { name: 'a/b', text: 'one' },
    { name: 'a/only', text: '' },
    { name: 'a.txt', text: 'same' },
    { name: 'l', type: 'symlink', linkName: 'a' },
    { name: 'x', text: 'same', xattrs: new Map([['user.a', Buffer.from('1')]]) },
  ]
  const second: File[] = [
    { name: 'a', type: 'directory', mode: 0o711, mtime: { sec: 1, nsec: 0 } },
    { name: 'a/b', text: 'three', uid: 1 },
    { name: 'a.txt', text: 'some' },
    { name: 'd/.wh.gone', text: '' },
    { name: 'l', type: 'symlink', linkName: 'b' },
    { name: 'x', text: 'same', xattrs: new Map() },
  ]
  assert.deepEqual(await compared(first, second), [
    '/a: mode 755, then 711; time 1970-01-01T00:00:00Z, then 1970-01-01T00:00:01Z',
    '/a/b: content (3 bytes, then 5); owner 0:0, then 1:0',
    '/a/only: only in the first build',
    '/a.txt: content (4 bytes, sha256 0967115f2813, then a6b46dd0d1ae)',
    '/d/gone: only in the second build',
    '/l: target a, then b',
    '/x: attributes user.a',
  ])
  assert.deepEqual((await compared(first, second, 2)).length, 2)
})
