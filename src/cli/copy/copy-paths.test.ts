import assert from 'node:assert/strict'
import { test } from 'node:test'
import { followed, keepEnding, placementOf, renamed, splitPath } from './copy-paths.ts'

test('splitPath() keeps what a dot at the end means', () => {
  assert.deepEqual(splitPath('/a/b'), { directory: '/a', base: 'b' })
  assert.deepEqual(splitPath('/a/b/'), { directory: '/a', base: 'b' })
  assert.deepEqual(splitPath('/a/b/.'), { directory: '/a/b', base: '.' })
  assert.deepEqual(splitPath('x'), { directory: '.', base: 'x' })
  assert.deepEqual(splitPath('/'), { directory: '/', base: '/' })
  assert.equal(keepEnding('/a/b', 'b/.'), '/a/b/.')
  assert.equal(keepEnding('/', '/.'), '/.')
  assert.equal(keepEnding('/a/b', 'b/'), '/a/b/')
})

test('placementOf() knows each case of source and destination', () => {
  const file = { path: '/s/f', isDirectory: false }
  const folder = { path: '/s/d', isDirectory: true }
  const at = (path: string, kind?: 'file' | 'directory') => ({
    path,
    exists: kind !== undefined,
    isDirectory: kind === 'directory',
  })
  assert.deepEqual(placementOf(file, at('/x', 'directory')), { directory: '/x' })
  assert.deepEqual(placementOf(file, at('/x/y', 'file')), {
    directory: '/x',
    rename: { from: 'f', to: 'y' },
  })
  assert.deepEqual(placementOf(file, at('/x/y')), { directory: '/x', rename: { from: 'f', to: 'y' } })
  assert.deepEqual(placementOf(folder, at('/x/y')), { directory: '/x', rename: { from: 'd', to: 'y' } })
  assert.deepEqual(placementOf({ ...folder, path: '/s/d/.' }, at('/x/y')), {
    directory: '/x',
    rename: { from: '.', to: 'y' },
  })
  assert.throws(() => placementOf(folder, at('/x/y', 'file')), /^Error: cannot copy directory$/)
  assert.throws(() => placementOf(file, at('/x/y/')), /^Error: no such directory$/)
})

test('renamed() changes the first part of a name alone', () => {
  assert.equal(renamed('d/a/d', { from: 'd', to: 'y' }), 'y/a/d')
  assert.equal(renamed('dd/a', { from: 'd', to: 'y' }), 'dd/a')
  assert.equal(renamed('./a.b', { from: '.', to: 'y' }), 'y/a.b')
  assert.equal(renamed('/bin', { from: '/', to: 'y' }), 'y/bin')
  assert.equal(renamed('f', undefined), 'f')
})

test('followed() gives a copy the name of the link', () => {
  assert.deepEqual(followed('/link', '/target'), { path: '/target', name: 'link' })
  assert.deepEqual(followed('/link/', '/target'), { path: '/target/', name: 'link' })
  assert.deepEqual(followed('/link/.', '/target'), { path: '/target/.' })
})
