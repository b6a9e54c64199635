import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Attrs, parseHosts, parseUlimits } from './attrs.ts'
import { cacheExports, cacheImports } from './cache-options.ts'
import { fileMode, kindOf, permissionsOf } from '../../wire/go-file-mode.ts'
import { graphOf, imageOfGraph } from './result-ref.ts'

test('options that nobody takes are refused by name', () => {
  const attrs = new Attrs({ target: 't', 'build-arg:A': '1', 'build-arg:B': '', odd: 'x' })
  assert.equal(attrs.take('target'), 't')
  assert.deepEqual(attrs.takeAll('build-arg:'), { A: '1', B: '' })
  assert.throws(() => attrs.refuseRest(), { kind: 'unsupported', message: /"odd"/ })
})

test('hosts and limits as buildx writes them', () => {
  assert.deepEqual(parseHosts('a=1.2.3.4,b=::1'), ['a:1.2.3.4', 'b:::1'])
  assert.throws(() => parseHosts('a'), { kind: 'invalid' })
  assert.deepEqual(parseUlimits('nofile=1:2,nproc=-1'), [
    { Name: 'nofile', Soft: 1, Hard: 2 },
    { Name: 'nproc', Soft: -1, Hard: -1 },
  ])
  assert.throws(() => parseUlimits('nofile'), { kind: 'invalid' })
})

test('caches: field names of Go in any case, what is not done by name', () => {
  const json = JSON.stringify([{ Type: 'registry', Attrs: { ref: 'r:1' } }])
  assert.deepEqual(cacheImports(json, 'r:2,'), [
    { kind: 'registry', reference: 'r:1' },
    { kind: 'registry', reference: 'r:2' },
  ])
  assert.throws(() => cacheImports('{', undefined), { kind: 'invalid' })
  assert.throws(() => cacheImports('[{"type":"gha"}]', undefined), {
    kind: 'unsupported',
    message: /type=gha/,
  })
  assert.throws(() => cacheExports([{ Type: 'local', Attrs: {} }]), { kind: 'unsupported' })
})

test('Go’s file modes', () => {
  assert.equal(kindOf(fileMode('directory', 0o1777)), 'directory')
  assert.equal(permissionsOf(fileMode('file', 0o6755)), 0o6755)
  assert.equal(kindOf(0x0400_0000), undefined)
})

test('a result goes out as a graph and comes back as its image; other graphs are refused', () => {
  const id = `sha256:${'ab'.repeat(32)}`
  assert.equal(imageOfGraph(graphOf(id)), id)
  assert.throws(() => imageOfGraph({ def: [], metadata: {} }), { kind: 'unsupported' })
  assert.throws(() => imageOfGraph(undefined), { kind: 'unsupported' })
})
