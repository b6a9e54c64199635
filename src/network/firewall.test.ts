import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PublishedPort } from './firewall.ts'
import { render } from './firewall-table.ts'

const network = {
  bridge: 'gantry0',
  subnets: ['172.17.0.0/16'],
  masquerade: true,
  icc: true,
  internal: false,
}
const port = (o: Partial<PublishedPort>): PublishedPort => ({
  proto: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  containerIp: '172.17.0.2',
  containerPort: 80,
  ...o,
})

test('the table replaces itself in one transaction', () => {
  const lines = render('gantry_x', { networks: [], ports: [], relayed: [] }).trim().split('\n')
  assert.deepEqual(lines.slice(0, 3), [
    'table inet gantry_x',
    'delete table inet gantry_x',
    'table inet gantry_x {',
  ])
})

test('networks and ports are elements: the rules are the same for any number', () => {
  const rules = (text: string) => text.split('\n').filter((line) => !/^  (set|map) /.test(line))
  const one = render('t', { networks: [network], ports: [port({})], relayed: [] })
  const many = render('t', {
    networks: [
      network,
      { ...network, bridge: 'br-2', subnets: ['172.18.0.0/16'], icc: false, masquerade: false },
      { ...network, bridge: 'br-3', subnets: ['172.19.0.0/16', 'fd00:3::/64'], internal: true },
    ],
    ports: [
      port({}),
      port({ hostIp: '127.0.0.1', proto: 'udp', hostPort: 53 }),
      port({ hostIp: '::', containerIp: 'fd00::2' }),
      port({ hostIp: '::1', containerIp: 'fd00::2' }),
    ],
    relayed: [port({ hostIp: '::', hostPort: 8081 }), port({ hostIp: '::1', hostPort: 8081 })],
  })
  assert.deepEqual(rules(one), rules(many))
  assert.match(many, /set icc .*elements = \{ "gantry0" \. "gantry0", "br-3" \. "br-3" \}/)
  assert.match(many, /set masquerade4 .*elements = \{ 172\.17\.0\.0\/16 \}/)
  assert.match(many, /map any4 .*elements = \{ tcp \. 8080 : 172\.17\.0\.2 \. 80 \}/)
  assert.match(many, /map ports4 .*elements = \{ 127\.0\.0\.1 \. udp \. 53 : 172\.17\.0\.2 \. 80 \}/)
  assert.match(many, /set internal .*elements = \{ "br-3" \}/)
  assert.match(many, /set subnets6 .*elements = \{ "br-3" \. fd00:3::\/64 \}/)
  assert.match(many, /set masquerade6 \{[^=]*\}/, 'nothing leaves an internal network')
  assert.match(many, /map any6 .*elements = \{ tcp \. 8080 : fd00::2 \. 80 \}/)
  assert.match(many, /set relayed .*elements = \{ tcp \. 8081 \}/)
  assert.match(many, /map ports6 .*elements = \{ ::1 \. tcp \. 8080 : fd00::2 \. 80 \}/)
})
