import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exposedPorts, portRequests } from './ports.ts'

test('portRequests() reads bindings and publishes exposed ports with -P', () => {
  const requests = portRequests(
    { Image: 'i', ExposedPorts: { '80/tcp': {}, '53/udp': {} } },
    { PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }, {}] }, PublishAllPorts: true },
  )
  assert.deepEqual(requests, [
    { containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 8080 },
    { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 0 },
    { containerPort: 53, proto: 'udp', hostIp: '', hostPort: 0 },
  ])
})

test('portRequests() names what it refuses', () => {
  const bad =
    (key: string, HostPort = '') =>
    () =>
      portRequests({ Image: 'i' }, { PortBindings: { [key]: [{ HostPort }] } })
  assert.throws(bad('80/sctp'), { kind: 'unsupported' })
  assert.throws(bad('0/tcp'), { kind: 'invalid' })
  assert.throws(bad('80/tcp', '70000'), { kind: 'invalid' })
  assert.throws(bad('80/tcp', '8010-8000'), { kind: 'invalid' })
  assert.throws(bad('80/tcp', '8000-'), { kind: 'invalid' })
})

test('portRequests() takes a range of host ports for one container port', () => {
  const bindings = { '80/tcp': [{ HostPort: '8000-8010' }, { HostPort: '90-90' }] }
  assert.deepEqual(portRequests({ Image: 'i' }, { PortBindings: bindings }), [
    { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 8000, hostPortEnd: 8010 },
    { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 90 },
  ])
})

test('exposedPorts() has ranges port by port, and leaves out what is no port', () => {
  const exposed = (...keys: string[]) =>
    exposedPorts({ ExposedPorts: Object.fromEntries(keys.map((key) => [key, {}])) }).map(
      ({ port, proto }) => `${port}/${proto}`,
    )
  assert.deepEqual(exposed('9000-9002', '80', '80/tcp', '53/UDP', '7000/sctp', '81/'), [
    '80/tcp',
    '9000/tcp',
    '9001/tcp',
    '9002/tcp',
    '53/udp',
    '7000/sctp',
    '81/tcp',
  ])
  assert.deepEqual(exposed('abc', '', '80/foo', '99999', '0', '9-8', '70000-80000', '1:2'), [])
})

test('portRequests() with -P publishes ranges, and refuses what it cannot forward', () => {
  const all = (key: string) =>
    portRequests({ Image: 'i', ExposedPorts: { [key]: {}, 'no port': {} } }, { PublishAllPorts: true })
  assert.deepEqual(
    all('9000-9001').map(({ containerPort }) => containerPort),
    [9000, 9001],
  )
  assert.throws(() => all('7000/sctp'), { kind: 'unsupported' })
})
