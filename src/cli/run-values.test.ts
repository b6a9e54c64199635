import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMount } from './run-values.ts'

test('parseMount() reads docker’s keys, and two of ours', () => {
  assert.deepEqual(parseMount('type=bind,source=/a,"target=/b,c",ro,bind-propagation=rslave'), {
    Type: 'bind',
    Source: '/a',
    Target: '/b,c',
    ReadOnly: true,
    BindOptions: { Propagation: 'rslave' },
  })
  assert.deepEqual(
    parseMount('src=v,dst=/b,volume-subpath=x,volume-nocopy,volume-label=a=1,volume-opt=type=tmpfs'),
    {
      Type: 'volume',
      Source: 'v',
      Target: '/b',
      VolumeOptions: {
        Subpath: 'x',
        NoCopy: true,
        Labels: { a: '1' },
        DriverConfig: { Options: { type: 'tmpfs' } },
      },
    },
  )
  for (const [word, options] of [
    ['disabled', { NonRecursive: true }],
    ['writable', { ReadOnlyNonRecursive: true }],
    ['readonly', { ReadOnlyForceRecursive: true }],
  ] as const)
    assert.deepEqual(parseMount(`type=bind,src=/a,dst=/b,bind-recursive=${word}`).BindOptions, options)
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,idmap=www-data').GantryOptions, {
    IDMap: 'www-data',
  })
  assert.deepEqual(parseMount('type=volume,src=v,dst=/b,chown').GantryOptions, { Chown: true })
  assert.deepEqual(parseMount('type=bind,src=/a,dst=/b,idmap').GantryOptions, { IDMap: '' })
})

test('parseMount() refuses what docker refuses', () => {
  for (const [text, message] of [
    ['type=bind,src=/a', /target is required/],
    ['type=disk,dst=/a', /mount type unknown/],
    ['type=bind,dst=/a,colour=red', /unexpected key 'colour'/],
    ['type=bind,dst=/a,src', /must be a key=value pair/],
    ['type=bind,dst=/a,volume-nocopy', /cannot mix 'volume-\*' options with mount type 'bind'/],
    ['type=bind,dst=/a,ro=perhaps', /invalid value for ro/],
    ['type=bind,dst=/a,bind-recursive=deep', /invalid value for bind-recursive/],
  ] as const)
    assert.throws(() => parseMount(text), message)
})
