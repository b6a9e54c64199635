/**
 * `tools/with-node tools/bench/ports.ts`: what a published port lets through from this host, beside a plain veth pair, our relay
 * and, where DOCKER_HOST leads to one, a dockerd's published port (by its rules, past its proxy). iperf3, in turn. Root.
 */
import { execFile, spawn } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { NetlinkSocket } from '../../src/host/netlink.ts'
import * as netns from '../../src/host/netns.ts'
import {
  addAddress,
  createVeth,
  deleteLink,
  listAddresses,
  listLinks,
  setUp,
} from '../../src/host/rtnetlink.ts'
import { newId } from '../../src/lib/id.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { background } from '../../src/lib/op.ts'
import { Networks } from '../../src/network/index.ts'
import { Store } from '../../src/store/index.ts'
import { median, table } from './table.ts'

const execute = promisify(execFile)
try {
  await execute('iperf3', ['--version'])
} catch {
  console.log('iperf3 is not installed: the throughput of published ports is not measured')
  process.exit(0)
}
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '12' } } })
const op = background(silentLogger)
const tag = process.pid.toString(36)
const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'))
const port = 5201
const published = 15_201
const dockerPort = 15_202

using netlink = new NetlinkSocket()
await using stack = new AsyncDisposableStack()
stack.defer(() => rmSync(folder, { recursive: true, force: true }))
const host = listAddresses(netlink).find((a) => {
  const name = listLinks(netlink).find((link) => link.index === a.linkIndex)?.name ?? ''
  return a.family === 4 && /^(eth|en|wl)/.test(name)
})?.address
if (host === undefined) throw new Error('no address of an Ethernet interface found')

/** iperf3's server in a network namespace. */
async function serve(...enter: string[]): Promise<void> {
  const child = spawn('nsenter', [...enter, 'iperf3', '-s', '-p', String(port)], { stdio: 'ignore' })
  stack.defer(() => void child.kill())
  await sleep(300)
}

async function plain(): Promise<{ ip: string; port: number }> {
  const path = join(folder, 'plain')
  const name = `gw${tag}`
  netns.create(path)
  stack.defer(() => netns.remove(path))
  const namespace = openSync(path, 'r')
  const peer = { name: 'eth0', namespace, mac: '02:42:0a:50:00:02', index: 2 }
  netlink.request(createVeth({ name, master: 0, mtu: 1500, peer }))
  stack.defer(() => netlink.request(deleteLink(name)))
  closeSync(namespace)
  netlink.request(addAddress(listLinks(netlink).find((l) => l.name === name)?.index ?? 0, '10.80.0.1', 24))
  netns.inNetns(path, () => {
    using inner = new NetlinkSocket()
    inner.request(setUp(2), addAddress(2, '10.80.0.2', 24))
  })
  await serve(`--net=${path}`)
  return { ip: '10.80.0.2', port }
}

async function ours(o: { relayed: boolean }): Promise<{ ip: string; port: number }> {
  const name = `${o.relayed ? 'r' : 'p'}${tag}`
  const root = join(folder, name)
  const store = Store.open(`${root}.db`)
  stack.defer(() => store.close())
  const networks = await Networks.open(op, {
    store,
    runDir: root,
    bridge: { name: `gb${name}`, mtu: 1500 },
    instance: `b${name}`,
    respectHostFirewall: o.relayed,
    emit: () => {},
  })
  stack.defer(() => networks.close(op))
  const hostPort = o.relayed ? published + 10 : published
  const sandbox = await networks.join(op, {
    id: newId(),
    networks: [{ network: 'bridge' }],
    ports: [{ containerPort: port, proto: 'tcp', hostIp: '0.0.0.0', hostPort }],
    owner: name,
  })
  stack.defer(() => networks.leave(op, sandbox.id))
  await serve(`--net=${sandbox.netnsPath}`)
  return { ip: host ?? '', port: hostPort }
}

async function docker(): Promise<{ ip: string; port: number } | undefined> {
  if (process.env['DOCKER_HOST'] === undefined) return undefined
  const name = `gantry-bench-${tag}`
  const run = ['run', '-d', '--name', name, '-p', `${dockerPort}:${port}`, 'busybox', 'sleep', '600']
  await execute('docker', run)
  stack.defer(async () => void (await execute('docker', ['rm', '-f', name])))
  const { stdout } = await execute('docker', ['inspect', '-f', '{{.State.Pid}}', name])
  await serve('-n', '-t', stdout.trim())
  return { ip: host ?? '', port: dockerPort }
}

/** Gbit/s that arrived. */
async function measure(target: { ip: string; port: number }): Promise<number> {
  const { stdout } = await execute('iperf3', ['-c', target.ip, '-p', String(target.port), '-t', '1', '-J'])
  const report = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } } } // iperf3's own form
  return report.end.sum_received.bits_per_second / 1e9
}

const targets = {
  'published port': await ours({ relayed: false }),
  'plain veth pair': await plain(),
  'published port of dockerd': await docker(),
  'relayed port': await ours({ relayed: true }),
}
const seen = Object.entries(targets).flatMap(([name, target]) =>
  target ? [{ name, target, rates: [] as number[] }] : [],
)
// Each is first once in a while: what comes after a pause is slower.
for (let round = 0; round < Number(values.rounds); round++) {
  const first = round % seen.length
  for (const one of [...seen.slice(first), ...seen.slice(0, first)]) one.rates.push(await measure(one.target))
}
// Other work on the machine only ever takes away: the best round says most.
const best = (rates: readonly number[]) => Math.max(...rates)
const [own] = seen
console.log(
  table(
    ['way', 'best', 'median', 'published port / this, best', 'median'],
    seen.map(({ name, rates }) => [
      name,
      `${best(rates).toFixed(1)} Gbit/s`,
      `${median(rates).toFixed(1)} Gbit/s`,
      (best(own?.rates ?? []) / best(rates)).toFixed(2),
      (median(own?.rates ?? []) / median(rates)).toFixed(2),
    ]),
  ),
)
