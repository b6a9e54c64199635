import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { parseOutputFlags } from './outputs.ts'

const parse = (output: string[], more: Partial<Parameters<typeof parseOutputFlags>[0]> = {}) =>
  parseOutputFlags({ output, load: false, push: false, annotation: [], ...more }, false)

test('--output in its short forms', () => {
  assert.deepEqual(parse(['out']), [
    { wire: { type: 'local', attrs: {}, sent: true }, dest: { kind: 'directory', path: 'out' } },
  ])
  assert.deepEqual(parse(['-']), [
    { wire: { type: 'tar', attrs: {}, sent: true }, dest: { kind: 'file', path: '-' } },
  ])
})

test('--output with a type, attributes and quotes', () => {
  assert.deepEqual(parse(['type=oci,"dest=a,b.tar",compression=zstd']), [
    {
      wire: { type: 'oci', attrs: { compression: 'zstd' }, sent: true },
      dest: { kind: 'file', path: 'a,b.tar' },
    },
  ])
  assert.deepEqual(parse(['type=oci,tar=false,dest=layout'])[0]?.dest, { kind: 'directory', path: 'layout' })
  assert.deepEqual(parse(['type=registry,name=r.example/x']), [
    { wire: { type: 'image', attrs: { name: 'r.example/x', push: 'true' }, sent: false } },
  ])
})

test('--load and --push add what is not said yet', () => {
  const types = (outputs: ReturnType<typeof parse>) => outputs.map(({ wire }) => [wire.type, wire.attrs])
  assert.deepEqual(types(parse([], { load: true })), [['docker', {}]])
  assert.deepEqual(types(parse(['out'], { load: true })), [
    ['local', {}],
    ['docker', {}],
  ])
  assert.deepEqual(types(parse(['type=image'], { load: true, push: true })), [['image', { push: 'true' }]])
  assert.deepEqual(types(parse([], { push: true })), [['image', { push: 'true' }]])
})

test('--annotation goes to every output that has a manifest', () => {
  const outputs = parse(['out', 'type=oci'], {
    annotation: ['a=1', 'manifest,index[linux/amd64]:b=x=y', 'org.example:c=2'],
  })
  assert.deepEqual(outputs[0]?.wire.attrs, {})
  assert.deepEqual(outputs[1]?.wire.attrs, {
    'annotation-manifest.a': '1',
    'annotation-manifest.b': 'x=y',
    'annotation-index[linux/amd64].b': 'x=y',
    'annotation-manifest.org.example:c': '2',
  })
})

test('what --output cannot do is said', () => {
  const cases: [string[], RegExp][] = [
    [['dest=x,name=y'], /type is required for output/],
    [['type=local'], /dest is required for local exporter/],
    [['type=local,dest=-'], /dest cannot be stdout for local exporter/],
    [[`type=tar,dest=${tmpdir()}`], /is a directory/],
    [['type=oci,x'], /invalid value x/],
    [['type=image,dest=x'], /output image has no dest/],
    [['type=cacheonly'], /output type "cacheonly" is not supported/],
    [['-', 'type=oci'], /only one output can go to standard output/],
  ]
  for (const [output, message] of cases) assert.throws(() => parse(output), message)
  assert.throws(
    () => parseOutputFlags({ output: ['-'], load: false, push: false, annotation: [] }, true),
    /refusing to write to console/,
  )
})
