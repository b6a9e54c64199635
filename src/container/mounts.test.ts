import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchanged } from './mount-setup.ts'
import { parseBind, parseIdMap, parseMount } from './mount-requests.ts'

test('parseBind() tells host paths from volume names and anonymous volumes', () => {
  assert.partialDeepStrictEqual(parseBind('/a/../b:/c:ro,Z'), {
    type: 'bind',
    source: '/b',
    destination: '/c',
    readOnly: true,
    mode: 'ro,Z',
    propagation: 'rprivate',
    createSource: true,
  })
  assert.partialDeepStrictEqual(parseBind('data:/c/:nocopy'), {
    type: 'volume',
    source: 'data',
    destination: '/c',
    noCopy: true,
  })
  assert.partialDeepStrictEqual(parseBind('/c'), { type: 'volume', source: '', destination: '/c' })
})

test('parseBind() refuses bad forms by name', () => {
  for (const [text, message] of [
    ['a:/b:c:d', /want SOURCE:TARGET/],
    ['/a:/b:wild', /invalid mode: wild/],
    ['/a:b', /must be absolute/],
    ['/a:/', /can't be '\/'/],
    ['./a:/b', /use absolute path/],
    ['v:/b:rshared', /invalid mode: rshared/],
    ['v:/b:ro,rw', /invalid mode: ro,rw/],
    ['/a:/b:U,idmap', /invalid mode/],
    ['', /want SOURCE:TARGET/],
  ] as const)
    assert.throws(() => parseBind(text), { kind: 'invalid', message })
})

test('parseMount() reads each type and refuses what it cannot do', () => {
  assert.partialDeepStrictEqual(
    parseMount({ Type: 'tmpfs', Target: '/t', TmpfsOptions: { SizeBytes: 5, Mode: 0o700 } }),
    {
      type: 'tmpfs',
      options: ['size=5', 'mode=700'],
    },
  )
  assert.throws(() => parseMount({ Type: 'bind', Target: '/t' }), {
    message: /field Source must not be empty/,
  })
  assert.partialDeepStrictEqual(
    parseMount({ Type: 'image', Target: '/t', Source: 'x', ImageOptions: { Subpath: './a/' } }),
    { type: 'image', readOnly: true, subpath: 'a' },
  )
  assert.throws(
    () => parseMount({ Type: 'volume', Source: 'v', Target: '/t', VolumeOptions: { Subpath: '../x' } }),
    { message: /subpath must be a relative path within the volume/ },
  )
  assert.throws(() => parseMount({ Type: 'npipe', Target: '/t', Source: 'x' }), { kind: 'unsupported' })
  assert.throws(() => parseMount({ Type: 'tmpfs', Target: '/t', VolumeOptions: {} }), {
    message: /field VolumeOptions must not be specified/,
  })
})

test('parseMount() reads how deep read-only goes', () => {
  const depth = (o: object, readOnly = true) =>
    parseMount({ Type: 'bind', Source: '/a', Target: '/b', ReadOnly: readOnly, BindOptions: o })
  assert.equal(depth({}).readOnlyBelow, 'possible')
  assert.equal(depth({ ReadOnlyNonRecursive: true }).readOnlyBelow, 'never')
  assert.equal(depth({ ReadOnlyForceRecursive: true }).readOnlyBelow, 'required')
  assert.equal(depth({ NonRecursive: true }, false).recursive, false)
  assert.throws(() => depth({ ReadOnlyForceRecursive: true }, false), /ReadOnly is not/)
  assert.throws(
    () => depth({ ReadOnlyForceRecursive: true, Propagation: 'shared' }),
    /needs the propagation rprivate/,
  )
})

test('parseIdMap() reads users and ranges; exchanged() swaps two ids and keeps the rest', () => {
  assert.deepEqual(parseIdMap(''), { user: '' })
  assert.deepEqual(parseIdMap('www-data'), { user: 'www-data' })
  assert.deepEqual(parseIdMap('uids=0-1000-1#1-5000-9;gids=0-1000-1'), {
    uids: [
      { seen: 0, disk: 1000, count: 1 },
      { seen: 1, disk: 5000, count: 9 },
    ],
    gids: [{ seen: 0, disk: 1000, count: 1 }],
  })
  for (const text of ['uids=0-1-1', 'uids=a-b-c;gids=0-0-1', 'x=1'])
    assert.throws(() => parseIdMap(text), { kind: 'invalid', message: /invalid idmap/ })
  const map = exchanged(1000, 33)
  const seen = (disk: number) => {
    const range = map.find((r) => disk >= r.disk && disk < r.disk + r.count)
    return range && disk - range.disk + range.seen
  }
  assert.deepEqual([0, 33, 34, 1000, 1001].map(seen), [0, 1000, 34, 33, 1001])
  assert.deepEqual(exchanged(5, 5), [{ disk: 0, seen: 0, count: 2 ** 32 - 1 }])
  assert.equal(
    exchanged(0, 1).reduce((sum, range) => sum + range.count, 0),
    2 ** 32 - 1,
  )
})
