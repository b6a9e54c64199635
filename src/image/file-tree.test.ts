import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '../lib/digest.ts'
import type { LayerEntry } from '../snapshot/index.ts'
import { FileTree } from './file-tree.ts'

/** `d a`, `f a/b 10`, `l a/c target`, `w a/b`, `o a` (an opaque directory); `#1` names an inode. */
function entry(text: string): LayerEntry {
  const [type = '', path = '', what = '', identity] = text.split(' ')
  const kinds = { d: 'directory', o: 'directory', f: 'file', l: 'symlink', w: 'whiteout' } as const
  return {
    path,
    kind: kinds[type as keyof typeof kinds],
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: type === 'f' ? Number(what) : 0,
    mtime: 0,
    ...(type === 'l' && { link: what }),
    ...(type === 'o' && { opaque: true as const }),
    ...(identity !== undefined && { identity }),
  }
}

function tree(...layers: string[][]): FileTree {
  const made = new FileTree(layers.map((_, index) => digestOf(String(index))))
  for (const layer of layers) made.apply(layer.map(entry), { opaque: layer.includes('opaque') })
  return made
}

const paths = (made: FileTree) => [...made.walk()].map((node) => node.entry.path)

test('layers are put on each other as overlayfs does', () => {
  const made = tree(
    ['d a', 'f a/x 10', 'f a/y 5', 'd b', 'f b/z 7', 'f c 1'],
    ['d a', 'f a/x 12', 'w a/y', 'o b', 'f b/n 2', 'f d 3'],
    ['w a', 'd c', 'f c/in 4'],
  )
  assert.deepEqual(paths(made), ['b', 'b/n', 'c', 'c/in', 'd'])
  assert.deepEqual(made.changes, [
    { added: 4, changed: 0, deleted: 0, wasted: 23 },
    { added: 2, changed: 1, deleted: 2, wasted: 12 },
    { added: 1, changed: 0, deleted: 1, wasted: 0 },
  ])
  assert.deepEqual(
    made.wastedFiles.map(({ path, layer, by, deleted }) => `${path} ${layer} ${by} ${deleted}`),
    ['a/x 0 1 false', 'a/y 0 1 true', 'b/z 0 1 true', 'a/x 1 2 true', 'c 0 2 false'],
  )
})

test('bytes with several names are wasted when the last name goes', () => {
  const made = tree(['f a 10 #1', 'f b 10 #1'], ['w a'])
  assert.equal(made.changes[0]?.wasted, 0)
  assert.equal(tree(['f a 10 #1', 'f b 10 #1'], ['w a', 'w b']).changes[0]?.wasted, 10)
})

test('links are followed inside the image, and never out of it or for ever', () => {
  const made = tree([
    'd etc',
    'f etc/passwd 9',
    'l up ../../../etc/passwd',
    'l abs /etc',
    'l loop loop',
    'd a',
    'l a/rel ../etc/./passwd',
    'l dangling /no/where',
  ])
  for (const path of ['up', '/abs/passwd', 'a/rel', '/../../etc/passwd', 'a/../etc/passwd', 'etc//passwd'])
    assert.equal(made.find(path)?.entry.path, 'etc/passwd', path)
  for (const path of ['loop', 'dangling', 'etc/passwd/x', 'nothing'])
    assert.equal(made.find(path), undefined, path)
  assert.equal(made.find('up', { follow: false })?.entry.kind, 'symlink')
  assert.equal(made.find('/'), made.root)
})
