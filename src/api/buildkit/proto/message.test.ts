import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  bool,
  bytes,
  int64,
  message,
  messages,
  nested,
  string,
  stringMap,
  strings,
  timestamp,
} from './message.ts'

const Inner = message({ name: string(1), size: int64(5) })
const Outer = message({
  list: strings(1),
  map: stringMap(2),
  inner: nested(3, Inner),
  more: messages(4, Inner),
  at: timestamp(6),
  flag: bool(7),
  data: bytes(8),
})

test('a message comes back as it was', () => {
  const value = {
    list: ['a', ''],
    map: { x: '1', __proto__x: '' },
    inner: { name: 'ü', size: 1_700_000_000_123_456_789n },
    more: [{ name: 'b', size: -1n }],
    at: 1_700_000_000_250,
    flag: true,
    data: Uint8Array.of(1, 2),
  }
  const decoded = Outer.decode(Outer.encode(value))
  assert.deepEqual({ ...decoded, map: { ...decoded.map } }, value)
})

test('what is absent has proto3’s zero value, and keys named as properties of objects are plain keys', () => {
  const empty = Outer.decode(new Uint8Array())
  assert.deepEqual(empty.list, [])
  assert.equal(empty.inner, undefined)
  assert.equal(empty.map['constructor'], undefined)
})

test('fields that the schema does not know are skipped, cut ones are an error', () => {
  assert.equal(Inner.decode(Outer.encode({ list: ['a'], flag: true })).name, 'a')
  const bytesOf = Outer.encode({ list: ['abc'] })
  assert.throws(() => Outer.decode(bytesOf.subarray(0, -1)))
})
