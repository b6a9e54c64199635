import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseBind, parseMount } from './mounts.ts'

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
    ['/a:/b:wild', /unknown option "wild"/],
    ['/a:b', /must be absolute/],
    ['/a:/', /can't be '\/'/],
    ['./a:/b', /use absolute path/],
    ['v:/b:rshared', /unknown option "rshared"/],
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
  assert.throws(() => parseMount({ Type: 'image', Target: '/t', Source: 'x' }), { kind: 'unsupported' })
  assert.throws(() => parseMount({ Type: 'volume', Target: '/t', VolumeOptions: { Subpath: 'x' } }), {
    kind: 'unsupported',
  })
})
