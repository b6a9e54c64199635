import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  AddressPool,
  choosePool,
  contains,
  defaultPools,
  formatCidr,
  macOf,
  nthAddress,
  overlaps,
  parseCidr,
} from './ipam.ts'

test('parseCidr() drops host bits and refuses other text', () => {
  assert.equal(formatCidr(parseCidr('172.17.42.1/16')), '172.17.0.0/16')
  assert.equal(formatCidr(parseCidr('fd00:1::5/64')), 'fd00:1::/64')
  for (const text of ['', '172.17.0.0', '172.17.0.0/33', '300.0.0.0/8', 'fd00::/129', 'x/8'])
    assert.throws(() => parseCidr(text), { kind: 'invalid' })
})

test('blocks overlap when one holds the other, within a family', () => {
  assert.ok(overlaps(parseCidr('172.16.0.0/12'), parseCidr('172.17.0.0/16')))
  assert.ok(!overlaps(parseCidr('172.18.0.0/16'), parseCidr('172.17.0.0/16')))
  assert.ok(!overlaps(parseCidr('::/0'), parseCidr('172.17.0.0/16')))
  assert.ok(
    contains(parseCidr('fd00::/64'), 'fd00::ffff') && !contains(parseCidr('fd00::/64'), 'fd00:0:0:1::'),
  )
})

test('choosePool() takes the first free one; a default route takes nothing; none is left when all are taken', () => {
  const taken = ['0.0.0.0/0', '172.17.0.0/16', '172.18.5.0/24'].map(parseCidr)
  const chosen = choosePool(defaultPools, taken)
  assert.equal(chosen && formatCidr(chosen), '172.19.0.0/16')
  const rest = choosePool(defaultPools, [parseCidr('172.16.0.0/12')])
  assert.equal(rest && formatCidr(rest), '192.168.0.0/20')
  assert.equal(choosePool(defaultPools, ['172.16.0.0/12', '192.168.0.0/16'].map(parseCidr)), undefined)
})

test('AddressPool gives the lowest free address, never network, gateway or broadcast', () => {
  const pool = new AddressPool(parseCidr('10.0.0.0/29'), ['10.0.0.1'])
  const all = Array.from({ length: 5 }, () => pool.allocate())
  assert.deepEqual(all, ['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6'])
  assert.throws(() => pool.allocate(), { kind: 'unavailable' })
  pool.release('10.0.0.4')
  assert.throws(() => pool.allocate('10.0.0.5'), { kind: 'conflict', message: 'Address already in use' })
  assert.throws(() => pool.allocate('10.0.1.5'), { kind: 'invalid' })
  assert.equal(pool.allocate('10.0.0.4'), '10.0.0.4')
  pool.release('10.0.0.2')
  assert.equal(pool.allocate(), '10.0.0.2')
})

test('MAC addresses follow the address as in docker', () => {
  assert.equal(macOf('172.17.0.2'), '02:42:ac:11:00:02')
  assert.equal(nthAddress(parseCidr('172.17.0.0/16'), 1n), '172.17.0.1')
})
