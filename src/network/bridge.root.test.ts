import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { NetlinkSocket } from '../host/netlink.ts'
import { addAddress, createBridge, listAddresses, listLinks } from '../host/rtnetlink.ts'
import { ensureBridge, removeBridge } from './bridge.ts'

const name = (n: number) => `gtb${process.pid}_${n}`

function socketFor(t: TestContext): NetlinkSocket {
  const socket = new NetlinkSocket()
  t.after(() => {
    for (const n of [1, 2]) removeBridge(socket, name(n))
    socket[Symbol.dispose]()
  })
  return socket
}

test('bridges choose different pools, and keep theirs if nobody took it', (t) => {
  const socket = socketFor(t)
  const one = ensureBridge(socket, { name: name(1), mtu: 1400, owner: 'gantry a' })
  const two = ensureBridge(socket, { name: name(2), mtu: 1500, owner: 'gantry b' })
  assert.notEqual(one.subnet, two.subnet)
  assert.equal(listLinks(socket).find((l) => l.name === name(1))?.mtu, 1400)
  const same = ensureBridge(socket, { name: name(1), mtu: 1400, owner: 'gantry a', previous: one.subnet })
  assert.deepEqual({ ...same, index: 0 }, { ...one, index: 0 })
  removeBridge(socket, name(1))
  const again = ensureBridge(socket, { name: name(1), mtu: 1400, owner: 'gantry a', previous: two.subnet })
  assert.notEqual(again.subnet, two.subnet, 'a pool that somebody took meanwhile is not taken back')
})

test('a chosen address is given as it is; one that the host routes elsewhere is refused, and so is a foreign link', (t) => {
  const socket = socketFor(t)
  const bridge = ensureBridge(socket, {
    name: name(1),
    mtu: 1500,
    owner: 'gantry a',
    address: '10.78.0.9/24',
  })
  assert.deepEqual([bridge.gateway, bridge.subnet], ['10.78.0.9', '10.78.0.0/24'])
  const other = { name: name(2), mtu: 1500, owner: 'gantry b' }
  assert.throws(() => ensureBridge(socket, { ...other, address: '10.78.0.1/16' }), {
    kind: 'conflict',
    message: `bridge address 10.78.0.1/16 overlaps 10.78.0.0/24, which the host reaches by ${name(1)}`,
  })
  assert.throws(() => ensureBridge(socket, { ...other, name: 'lo' }), { kind: 'conflict' })
  assert.throws(() => ensureBridge(socket, { ...other, address: '10.79.0.0/24' }), { kind: 'invalid' })
  assert.ok(!listLinks(socket).some((l) => l.name === name(2)), 'nothing is left of a failure')
  assert.throws(() => ensureBridge(socket, { ...other, name: 'much-too-long-name' }), { kind: 'invalid' })
  // An existing bridge keeps what its admin gave it.
  socket.request(createBridge({ name: name(2), mac: '02:42:00:00:00:01', mtu: 1500 }))
  const index = listLinks(socket).find((l) => l.name === name(2))?.index ?? 0
  socket.request(addAddress(index, '10.80.0.1', 24))
  socket.request(addAddress(index, '10.81.0.1', 24))
  assert.equal(ensureBridge(socket, other).subnet, '10.80.0.0/24')
  assert.equal(listAddresses(socket).filter((a) => a.linkIndex === index && a.family === 4).length, 2)
})
