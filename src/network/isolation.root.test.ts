import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { newId } from '../lib/id.ts'
import { silentLogger } from '../lib/log.ts'
import { background } from '../lib/op.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { apply } from '../host/nft.ts'
import { addAddress, addRoute, createVeth, deleteLink, listLinks, setUp } from '../host/rtnetlink.ts'
import { Store } from '../store/index.ts'
import type { Sandbox } from './views.ts'
import { Networks } from './networks.ts'
import { call, serve } from './testing.ts'

const op = background(silentLogger)
const folder = mkdtempSync(join(tmpdir(), 'giso-'))
const tag = process.pid.toString(36)
const uplink = `giu${tag}`

/** Another host, on a wire of its own, that sends to us whatever is not its own. */
const remote = { path: join(folder, 'remote'), ip: '10.78.0.2', ip6: 'fd78::2' }
const here = { ip: '10.78.0.1', ip6: 'fd78::1' }

function makeRemote(): void {
  using socket = new NetlinkSocket()
  netns.create(remote.path)
  const namespace = openSync(remote.path, 'r')
  const peer = { name: 'eth0', namespace, mac: '02:42:0a:4e:00:02', index: 2 }
  socket.request(createVeth({ name: uplink, master: 0, mtu: 1500, peer }))
  closeSync(namespace)
  const index = listLinks(socket).find((l) => l.name === uplink)?.index ?? 0
  socket.request(addAddress(index, here.ip, 24), addAddress(index, here.ip6, 64))
  netns.inNetns(remote.path, () => {
    using inner = new NetlinkSocket()
    inner.request(
      setUp(2),
      addAddress(2, remote.ip, 24),
      addAddress(2, remote.ip6, 64),
      addRoute({ destination: '0.0.0.0/0', gateway: here.ip, index: 2 }),
      addRoute({ destination: '::/0', gateway: here.ip6, index: 2 }),
    )
  })
}

async function open(name: string, o: { respect: boolean }) {
  const root = mkdtempSync(join(folder, `${name}-`))
  const store = Store.open(join(root, 'db'))
  const networks = await Networks.open(op, {
    store,
    runDir: root,
    bridge: { name: `gi${name}${tag}`, mtu: 1500 },
    instance: `i${name}${tag}`,
    respectHostFirewall: o.respect,
    emit: () => {},
  })
  const joined: string[] = []
  const added: string[] = []
  return {
    networks,
    async add(
      network: string,
      more: { internal?: boolean; ipv6?: boolean; options?: Record<string, string> } = {},
    ) {
      await networks.create(op, {
        name: network,
        driver: 'bridge',
        internal: more.internal ?? false,
        attachable: false,
        ipv4: true,
        ipv6: more.ipv6 ?? false,
        subnets: [],
        options: more.options ?? {},
        labels: {},
      })
      added.push(network)
    },
    async join(network: string, ports: Parameters<Networks['join']>[1]['ports'] = []) {
      const id = newId()
      const sandbox = await networks.join(op, { id, networks: [{ network }], ports, owner: network })
      joined.push(id)
      return sandbox
    },
    async [Symbol.asyncDispose]() {
      for (const id of joined) await networks.leave(op, id)
      for (const name of added) await networks.remove(op, name)
      await networks.close(op)
      store.close()
    },
  }
}

const defaultRoute = (sandbox: Sandbox, gateway: string) =>
  netns.inNetns(sandbox.netnsPath, () => {
    using socket = new NetlinkSocket()
    socket.request(addRoute({ destination: '0.0.0.0/0', gateway, index: 2 }))
  })
const tcp = { containerPort: 80, proto: 'tcp' } as const
/** Neighbours of IPv6 take their time to find each other after a link has come up. */
async function callPatiently(...args: Parameters<typeof call>): Promise<string> {
  for (let tries = 0; ; tries++) {
    const answer = await call(...args)
    if (answer !== 'timeout' || tries === 5) return answer
  }
}
const unreachable = new Set(['timeout', 'ENETUNREACH', 'EHOSTUNREACH', 'ECONNREFUSED'])
/** All of these calls must fail, and at the same time: each takes its whole patience. */
async function assertCut(
  calls: Record<string, [netns: string | undefined, target: Parameters<typeof call>[1]]>,
): Promise<void> {
  const seen = await Promise.all(
    Object.entries(calls).map(async ([what, args]) => `${what}: ${await call(...args)}`),
  )
  for (const line of seen) assert.ok(unreachable.has(line.replace(/^.*: /, '')), line)
}

before(makeRemote)
after(() => {
  using socket = new NetlinkSocket()
  socket.request(deleteLink(uplink))
  netns.remove(remote.path)
  rmSync(folder, { recursive: true, force: true })
})

test('networks are cut off from each other, internal ones from everything; other hosts reach published ports alone', async () => {
  await using engine = await open('a', { respect: false })
  await engine.add('one', { ipv6: true })
  await engine.add('two', { ipv6: true })
  await engine.add('inside', { internal: true, ipv6: true })
  await engine.add('apart', { options: { 'com.docker.network.bridge.enable_icc': 'false' } })
  const web = await engine.join('one', [
    { ...tcp, hostIp: '', hostPort: 18181 },
    { ...tcp, hostIp: '127.0.0.1', hostPort: 18182 },
    { ...tcp, hostIp: '::1', hostPort: 18183 },
  ])
  const other = await engine.join('two')
  const [inner, inner2] = [await engine.join('inside'), await engine.join('inside')]
  const [apart, apart2] = [await engine.join('apart'), await engine.join('apart')]
  const inside = engine.networks.find('inside').subnets[0]?.gateway ?? ''
  const end = (sandbox: Sandbox) => ({ ip: sandbox.endpoint?.ip ?? '', ip6: sandbox.endpoint?.ip6 ?? '' })
  // As a container with CAP_NET_ADMIN can.
  defaultRoute(inner, inside)
  using _servers = new DisposableStack()
  for (const sandbox of [web, inner, inner2, apart2])
    _servers.use(await serve(sandbox.netnsPath, 80, { ip: '::' }))
  _servers.use(await serve(remote.path, 81, { ip: '::' }))
  // Of the host itself.
  _servers.use(await serve(undefined, 18190, { ip: '::' }))
  const mapped = (address: string) => `::ffff:${address}`

  // What must work, so that the rest means something.
  const [webEnd, innerEnd] = [end(web), end(inner)]
  assert.equal(await call(remote.path, { ip: here.ip, port: 18181 }), mapped(remote.ip))
  assert.equal(
    await callPatiently(remote.path, { ip: here.ip6, port: 18181 }),
    remote.ip6,
    'IPv6, without a relay',
  )
  assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18182 }), mapped(web.endpoint?.gateway ?? ''))
  for (const port of [18181, 18183])
    assert.equal(await callPatiently(undefined, { ip: '::1', port }), web.endpoint?.gateway6, 'relayed')
  assert.equal(await call(other.netnsPath, { ip: here.ip, port: 18181 }), mapped(end(other).ip), 'hairpin')
  assert.equal(await call(inner2.netnsPath, { ip: innerEnd.ip, port: 80 }), mapped(end(inner2).ip))
  assert.equal(await call(undefined, { ip: innerEnd.ip, port: 80 }), mapped(inside), 'the host itself')
  assert.equal(await call(inner.netnsPath, { ip: inside, port: 18190 }), mapped(innerEnd.ip))
  assert.equal(await call(web.netnsPath, { ip: remote.ip, port: 81 }), mapped(here.ip), 'masqueraded')
  assert.equal(await callPatiently(web.netnsPath, { ip: remote.ip6, port: 81 }), here.ip6, 'masqueraded')

  await assertCut({
    'bridge to bridge': [other.netnsPath, { ip: webEnd.ip, port: 80 }],
    'bridge to bridge, IPv6': [other.netnsPath, { ip: webEnd.ip6, port: 80 }],
    'into an internal network from another': [other.netnsPath, { ip: innerEnd.ip, port: 80 }],
    'into an internal network from another host': [remote.path, { ip: innerEnd.ip, port: 80 }],
    'the same over IPv6': [remote.path, { ip: innerEnd.ip6, port: 80 }],
    'out of an internal network': [inner.netnsPath, { ip: remote.ip, port: 81 }],
    'from there to another address of the host': [inner.netnsPath, { ip: here.ip, port: 18190 }],
    'from there to a published port': [inner.netnsPath, { ip: inside, port: 18181 }],
    'from there to another network': [inner.netnsPath, { ip: webEnd.ip, port: 80 }],
    'a container, from another host': [remote.path, { ip: webEnd.ip, port: 80 }],
    'a container, from another host over IPv6': [remote.path, { ip: webEnd.ip6, port: 80 }],
    'a port of the host’s loopback, from another host': [remote.path, { ip: here.ip, port: 18182 }],
    'a port of ::1, from another host': [remote.path, { ip: here.ip6, port: 18183 }],
    'between containers without icc': [apart.netnsPath, { ip: end(apart2).ip, port: 80 }],
  })
})

test('with respect-host-firewall the host’s own input rules judge published ports; else they are gone round', async () => {
  const foreign = `giso_${tag}`
  for (const respects of [true, false]) {
    await using engine = await open(respects ? 'b' : 'c', { respect: respects })
    const web = await engine.join('bridge', [{ ...tcp, hostIp: '', hostPort: 18184 }])
    using _server = await serve(web.netnsPath, 80, { ip: '::' })
    const client = `::ffff:${respects ? web.endpoint?.gateway : remote.ip}`
    const target = { ip: here.ip, port: 18184 }
    assert.equal(await call(remote.path, target), client)
    assert.equal(await call(undefined, { ip: '127.0.0.1', port: 18184 }), `::ffff:${web.endpoint?.gateway}`)
    const rule = `iifname "${uplink}" tcp dport 18184 drop`
    await apply(
      op,
      `table inet ${foreign} {\nchain in {\ntype filter hook input priority 0\npolicy accept\n${rule}\n}\n}\n`,
    )
    try {
      assert.equal(await call(remote.path, target), respects ? 'timeout' : client)
    } finally {
      await apply(op, `delete table inet ${foreign}\n`)
    }
    assert.equal(await call(remote.path, target), client)
    await engine.networks.leave(op, web.id)
    assert.equal(await call(remote.path, target), 'ECONNREFUSED')
  }
})
