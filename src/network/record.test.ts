import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeNetwork, decodeSandbox } from './record.ts'

test('records of a daemon that knew the default bridge alone are read', () => {
  const network = decodeNetwork({
    id: 'a',
    name: 'bridge',
    driver: 'bridge',
    createdAt: '2026-01-01T00:00:00Z',
    internal: false,
    options: {},
    labels: {},
    bridge: { name: 'gantry0', mtu: 1500, subnets: [{ subnet: '172.17.0.0/16', gateway: '172.17.0.1' }] },
  })
  assert.deepEqual([network.subnets, network.bridge?.icc, network.mtu], [[], true, 1500])
  const sandbox = decodeSandbox({
    id: 'b',
    owner: 'web',
    network: 'bridge',
    netnsPath: '/n/b',
    endpoints: [
      {
        networkId: 'a',
        networkName: 'bridge',
        ip: '172.17.0.2',
        prefix: 16,
        gateway: '172.17.0.1',
        mac: '02:42:ac:11:00:02',
        hostInterface: 'gv000000000000',
        interface: 'eth0',
      },
    ],
    ports: [{ containerPort: 80, proto: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 }],
  })
  assert.deepEqual(sandbox.endpoints[0]?.names, [])
  assert.deepEqual([sandbox.wanted, sandbox.dns.upstreams], [[], []])
  assert.throws(() => decodeSandbox({ id: 'b' }))
})
