import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { encode, type Packet } from 'dns-packet'
import { bindUdp } from '../../host/inet-socket.ts'
import { NetlinkSocket } from '../../host/netlink.ts'
import * as netns from '../../host/netns.ts'
import { listLinks } from '../../host/rtnetlink.ts'
import { closeFd } from '../../host/socket.ts'
import { run } from '../../host/spawn.ts'
import { silentLogger } from '../../lib/log.ts'
import { background } from '../../lib/op.ts'
import { Dns, type AttachOptions } from './dns.ts'
import { ask, exchange, fakeUpstream, record } from './testing.ts'

const op = background(silentLogger)
const folder = mkdtempSync(join(tmpdir(), 'gdns-'))
const here = join(folder, 'a')
const there = join(folder, 'b')
let dns: Dns
let thread: Worker | undefined

before(() => {
  process.once('worker', (worker) => (thread = worker))
  netns.create(here)
  netns.create(there)
  dns = new Dns()
  dns.start()
  dns.register('front', { endpoint: 'e1', names: ['Web', 'www'], addresses: ['10.9.0.2', 'fd00::2'] })
})
after(async () => {
  await dns.close()
  netns.remove(here)
  netns.remove(there)
  rmSync(folder, { recursive: true })
})
beforeEach(() => dns.detach('s1'))

const attach = (o: Partial<AttachOptions> = {}, on = dns) =>
  on.attach(op, {
    sandbox: 's1',
    netnsPath: here,
    networks: ['front'],
    upstreams: [],
    external: true,
    extra: {},
    ...o,
  })
const data = async (...args: Parameters<typeof ask>) =>
  (await ask(...args)).answers?.map((a) => ('data' in a ? a.data : undefined))
const says = (address: string) => (query: Packet) => ({
  answers: [record(query.questions?.[0]?.name ?? '', address)],
})

test('names of the sandbox’s networks are answered at 127.0.0.11, over UDP and TCP', async () => {
  await attach()
  assert.deepEqual(await data(here, { name: 'web' }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: 'WWW.Front' }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: 'www', type: 'AAAA' }), ['fd00::2'])
  assert.deepEqual(await data(here, { name: 'web', stream: true }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: '2.0.9.10.in-addr.arpa', type: 'PTR' }), ['Web.front'])
  assert.equal((await ask(here, { name: 'nobody' })).rcode, 'SERVFAIL')
})

test('live changes: registrations, networks, and who is attached', async () => {
  await attach()
  await attach({ sandbox: 's2', netnsPath: there, networks: ['back'] })
  dns.register('back', { endpoint: 'e1', names: ['db'], addresses: ['10.8.0.2'] })
  assert.deepEqual(await data(there, { name: 'db' }), ['10.8.0.2'])
  assert.equal((await ask(there, { name: 'web' })).rcode, 'SERVFAIL')
  assert.equal((await ask(here, { name: 'db' })).rcode, 'SERVFAIL')
  dns.update('s1', { networks: ['front', 'back'] })
  await sleep(20)
  assert.deepEqual(await data(here, { name: 'db' }), ['10.8.0.2'])
  dns.unregister('back', 'e1')
  // The query may overtake the message to the thread.
  await sleep(20)
  assert.equal((await ask(here, { name: 'db' })).rcode, 'SERVFAIL')
  await dns.detach('s2')
  await dns.detach('s2')
  await assert.rejects(ask(there, { name: 'db', timeout: 300 }), { message: /ECONNREFUSED|no answer/ })
})

test('a container can run a DNS server of its own on all addresses', async () => {
  await attach()
  await using own = await fakeUpstream(says('192.0.2.7'), { netns: here, ip: '0.0.0.0', port: 53 })
  assert.deepEqual(await data(here, { name: 'web' }), ['10.9.0.2'])
  assert.deepEqual(await data(here, { name: 'web', ip: '127.0.0.1' }), ['192.0.2.7'])
  assert.equal(own.asked.length, 1)
})

test('other names are asked from the container’s namespace; host() ones from the host’s', async () => {
  await using inside = await fakeUpstream(says('192.0.2.1'), { netns: here, ip: '127.0.0.2', port: 53 })
  await using host = await fakeUpstream(says('192.0.2.2'), { ip: '127.77.0.2', port: 53 })
  await attach({ upstreams: ['127.0.0.2'] })
  assert.deepEqual(await data(here, { name: 'example.org' }), ['192.0.2.1'])
  assert.deepEqual(await data(here, { name: 'example.org', type: 'TXT', stream: true }), ['192.0.2.1'])
  assert.deepEqual(inside.asked, ['udp A example.org', 'tcp TXT example.org'])
  await attach({ upstreams: ['host(127.77.0.2)'] })
  assert.deepEqual(await data(here, { name: 'example.org' }), ['192.0.2.2'])
  dns.update('s1', { external: false })
  await sleep(20)
  assert.equal((await ask(here, { name: 'example.org' })).rcode, 'SERVFAIL')
  assert.equal(host.asked.length, 1)
})

test('queries and answers pass as they are: unknown types, EDNS, bytes that nobody knows; cut answers say so', async () => {
  const odd = Buffer.from('\x07\x07\x81\x80\0\x01\0\0\0\0\0\x01\x01x\0\xff\x01\0\x01odd bytes', 'latin1')
  let seen: Buffer | undefined
  await using _up = await fakeUpstream(
    (query, stream) => {
      if (stream)
        return { answers: Array.from({ length: 1500 }, () => record('big.example.org', '192.0.2.1')) }
      if (query.questions?.[0]?.name !== 'x') return { flags: 0x200 }
      seen = encode(query)
      const reply = Buffer.from(odd)
      reply.writeUInt16BE(query.id ?? 0)
      return [reply]
    },
    { netns: here, ip: '127.0.0.2', port: 53 },
  )
  await attach({ upstreams: ['127.0.0.2'] })
  const query = Buffer.from('\x07\x07\x01\0\0\x01\0\0\0\0\0\0\x01x\0\xff\x01\0\x01', 'latin1')
  assert.deepEqual(await exchange(here, query), odd)
  assert.ok(seen)
  assert.equal((await ask(here, { name: 'big.example.org', edns: 1232 })).flag_tc, true)
  assert.equal((await ask(here, { name: 'big.example.org', stream: true })).answers?.length, 1500)
})

test('forged answers are not believed', async () => {
  await using _up = await fakeUpstream(
    (query) => {
      const { id = 0, questions = [] } = query
      const answer = (address: string, change: Packet = {}) =>
        encode({ type: 'response', id, questions, answers: [record('example.org', address)], ...change })
      return [
        answer('192.0.2.66', { id: (id + 1) & 0xffff }),
        answer('192.0.2.67', { questions: [{ name: 'else', type: 'A' }] }),
        answer('192.0.2.68', { questions: [] }),
        answer('192.0.2.69', { type: 'query' }),
        answer('192.0.2.1'),
      ]
    },
    { netns: here, ip: '127.0.0.2', port: 53 },
  )
  await attach({ upstreams: ['127.0.0.2'] })
  for (const stream of [false, true])
    assert.deepEqual(await data(here, { name: 'example.org', stream }), ['192.0.2.1'])
})

test('ids and source ports upstream are random', async () => {
  const ids: number[] = []
  const ports = new Set<number>()
  await using _up = await fakeUpstream(
    (query, _stream, port) => {
      ids.push(query.id ?? 0)
      ports.add(port)
      return says('192.0.2.1')(query)
    },
    { netns: here, ip: '127.0.0.2', port: 53 },
  )
  await attach({ upstreams: ['127.0.0.2'] })
  for (let i = 0; i < 30; i++) await ask(here, { name: `n${i}.example.org` })
  assert.ok(new Set(ids).size > 25 && ports.size > 20, `${new Set(ids).size} ids, ${ports.size} ports`)
  assert.ok(ids.some((id, i) => Math.abs(id - (ids[i - 1] ?? id)) > 1000))
})

test('with one server silent and one refusing no look-up fails, and few wait', async () => {
  const silent = netns.inNetns(here, () => bindUdp('127.0.0.2', 53, 4096))
  await using up = await fakeUpstream(says('192.0.2.1'), { netns: here, ip: '127.0.0.4', port: 53 })
  await attach({ upstreams: ['127.0.0.2', '127.0.0.3', '127.0.0.4'] })
  let slow = 0
  for (let i = 0; i < 300; i++) {
    const started = performance.now()
    assert.deepEqual(await data(here, { name: `n${i}.example.org` }), ['192.0.2.1'])
    if (performance.now() - started > 100) slow++
  }
  assert.equal(up.asked.length, 300)
  assert.ok(slow <= 5, `${slow} look-ups took longer than 100 ms`)
  const failing = await ask(here, { name: 'example.org', stream: true })
  assert.equal(failing.rcode, 'NOERROR')
  closeFd(silent.fd)
})

test('a server that comes back is asked again', async () => {
  const silent = netns.inNetns(here, () => bindUdp('127.0.0.2', 53, 4096))
  await using second = await fakeUpstream(says('192.0.2.2'), { netns: here, ip: '127.0.0.3', port: 53 })
  await attach({ upstreams: ['127.0.0.2', '127.0.0.3'] })
  assert.deepEqual(await data(here, { name: 'example.org' }), ['192.0.2.2'])
  closeFd(silent.fd)
  await using first = await fakeUpstream(says('192.0.2.1'), { netns: here, ip: '127.0.0.2', port: 53 })
  const end = performance.now() + 5000
  for (;;) {
    const [address] = (await data(here, { name: 'example.org' })) ?? []
    if (address === '192.0.2.1') break
    assert.ok(performance.now() < end, 'the first server is not asked again')
    await sleep(100)
  }
  assert.ok(first.asked.length > 0 && second.asked.length > 0)
})

test('another daemon takes over, also where one was killed', async () => {
  const netnsPath = join(folder, 'd')
  netns.create(netnsPath)
  const daemon = (address: string): Dns => {
    const made = new Dns()
    made.register('front', { endpoint: 'e1', names: ['web'], addresses: [address] })
    return made
  }
  const [first, second, third] = [daemon('10.9.0.7'), daemon('10.9.0.8'), daemon('10.9.0.9')]
  await attach({ netnsPath }, first)
  // The port is taken: another one it is.
  await attach({ netnsPath }, second)
  assert.deepEqual(await data(netnsPath, { name: 'web' }), ['10.9.0.8'])
  await Promise.all([first.close(), second.close()])
  await attach({ netnsPath }, third)
  assert.deepEqual(await data(netnsPath, { name: 'web' }), ['10.9.0.9'])
  await third.close()
  netns.remove(netnsPath)
})

test('a namespace is let go at once, also with questions under way', async () => {
  const path = join(folder, 'c')
  netns.create(path)
  const link = `gd${process.pid}`
  const veth = ['ip', 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', link, 'netns', `${process.pid}`]
  await run(op, ['nsenter', `--net=${path}`, ...veth])
  const silent = netns.inNetns(path, () => bindUdp('127.0.0.2', 53, 4096))
  await attach({ sandbox: 's3', netnsPath: path, upstreams: ['127.0.0.2'] })
  const lost = ask(path, { name: 'example.org', timeout: 200 }).catch(() => 'lost')
  await ask(path, { name: 'web' })
  closeFd(silent.fd)
  await dns.detach('s3')
  assert.equal(await lost, 'lost')
  netns.remove(path)
  for (let tries = 0; ; tries++) {
    using socket = new NetlinkSocket()
    if (!listLinks(socket).some((l) => l.name === link)) break
    assert.ok(tries < 40, 'the namespace still lives after 2 s')
    await sleep(50)
  }
})

test('a namespace that is none is an error with its name', async () => {
  await assert.rejects(attach({ sandbox: 's4', netnsPath: join(folder, 'none') }), {
    message: /cannot serve DNS in the container: ENOENT/,
  })
})

test('the thread that fails is replaced by one that knows the same', async () => {
  await attach()
  await thread?.terminate()
  await assert.rejects(attach({ sandbox: 's5' }), { kind: 'internal' })
  await sleep(800)
  assert.deepEqual(await data(here, { name: 'web' }), ['10.9.0.2'])
})
