import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ports, type PortRequest } from './ports.ts'

const request = (o: Partial<PortRequest>): PortRequest => ({
  containerPort: 80,
  proto: 'tcp',
  hostIp: '127.0.0.1',
  hostPort: 0,
  ...o,
})

test('inherit() hands sockets over; what is not wanted stays, what is missing is taken', () => {
  const ports = new Ports()
  const [kept, left] = ports.reserve('old', 'old', [request({}), request({ containerPort: 81 })])
  assert.ok(kept && left)
  const socket = ports.socketOf(kept)
  const held = ports.inherit({ from: 'old', to: 'new', owner: 'new' }, [
    request({ containerPort: 8080, hostPort: kept.hostPort }),
    request({ containerPort: 82 }),
  ])
  assert.deepEqual(held[0], { ...kept, containerPort: 8080 })
  assert.equal(ports.socketOf(kept), socket)
  assert.equal(held[1]?.containerPort, 82)
  ports.release('old')
  assert.equal(ports.socketOf(left), undefined)
  assert.equal(ports.socketOf(kept), socket)
  ports.release('new')
  assert.equal(ports.socketOf(kept), undefined)
})

test('inherit() leaves to the first what the other one holds without need', () => {
  const ports = new Ports()
  const [theirs] = ports.reserve('old', 'old', [request({})])
  const [own] = ports.reserve('new', 'new', [request({})])
  assert.ok(theirs && own)
  assert.deepEqual(ports.inherit({ from: 'old', to: 'new', owner: 'new' }, [request({})]), [theirs])
  ports.release('old')
  assert.equal(ports.socketOf(own), undefined)
  assert.notEqual(ports.socketOf(theirs), undefined)
  ports.release('new')
})

test('inherit() leaves all as it was when something cannot be had', () => {
  const ports = new Ports()
  const [own] = ports.reserve('old', 'old', [request({})])
  const [foreign] = ports.reserve('other', 'other', [request({})])
  assert.ok(own && foreign)
  const wanted = [request({ hostPort: own.hostPort }), request({ hostPort: foreign.hostPort })]
  assert.throws(() => ports.inherit({ from: 'old', to: 'new', owner: 'new' }, wanted), {
    kind: 'conflict',
    message: /held by container other/,
  })
  ports.release('new')
  assert.notEqual(ports.socketOf(own), undefined)
  ports.release('old')
  ports.release('other')
})
