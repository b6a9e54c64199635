import assert from 'node:assert/strict'
import { test } from 'node:test'
import { portsText } from './ps.ts'

const published = (port: number, Type = 'tcp', PublicPort = port) =>
  ['0.0.0.0', '::'].map((IP) => ({ IP, PrivatePort: port, PublicPort, Type }))

test('ports are told in the order that docker has', () => {
  const ports = [
    ...published(9091),
    { PrivatePort: 8080, Type: 'tcp' },
    ...published(6881, 'udp'),
    ...published(80, 'tcp', 3001),
    ...published(8888),
  ]
  assert.deepEqual(portsText(ports).split(', '), [
    '0.0.0.0:8888->8888/tcp',
    '[::]:8888->8888/tcp',
    '0.0.0.0:6881->6881/udp',
    '[::]:6881->6881/udp',
    '8080/tcp',
    '0.0.0.0:9091->9091/tcp',
    '[::]:9091->9091/tcp',
    '0.0.0.0:3001->80/tcp',
    '[::]:3001->80/tcp',
  ])
})

test('neighbours are one range where both sides have one number', () => {
  assert.equal(
    portsText([
      ...published(81),
      ...published(80),
      { PrivatePort: 90, Type: 'tcp' },
      { PrivatePort: 91, Type: 'tcp' },
    ]),
    '0.0.0.0:80-81->80-81/tcp, [::]:80-81->80-81/tcp, 90-91/tcp',
  )
})
