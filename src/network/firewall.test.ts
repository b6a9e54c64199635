import assert from 'node:assert/strict'
import { test } from 'node:test'
import { render, type PublishedPort } from './firewall.ts'

const network = { bridge: 'gantry0', subnets: ['172.17.0.0/16'], masquerade: true, icc: true }
const port = (o: Partial<PublishedPort>): PublishedPort => ({
  proto: 'tcp',
  hostIp: '0.0.0.0',
  hostPort: 8080,
  containerIp: '172.17.0.2',
  containerPort: 80,
  ...o,
})

test('the table replaces itself in one transaction', () => {
  const lines = render('gantry_x', { networks: [], ports: [] }).trim().split('\n')
  assert.deepEqual(lines.slice(0, 3), [
    'table inet gantry_x',
    'delete table inet gantry_x',
    'table inet gantry_x {',
  ])
})

test('networks and ports are elements: the rules are the same for any number', () => {
  const rules = (text: string) => text.split('\n').filter((line) => !/^  (set|map) /.test(line))
  const one = render('t', { networks: [network], ports: [port({})] })
  const many = render('t', {
    networks: [
      network,
      { ...network, bridge: 'br-2', subnets: ['172.18.0.0/16'], icc: false, masquerade: false },
    ],
    ports: [port({}), port({ hostIp: '127.0.0.1', proto: 'udp', hostPort: 53 })],
  })
  assert.deepEqual(rules(one), rules(many))
  assert.match(many, /set icc .*elements = \{ "gantry0" \. "gantry0" \}/)
  assert.match(many, /set masquerade4 .*elements = \{ 172\.17\.0\.0\/16 \}/)
  assert.match(many, /map any4 .*elements = \{ tcp \. 8080 : 172\.17\.0\.2 \. 80 \}/)
  assert.match(many, /map ports4 .*elements = \{ 127\.0\.0\.1 \. udp \. 53 : 172\.17\.0\.2 \. 80 \}/)
})
