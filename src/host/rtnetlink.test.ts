import assert from 'node:assert/strict'
import { test } from 'node:test'
import { attribute, attributeList, attributesOf, u32 } from './netlink.ts'
import { addressBytes, addressText } from './rtnetlink.ts'

test('addresses survive the way to bytes and back, in canonical form', () => {
  for (const [text, canonical] of [
    ['172.17.0.2'],
    ['::'],
    ['::1'],
    ['fe80::1'],
    ['2001:db8:0:1:1:1:1:1'],
    ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:10.0.0.1', '::ffff:a00:1'],
    ['fe80::1%eth0', 'fe80::1'],
  ])
    assert.equal(addressText(addressBytes(text ?? '')), canonical ?? text)
  assert.throws(() => addressBytes('300.1.1.1'), RangeError)
})

test('attributes are padded to four bytes, nest, and keep their order', () => {
  const name = attribute(3, 'eth')
  assert.equal(name.length, 8)
  const odd = attribute(4, Buffer.from([1]))
  assert.deepEqual([odd.length, odd.readUInt16LE(0)], [8, 5])
  const nested = attributesOf(attribute(18, [name, odd, attribute(4, 7)])).get(18) ?? Buffer.alloc(0)
  assert.deepEqual(
    attributeList(nested).map(([type, value]) => [type, value.toString('hex')]),
    [
      [3, '65746800'],
      [4, '01'],
      [4, u32(7).toString('hex')],
    ],
  )
  // A lying length ends the list instead of reading past it.
  assert.deepEqual(attributeList(Buffer.from([255, 0, 1, 0])), [])
})
