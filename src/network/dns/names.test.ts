import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressKey, addressKeyOfPointer, Names } from './names.ts'

function sample(): Names {
  const names = new Names()
  names.register('front', {
    endpoint: '1',
    names: ['web', 'App', '0a1b'],
    addresses: ['10.1.0.2', 'fd01::2'],
  })
  names.register('front', { endpoint: '2', names: ['web2', 'app'], addresses: ['10.1.0.3'] })
  names.register('back', { endpoint: '1', names: ['web', 'x.y'], addresses: ['10.2.0.2'] })
  names.register('net.with.dots', { endpoint: '3', names: ['db'], addresses: ['10.3.0.2'] })
  return names
}

test('a name is known on the networks that one is on, the first one’s addresses win', () => {
  const names = sample()
  assert.deepEqual(names.lookup(['front', 'back'], 'web', 4), ['10.1.0.2'])
  assert.deepEqual(names.lookup(['back', 'front'], 'web', 4), ['10.2.0.2'])
  assert.deepEqual(names.lookup(['back'], 'web2', 4), undefined)
  assert.deepEqual(names.lookup([], 'web', 4), undefined)
})

test('a known name without an address of the family is known; another network may have one', () => {
  const names = sample()
  assert.deepEqual(names.lookup(['back'], 'web', 6), [])
  assert.deepEqual(names.lookup(['back', 'front'], 'web', 6), ['fd01::2'])
})

test('name.network works, dots in either', () => {
  const names = sample()
  const all = ['front', 'back', 'net.with.dots']
  assert.deepEqual(names.lookup(all, 'web.back', 4), ['10.2.0.2'])
  assert.deepEqual(names.lookup(all, 'x.y.back', 4), ['10.2.0.2'])
  assert.deepEqual(names.lookup(all, 'db.net.with.dots', 4), ['10.3.0.2'])
  assert.deepEqual(names.lookup(all, 'web.nowhere', 4), undefined)
  assert.deepEqual(names.lookup(['front'], 'web.back', 4), undefined)
})

test('a name of several takes turns', () => {
  const names = sample()
  const first = names.lookup(['front'], 'app', 4)
  const second = names.lookup(['front'], 'app', 4)
  assert.deepEqual(first?.toSorted(), ['10.1.0.2', '10.1.0.3'])
  assert.deepEqual(second, first?.toReversed())
})

test('names go with their endpoint and no further', () => {
  const names = sample()
  names.unregister('front', '1')
  names.unregister('front', 'nobody')
  assert.deepEqual(names.lookup(['front'], 'app', 4), ['10.1.0.3'])
  assert.equal(names.lookup(['front'], 'web', 4), undefined)
  assert.equal(names.nameOf(['front'], addressKey('10.1.0.2')), undefined)
  // An address that a new endpoint took over before the old one was gone stays the new one’s.
  names.register('front', { endpoint: '4', names: ['new'], addresses: ['10.1.0.3'] })
  names.unregister('front', '2')
  assert.equal(names.nameOf(['front'], addressKey('10.1.0.3')), 'new.front')
  names.register('front', { endpoint: '4', names: ['newer'], addresses: ['10.1.0.9'] })
  assert.equal(names.lookup(['front'], 'new', 4), undefined)
  assert.deepEqual(names.lookup(['front'], 'newer', 4), ['10.1.0.9'])
})

test('addresses have names on the networks that one is on', () => {
  const names = sample()
  const six = '2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.d.f.ip6.arpa'
  assert.equal(names.nameOf(['front'], addressKeyOfPointer('2.0.1.10.in-addr.arpa') ?? ''), 'web.front')
  assert.equal(names.nameOf(['front'], addressKeyOfPointer(six) ?? ''), 'web.front')
  assert.equal(names.nameOf(['back'], addressKeyOfPointer('2.0.1.10.in-addr.arpa') ?? ''), undefined)
  for (const other of ['1.10.in-addr.arpa', '256.0.1.10.in-addr.arpa', 'x.ip6.arpa', 'web', 'in-addr.arpa'])
    assert.equal(addressKeyOfPointer(other), undefined)
})
