import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { newId } from '../lib/id.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { query } from '../host/nft.ts'
import {
  addAddress,
  addRoute,
  createVeth,
  deleteLink,
  listAddresses,
  listLinks,
  setUp,
} from '../host/rtnetlink.ts'
import { Store } from '../store/index.ts'
import { Networks } from './networks.ts'
import { call, serve } from './testing.ts'
import { closeSync, openSync } from 'node:fs'

const op = background(silentLogger)
const folder = mkdtempSync(join(tmpdir(), 'gnet-'))
const instance = `t${process.pid.toString(36)}`
const bridge = `gt${process.pid}`
const store = Store.open(join(folder, 'db'))
const events: string[] = []
const open = (o: { store?: Store } = {}) =>
  Networks.open(op, {
    store: o.store ?? store,
    runDir: folder,
    bridge: { name: bridge, mtu: 1500 },
    instance,
    emit: (e) => events.push(`${e.action} ${e.attributes?.['name']}`),
  })
let networks: Networks
const join1 = (o: Partial<Parameters<Networks['join']>[1]> = {}) =>
  networks.join(op, { id: newId(), networks: [{ network: 'bridge' }], ports: [], owner: 'web', ...o })
const links = () => {
  using socket = new NetlinkSocket()
  return listLinks(socket).map((l) => l.name)
}
const hostIp = () => {
  using socket = new NetlinkSocket()
  return (
    listAddresses(socket).find(
      (a) =>
        a.family === 4 &&
        a.prefix < 32 &&
        !a.address.startsWith('127.') &&
        !a.address.startsWith('172.') &&
        !a.address.startsWith('10.77'),
    )?.address ?? ''
  )
}

/** The kernel removes the veths of dead namespaces a moment later. */
async function gone(names: readonly (string | undefined)[]): Promise<void> {
  for (let tries = 0; links().some((name) => names.includes(name)); tries++) {
    assert.ok(tries < 40, 'the veths are still there after 2 s')
    await sleep(50)
  }
}

before(async () => (networks = await open()))
after(async () => {
  await networks.close(op)
  store.close()
  rmSync(folder, { recursive: true, force: true })
  assert.ok(!links().includes(bridge))
  assert.equal(await query(op, ['list', 'table', 'inet', `gantry_${instance}`]), undefined)
})

test('a sandbox has lo, one interface with address, MAC address and route, and no IPv6', async () => {
  const sandbox = await join1()
  const seen = netns.inNetns(sandbox.netnsPath, () => {
    using socket = new NetlinkSocket()
    return { links: listLinks(socket), addresses: listAddresses(socket) }
  })
  assert.deepEqual(
    seen.links.map((l) => [l.name, l.up]),
    [
      ['lo', true],
      ['eth0', true],
    ],
  )
  assert.equal(seen.links[1]?.mac, sandbox.endpoint?.mac)
  assert.deepEqual(
    new Set(seen.addresses.map((a) => a.address)),
    new Set(['127.0.0.1', sandbox.endpoint?.ip, '::1']),
  )
  assert.deepEqual(events.slice(-1), ['connect bridge'])
  await networks.leave(op, sandbox.id)
  await networks.leave(op, sandbox.id)
  assert.deepEqual(events.slice(-1), ['disconnect bridge'])
  assert.equal(networks.sandbox(sandbox.id), undefined)
})

test('network none has lo alone', async () => {
  const sandbox = await join1({ networks: [] })
  const names = netns.inNetns(sandbox.netnsPath, () => links())
  assert.deepEqual(names, ['lo'])
  await networks.leave(op, sandbox.id)
})

test('published ports: loopback, host address, another container, itself, udp; chosen ones and specific addresses', async () => {
  const web = await join1({
    ports: [
      { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 18081 },
      { containerPort: 80, proto: 'udp', hostIp: '', hostPort: 18081 },
      { containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 18082 },
      { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 0 },
    ],
  })
  const other = await join1({ owner: 'other' })
  using _server = await serve(web.netnsPath, 80)
  const [chosen = 0, alike] = web.ports.filter((port) => port.hostPort >= 32768).map((port) => port.hostPort)
  assert.equal(chosen, alike, 'one number for both families')
  const gateway = web.endpoint?.gateway ?? ''
  const [hostSees, ip] = [web.endpoint?.gateway, hostIp()]
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18081 }), hostSees)
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18082 }), hostSees)
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: chosen }), hostSees)
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18081, protocol: 'udp' }), hostSees)
  assert.equal(await call(undefined, { ip: '::1', port: 18081 }), hostSees, 'relayed')
  assert.equal(await call(undefined, { ip: '::1', port: 18081, protocol: 'udp' }), hostSees, 'relayed')
  assert.equal(await call(undefined, { ip: '::1', port: 18082 }), 'ECONNREFUSED')
  assert.equal(await call(undefined, { ip, port: 18081 }), ip)
  assert.equal(await call(undefined, { ip, port: 18081, protocol: 'udp' }), ip)
  assert.equal(await call(undefined, { ip, port: 18082 }), 'ECONNREFUSED')
  assert.equal(await call(other.netnsPath, { ip: web.endpoint?.ip ?? '', port: 80 }), other.endpoint?.ip)
  for (const from of [other.netnsPath, web.netnsPath])
    for (const target of [ip, gateway])
      assert.equal(await call(from, { ip: target, port: 18081 }), gateway, `hairpin ${target} from ${from}`)
  // The host's loopback: neither the address itself nor a published port on it.
  using _host = await serve(undefined, 18090)
  netns.inNetns(other.netnsPath, () => {
    using socket = new NetlinkSocket()
    socket.request(addRoute({ destination: '127.0.0.2/32', gateway, index: 2 }))
  })
  assert.notEqual(await call(other.netnsPath, { ip: '127.0.0.2', port: 18090 }), '127.0.0.1')
  assert.equal(await call(other.netnsPath, { ip: gateway, port: 18082 }), 'ECONNREFUSED')

  await networks.leave(op, web.id)
  await networks.leave(op, other.id)
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18081 }), 'ECONNREFUSED')
})

test('a UDP client that keeps its port is led to the new container, and to one that starts later', async () => {
  const ports = [{ containerPort: 80, proto: 'udp', hostIp: '', hostPort: 18089 }] as const
  const target = { protocol: 'udp', ip: hostIp(), port: 18089, from: 18099 } as const
  for (const round of [1, 2]) {
    assert.equal(await call(undefined, target), 'timeout', `nobody there in round ${round}`)
    const web = await join1({ ports })
    {
      using _server = await serve(web.netnsPath, 80)
      assert.equal(await call(undefined, target), hostIp(), `round ${round}`)
    }
    await networks.leave(op, web.id)
    // Keeps the address, so that the next one gets another.
    await join1({ id: `keep${round}` })
  }
  for (const round of [1, 2]) await networks.leave(op, `keep${round}`)
})

test('another host reaches published ports alone, and sees its own address in the container', async () => {
  using socket = new NetlinkSocket()
  const remote = join(folder, 'remote')
  netns.create(remote)
  const fd = openSync(remote, 'r')
  const name = `gtr${process.pid}`
  // A veth without a bridge: master 0 means none.
  socket.request(
    createVeth({
      name,
      master: 0,
      mtu: 1500,
      peer: { name: 'eth0', namespace: fd, mac: '02:42:0a:4d:00:02', index: 2 },
    }),
  )
  closeSync(fd)
  try {
    const index = listLinks(socket).find((l) => l.name === name)?.index ?? 0
    socket.request(addAddress(index, '10.77.0.1', 24))
    netns.inNetns(remote, () => {
      using inner = new NetlinkSocket()
      inner.request(
        setUp(2),
        addAddress(2, '10.77.0.2', 24),
        addRoute({ destination: '0.0.0.0/0', gateway: '10.77.0.1', index: 2 }),
      )
    })
    const web = await join1({
      ports: [
        { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 18083 },
        { containerPort: 80, proto: 'tcp', hostIp: '127.0.0.1', hostPort: 18084 },
      ],
    })
    using _server = await serve(web.netnsPath, 80)
    using _remoteServer = await serve(remote, 81)
    assert.equal(await call(remote, { ip: '10.77.0.1', port: 18083 }), '10.77.0.2')
    assert.equal(await call(remote, { ip: hostIp(), port: 18083 }), '10.77.0.2')
    assert.equal(await call(remote, { ip: '10.77.0.1', port: 18084 }), 'ECONNREFUSED')
    assert.equal(await call(remote, { ip: web.endpoint?.ip ?? '', port: 80 }), 'timeout')
    // A packet for 127.0.0.1 that comes over the wire.
    netns.inNetns(remote, () => {
      using inner = new NetlinkSocket()
      inner.request(addRoute({ destination: '127.0.0.2/32', gateway: '10.77.0.1', index: 2 }))
    })
    assert.notEqual(await call(remote, { ip: '127.0.0.2', port: 18084 }), '10.77.0.2')
    // Out: the other host sees the host's address, not the container's.
    assert.equal(await call(web.netnsPath, { ip: '10.77.0.2', port: 81 }), '10.77.0.1')
    await networks.leave(op, web.id)
  } finally {
    socket.request(deleteLink(name))
    netns.remove(remote)
  }
})

test('who takes an address over is known to its neighbours at once', async () => {
  const subnet = (text: string) => ({ subnet: text, ipRange: '', gateway: '', aux: {} })
  await networks.create(op, {
    name: 'taken-over',
    driver: 'bridge',
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: true,
    subnets: [subnet('10.204.8.0/24'), subnet('fd00:204:8::/64')],
    options: {},
    labels: {},
  })
  const network = 'taken-over'
  const asker = await join1({ networks: [{ network }] })
  const addresses = { network, ip: '10.204.8.5', ip6: 'fd00:204:8::5' }
  for (const mac of ['02:42:00:00:00:51', undefined]) {
    const web = await join1({ networks: [{ ...addresses, mac }] })
    {
      using _server = await serve(web.netnsPath, 80)
      assert.equal(await call(asker.netnsPath, { ip: addresses.ip, port: 80 }), asker.endpoint?.ip)
    }
    await networks.leave(op, web.id)
  }
  await networks.leave(op, asker.id)
  await networks.remove(op, network)
})

test('conflicts name the container or the process, and leave nothing', async () => {
  const port = { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 18085 } as const
  const web = await join1({ ports: [port] })
  await assert.rejects(join1({ owner: 'b', ports: [{ ...port, hostPort: 18086 }, port] }), {
    kind: 'conflict',
    message: 'Bind for 0.0.0.0:18085 failed: port is already allocated (held by container web)',
  })
  await assert.rejects(join1({ ports: [{ ...port, hostIp: '127.0.0.1' }] }), /held by container web/)
  using _host = await serve(undefined, 18086)
  await assert.rejects(join1({ ports: [{ ...port, hostPort: 18086 }] }), (error: Error) =>
    /^Bind for 0\.0\.0\.0:18086 failed: port is already allocated \(held by process .+, pid \d+, user root\)$/.test(
      error.message,
    ),
  )
  await assert.rejects(
    join1({ ports: [{ ...port, hostIp: '192.0.2.77', hostPort: 1 }] }),
    /is not an address of this host/,
  )
  await networks.leave(op, web.id)
  assert.deepEqual(readdirSync(join(folder, 'netns')), [])
})

test('a kill of the daemon: live sandboxes keep all, dead ones go', async () => {
  const port = { containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 18087 } as const
  const live = await join1({ ports: [port] })
  const dead = await join1({ ports: [{ ...port, hostPort: 18088 }] })
  using _server = await serve(live.netnsPath, 80)
  // The killed daemon's sockets would go with it; here they stay in this process until it is told.
  const killed = networks
  await killed.close(op)
  netns.create(join(folder, 'netns', 'stray'))
  networks = await open()
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18087 }), live.endpoint?.gateway)
  await networks.reconcile(op, new Set([live.id]))
  assert.deepEqual(readdirSync(join(folder, 'netns')), [live.id])
  await gone([dead.endpoint?.hostInterface])
  assert.ok(links().includes(live.endpoint?.hostInterface ?? ''))
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18087 }), live.endpoint?.gateway)
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18088 }), 'ECONNREFUSED')
  await assert.rejects(join1({ owner: 'x', ports: [port] }), /held by container web/)
  await networks.leave(op, live.id)
})

test('30 at once: every address differs, and nothing is left afterwards', async () => {
  const all = await Promise.all(
    Array.from({ length: 30 }, () =>
      join1({ ports: [{ containerPort: 80, proto: 'tcp', hostIp: '', hostPort: 0 }] }),
    ),
  )
  assert.equal(new Set(all.map((s) => s.endpoint?.ip)).size, 30)
  await Promise.all(all.map((s) => networks.leave(op, s.id)))
  await gone(all.map((s) => s.endpoint?.hostInterface))
})
