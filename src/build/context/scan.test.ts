import assert from 'node:assert/strict'
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { parseIgnore } from '../../lib/ignore.ts'
import { HashIndex } from './hash-index.ts'
import { scanTree } from './scan.ts'

function tree(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), 'gantry-scan-'))
  t.after(() => rmSync(root, { recursive: true }))
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    if (content.startsWith('->')) symlinkSync(content.slice(2), join(root, path))
    else writeFileSync(join(root, path), content)
  }
  return root
}

const scan = (root: string, wanted: string[], ignore = '', index = new HashIndex()) =>
  scanTree({ root, wanted, ignore: parseIgnore(ignore) }, index, () => false)
const paths = (root: string, wanted: string[], ignore = '') =>
  scan(root, wanted, ignore).entries.map((e) => e.path)

test('scanTree() walks only what is wanted', (t) => {
  const root = tree(t, { 'a/x': '1', 'a/y': '2', 'b/z': '3', c: '4' })
  assert.deepEqual(paths(root, ['a']), ['a', 'a/x', 'a/y'])
  assert.deepEqual(paths(root, ['./c', '/b/z']), ['b/z', 'c'])
  assert.deepEqual(paths(root, ['*/?']), ['a/x', 'a/y', 'b/z'])
  assert.deepEqual(paths(root, ['../../c']), ['c'])
})

test('scanTree() tells which files are one', (t) => {
  const root = tree(t, { 'a/x': '1', 'a/y': '1', 'b/z': '1' })
  linkSync(join(root, 'a/x'), join(root, 'b/x'))
  const [ax, ay, bx, bz] = scan(root, ['.']).entries.filter(({ type }) => type === 'f')
  assert.ok(ax?.inode)
  assert.equal(bx?.inode, ax.inode)
  assert.deepEqual([ay?.inode, bz?.inode], [undefined, undefined])
})

test('scanTree() says what is called almost like what is not there', (t) => {
  const root = tree(t, { 'src/main.ts': '1', 'package.json': '2', Readme: '3', 'hidden.txt': '4' })
  const near = (path: string) => scan(root, [path], 'hidden*').sources[0]?.near
  assert.deepEqual(
    ['pakage.json', 'src/mian.ts', 'scr/main.ts', 'README', 'hiden.txt', 'nothing/like/it', 'src', 'no*'].map(
      near,
    ),
    ['package.json', 'src/main.ts', 'src/main.ts', 'Readme', undefined, undefined, undefined, undefined],
  )
})

test('scanTree() keeps out what .dockerignore names and says so', (t) => {
  const root = tree(t, { 'd/keep': '1', 'd/drop': '2', 'e/f': '3', g: '4' })
  assert.deepEqual(paths(root, ['.'], 'd\n!d/keep\ne'), ['.', 'd', 'd/keep', 'g'])
  assert.equal(scan(root, ['.'], 'd/drop').sources[0]?.complete, false)
  assert.equal(scan(root, ['e'], 'd/drop').sources[0]?.complete, true)
  const [source] = scan(root, ['e/f'], '\ne').sources
  assert.deepEqual(source, {
    pattern: 'e/f',
    paths: [],
    names: [],
    complete: true,
    ignoredBy: { path: 'e/f', line: 2, pattern: 'e' },
  })
  assert.deepEqual(scan(root, ['nope']).sources, [{ pattern: 'nope', paths: [], names: [], complete: true }])
})

test('scanTree() follows links of a source inside the root only, and keeps those below', (t) => {
  const root = tree(t, {
    'd/f': '1',
    'd/l': '->f',
    link: '->/d',
    up: '->../../../../etc/passwd',
    loop: '->loop',
  })
  assert.deepEqual(scan(root, ['link']).sources, [
    { pattern: 'link', paths: ['d'], names: ['link'], complete: true },
  ])
  assert.deepEqual(paths(root, ['link']), ['d', 'd/f', 'd/l'])
  assert.deepEqual(scan(root, ['up']).sources[0]?.paths, [])
  assert.deepEqual(scan(root, ['loop']).sources[0]?.paths, [])
})

test('hashes come from the index until the file changes in content, mode or name', (t) => {
  const root = tree(t, { f: 'one', g: 'two' })
  // Old enough to be trusted by its mtime, but its ctime is now: the clock decides.
  utimesSync(join(root, 'f'), 1, 1)
  const index = new HashIndex(join(root, '..', `${root.split('/').at(-1)}.index`))
  const first = scan(root, ['.'], '', index)
  writeFileSync(join(root, 'f'), 'eno')
  utimesSync(join(root, 'f'), 1, 1)
  chmodSync(join(root, 'g'), 0o600)
  const second = scan(root, ['.'], '', index)
  const of = (s: typeof first, path: string) => s.entries.find((e) => e.path === path)
  assert.notEqual(of(first, 'f')?.content, of(second, 'f')?.content)
  assert.equal(of(first, 'g')?.content, of(second, 'g')?.content)
  assert.equal(of(second, 'g')?.mode, 0o600)
})
