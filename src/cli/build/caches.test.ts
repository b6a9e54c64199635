import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { parseCacheFrom, parseCacheTo } from './caches.ts'

test('--cache-from takes names, registries and directories', () => {
  const missing: string[] = []
  const sources = parseCacheFrom(
    [
      'user/app:cache',
      'type=registry,ref=r.example/c',
      `type=local,src=${tmpdir()},tag=x`,
      'type=local,src=/nowhere',
    ],
    (path) => missing.push(path),
  )
  assert.deepEqual(missing, ['/nowhere'])
  assert.deepEqual(
    sources.map((source) => (source.kind === 'local' ? [source.path, source.tag] : source.reference)),
    ['user/app:cache', 'r.example/c', [tmpdir(), 'x']],
  )
})

test('--cache-to takes names, registries, directories and the image itself', () => {
  assert.deepEqual(parseCacheTo(['user/app:cache', 'type=inline', 'type=local,dest=c,mode=max']), [
    { wire: { type: 'registry', attrs: { ref: 'user/app:cache' }, sent: false } },
    { wire: { type: 'inline', attrs: {}, sent: false } },
    { wire: { type: 'local', attrs: { mode: 'max' }, sent: true }, dest: { kind: 'directory', path: 'c' } },
  ])
})

test('caches of other kinds are refused by name', () => {
  assert.throws(() => parseCacheTo(['type=gha']), { message: /--cache-to type=gha is not supported/ })
  assert.throws(() => parseCacheFrom(['type=s3,bucket=x'], () => {}), { message: /--cache-from type=s3/ })
  assert.throws(() => parseCacheFrom(['ref=x'], () => {}), { message: /type required/ })
  assert.throws(() => parseCacheTo(['type=local']), { message: /requires dest/ })
})
