import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkNetworkName, chooseSubnets, driverPart, type NetworkRequest } from './definition.ts'
import { parseCidr } from './ipam.ts'

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
const at = {
  networks: [{ block: parseCidr('10.1.0.0/24'), holder: 'network one' }],
  host: [
    { block: parseCidr('0.0.0.0/0'), holder: 'eth0 of the host' },
    { block: parseCidr('10.1.1.0/30'), holder: 'eth0 of the host' },
  ],
  bases: { v4: [{ base: '10.1.0.0/22', size: 24 }], v6: [{ base: 'fd00:1::/63', size: 64 }] },
}
const chosen = { subnet: '10.9.0.0/16', ipRange: '', gateway: '', aux: {} }
const subnets = (o: Partial<NetworkRequest>) => chooseSubnets(request(o), at)

test('pools pass over networks, and what the host reaches', () => {
  assert.deepEqual(subnets({ ipv6: true }), [
    { subnet: '10.1.2.0/24', gateway: '10.1.2.1', aux: {}, configured: false },
    { subnet: 'fd00:1::/64', gateway: 'fd00:1::1', aux: {}, configured: false },
  ])
})

test('an exhausted pool lists who holds it', () => {
  const networks = ['10.1.2.0/24', '10.1.3.0/24'].map((b, i) => ({
    block: parseCidr(b),
    holder: `network ${i}`,
  }))
  assert.throws(() => chooseSubnets(request(), { ...at, networks: [...at.networks, ...networks] }), {
    kind: 'unavailable',
    message:
      'all predefined address pools have been fully subnetted: 10.1.0.0/24 by network one, 10.1.2.0/24 by network 0, 10.1.3.0/24 by network 1, 10.1.1.0/30 by eth0 of the host; remove a network, or give one with --subnet',
  })
})

test('a chosen subnet: its gateway is the lowest address of the range, else of the block', () => {
  const gateway = (o: Partial<typeof chosen>) => subnets({ subnets: [{ ...chosen, ...o }] })[0]?.gateway
  assert.equal(gateway({}), '10.9.0.1')
  assert.equal(gateway({ ipRange: '10.9.4.0/24' }), '10.9.4.0')
  assert.equal(gateway({ gateway: '10.9.255.254' }), '10.9.255.254')
  assert.equal(gateway({ aux: { a: '10.9.0.1' } }), '10.9.0.2')
})

test('blocks that contradict themselves are refused with what is wrong', () => {
  const refused = (o: Partial<typeof chosen>, message: RegExp, kind = 'invalid') =>
    assert.throws(() => subnets({ subnets: [{ ...chosen, ...o }] }), { kind, message })
  refused({ subnet: '10.9.1.0/16' }, /invalid subnet 10\.9\.1\.0\/16: it should be 10\.9\.0\.0\/16/)
  refused({ subnet: 'x' }, /invalid subnet x: invalid CIDR block notation/)
  refused({ ipRange: '10.8.0.0/24' }, /parent subnet 10\.9\.0\.0\/16 doesn't contain ip-range/)
  refused({ ipRange: '10.0.0.0/8' }, /CIDR block is bigger than its parent subnet/)
  refused({ ipRange: 'fd00::/64' }, /parent subnet is an IPv4 block/)
  refused({ gateway: '10.8.0.1' }, /invalid gateway 10\.8\.0\.1: parent subnet/)
  refused({ gateway: 'fd00::1' }, /parent subnet is an IPv4 block/)
  refused({ aux: { a: '10.8.0.1' } }, /invalid auxiliary address/)
  refused({ subnet: '', gateway: '10.8.0.1' }, /needs a subnet/)
  refused({ subnet: 'fd00::/64' }, /IPv6 is not enabled/)
  refused(
    { subnet: '10.1.0.128/25' },
    /Pool overlaps with other one.*10\.1\.0\.0\/24 is held by network one/,
    'forbidden',
  )
  assert.throws(() => subnets({ subnets: [chosen, { ...chosen, subnet: '10.10.0.0/16' }] }), {
    kind: 'forbidden',
    message: /doesn't support multiple subnets/,
  })
  assert.throws(() => subnets({ ipv4: false }), { kind: 'invalid' })
  // Docker: what the host routes is the user's to take.
  assert.equal(subnets({ subnets: [{ ...chosen, subnet: '10.1.1.0/24' }] }).length, 1)
})

test('driver options are read, and unknown ones refused', () => {
  const prefix = 'com.docker.network.bridge.'
  const read = (options: Record<string, string>) => driverPart(request({ options }), 'abcdef0123456789')
  assert.equal(read({}).bridge?.name, 'br-abcdef012345')
  const all = read({
    [`${prefix}name`]: 'mine',
    [`${prefix}enable_icc`]: 'false',
    [`${prefix}enable_ip_masquerade`]: '0',
    [`${prefix}host_binding_ipv4`]: '127.0.0.1',
    [`${prefix}inhibit_ipv4`]: 'true',
    'com.docker.network.driver.mtu': '9000',
    'com.docker.network.container_iface_prefix': 'net',
  })
  assert.deepEqual(all.bridge, {
    name: 'mine',
    icc: false,
    masquerade: false,
    hostBinding: '127.0.0.1',
    addressless: true,
    foreign: false,
  })
  assert.deepEqual([all.mtu, all.interfacePrefix], [9000, 'net'])
  assert.throws(() => read({ 'com.docker.network.driver.mtu': '1' }), { kind: 'invalid' })
  assert.throws(() => read({ [`${prefix}enable_icc`]: 'maybe' }), { kind: 'invalid' })
  assert.throws(() => read({ [`${prefix}gateway_mode_ipv4`]: 'routed' }), { kind: 'unsupported' })
  assert.throws(() => read({ [`${prefix}new`]: '' }), { kind: 'unsupported' })
})

test('names of networks', () => {
  for (const name of ['a', 'my net', 'x.y_z-1', 'ünïcode']) checkNetworkName(name)
  for (const name of ['', ' a', 'a/b', 'a\nb'])
    assert.throws(() => checkNetworkName(name), { kind: 'invalid' })
  for (const name of ['bridge', 'host', 'none'])
    assert.throws(() => checkNetworkName(name), { kind: 'forbidden' })
})
