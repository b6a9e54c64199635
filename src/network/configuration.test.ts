import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkUnused, configurationOf, configured } from './configuration.ts'
import type { NetworkRequest } from './definition.ts'
import { decodeNetwork } from './record.ts'

const request = (o: Partial<NetworkRequest> = {}): NetworkRequest => ({
  name: 'n',
  driver: 'bridge',
  internal: false,
  attachable: false,
  ipv4: true,
  ipv6: false,
  subnets: [],
  options: {},
  labels: {},
  ...o,
})
const subnet = { subnet: '10.9.0.0/24', ipRange: '', gateway: '10.9.0.7', aux: { a: '10.9.0.9' } }
const record = (o: Record<string, unknown>) =>
  decodeNetwork({
    id: 'i',
    name: 'kept',
    driver: 'null',
    createdAt: '2026-01-01T00:00:00Z',
    internal: false,
    options: { 'com.docker.network.driver.mtu': '1400' },
    labels: { a: 'b' },
    ...o,
  })
const kept = record({
  configuration: configurationOf(request({ subnets: [subnet] })),
  ipamOptions: { x: 'y' },
})

test('a network from a configuration network has what that one was given, and its own fields', () => {
  assert.deepEqual(configured(request({ configFrom: 'kept', driver: 'macvlan', internal: true }), [kept]), {
    ...request({ configFrom: 'kept', driver: 'macvlan', internal: true }),
    subnets: [subnet],
    options: { 'com.docker.network.driver.mtu': '1400' },
    labels: { a: 'b' },
    ipamOptions: { x: 'y' },
  })
})

test('nothing that the configuration network says can be said again', () => {
  const again = /^user specified configurations are not supported/
  for (const o of [
    { subnets: [subnet] },
    { labels: { c: 'd' } },
    { ipv6: true },
    { ipv4: false },
    { ipamOptions: { e: 'f' } },
  ])
    assert.throws(() => configured(request({ configFrom: 'kept', ...o }), [kept]), { message: again })
  assert.throws(() => configured(request({ configFrom: 'kept', options: { g: 'h' } }), [kept]), {
    message: /^network driver options are not supported/,
  })
})

test('it is taken from configuration networks alone', () => {
  const message = 'configuration network "kept" does not exist'
  for (const networks of [[], [record({})]])
    assert.throws(() => configured(request({ configFrom: 'kept' }), networks), { kind: 'not-found', message })
})

test('a configuration network has no fields of a real one, and is checked', () => {
  const fields = /^configuration network can only contain network specific fields/
  for (const o of [{ internal: true }, { attachable: true }, { scope: 'local' }])
    assert.throws(() => configurationOf(request(o)), { kind: 'forbidden', message: fields })
  assert.throws(() => configurationOf(request({ configFrom: 'kept' })), {
    message: 'a configuration network cannot depend on another configuration network',
  })
  assert.throws(() => configurationOf(request({ subnets: [{ ...subnet, subnet: '10.9.0.0/33' }] })), {
    message: /invalid subnet 10\.9\.0\.0\/33/,
  })
})

test('it stays while a network was made from it', () => {
  assert.throws(() => checkUnused(kept, [kept, record({ name: 'n', configFrom: 'kept' })]), {
    message: 'error while removing network: configuration network "kept" is in use',
  })
  checkUnused(kept, [kept, record({ name: 'n', configFrom: 'other' })])
})
