import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { addAddress, createVeth, deleteLink, listLinks, probeShared, setUp } from '../host/rtnetlink.ts'
import { Store } from '../store/index.ts'
import { Networks } from './networks.ts'
import { call, serve } from './testing.ts'

const op = background(silentLogger)

function kernelHas(kind: 'macvlan' | 'ipvlan'): boolean {
  using socket = new NetlinkSocket()
  try {
    socket.request(probeShared(kind))
  } catch (error) {
    return !hasCode(error, 'EOPNOTSUPP', 'ENOTSUP')
  }
  return true
}

for (const driver of ['macvlan', 'ipvlan'] as const)
  test(`${driver}: a container is a host of its own on the parent's network, or the kernel's lack is told`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'gnet-'))
    const store = Store.open(join(folder, 'db'))
    const parent = `gtp${process.pid}`
    const networks = await Networks.open(op, {
      store,
      runDir: folder,
      bridge: { name: `gtm${process.pid}`, mtu: 1500 },
      instance: `m${process.pid.toString(36)}`,
      respectHostFirewall: false,
      emit: () => {},
    })
    let unplug = () => {}
    t.after(async () => {
      unplug()
      await networks.reconcile(op, new Set())
      await networks.close(op)
      store.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const request = {
      name: 'lan',
      driver,
      internal: false,
      attachable: false,
      ipv4: true,
      ipv6: false,
      subnets: [{ subnet: '10.88.3.0/24', ipRange: '', gateway: '10.88.3.1', aux: {} }],
      options: { parent },
      labels: {},
    }
    if (!kernelHas(driver)) {
      await assert.rejects(networks.create(op, request), {
        kind: 'unsupported',
        message: `network driver ${driver} is not supported: the kernel of this host has no ${driver}`,
      })
      return
    }
    await assert.rejects(networks.create(op, request), {
      kind: 'invalid',
      message: /the host has no link gtp/,
    })
    await assert.rejects(networks.create(op, { ...request, options: {} }), /-o parent=LINK/)

    const lan = join(folder, 'lan')
    netns.create(lan)
    using socket = new NetlinkSocket()
    const fd = openSync(lan, 'r')
    const peer = { name: 'eth0', namespace: fd, mac: '02:42:0a:58:03:01', index: 0 }
    socket.request(createVeth({ name: parent, master: 0, mtu: 1500, peer }))
    closeSync(fd)
    unplug = () => {
      using other = new NetlinkSocket()
      other.request(deleteLink(parent))
      netns.remove(lan)
    }
    netns.inNetns(lan, () => {
      using inner = new NetlinkSocket()
      const index = listLinks(inner).find((l) => l.name === 'eth0')?.index ?? 0
      inner.request(setUp(index), addAddress(index, '10.88.3.1', 24))
    })
    const network = await networks.create(op, request)
    await assert.rejects(
      networks.create(op, { ...request, name: 'two' }),
      /is already using parent interface/,
    )
    const ports = [{ containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 0 }] as const
    const one = await networks.join(op, {
      id: newId(),
      owner: 'one',
      networks: [{ network: 'lan', names: ['one'] }],
      ports,
    })
    assert.deepEqual([one.endpoint?.ip, one.endpoint?.gateway], ['10.88.3.2', '10.88.3.1'])
    assert.deepEqual(one.ports, [], 'there is nothing to publish')
    using _server = await serve(one.netnsPath, 80)
    assert.equal(await call(lan, { ip: '10.88.3.2', port: 80 }), '10.88.3.1')
    // Another one comes by connect() and goes by disconnect().
    const two = await networks.join(op, {
      id: newId(),
      owner: 'two',
      networks: [{ network: 'bridge' }],
      ports: [],
    })
    await networks.connect(op, two.id, { network: 'lan', names: ['two'] })
    assert.equal(await call(two.netnsPath, { ip: '10.88.3.2', port: 80 }), '10.88.3.3')
    await networks.disconnect(op, two.id, network.id)
    const left = netns.inNetns(two.netnsPath, () => {
      using inner = new NetlinkSocket()
      return listLinks(inner).map((l) => l.name)
    })
    assert.deepEqual(left, ['lo', 'eth0'])
    await networks.leave(op, two.id)
    await networks.leave(op, one.id)
    await networks.remove(op, 'lan')
  })
