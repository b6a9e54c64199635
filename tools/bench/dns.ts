/**
 * `tools/with-node tools/bench/dns.ts`: how long look-ups through the containers' resolver take, in a network namespace of its own, with two
 * upstream servers of which the first never answers. Client and server are programs of their own. Root.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decode, encode, type Packet } from 'dns-packet'
import * as netns from '../../src/host/netns.ts'
import { silentLogger } from '../../src/lib/log.ts'
import { background } from '../../src/lib/op.ts'
import { Dns } from '../../src/network/dns/dns.ts'

const lookups = 10_000
const [resolver, deadServer, liveServer] = ['127.0.0.11', '127.0.0.2', '127.0.0.3']

/** Each look-up from a socket of its own, as C libraries do it. Milliseconds; undefined when it failed. */
function lookup(name: string, server: string): Promise<number | undefined> {
  const socket = createSocket('udp4')
  const id = randomInt(0x10000)
  const started = performance.now()
  return new Promise((resolve) => {
    const end = (time: number | undefined) => {
      clearTimeout(timer)
      socket.close()
      resolve(time)
    }
    const timer = setTimeout(() => end(undefined), 5000)
    socket.on('error', () => end(undefined))
    socket.on('message', (reply) => {
      const { id: got, answers } = decode(reply)
      end(got === id && answers?.[0]?.type === 'A' ? performance.now() - started : undefined)
    })
    const query: Packet = { type: 'query', id, flags: 0x100, questions: [{ name, type: 'A' }] }
    socket.send(encode(query), 53, server)
  })
}

async function client(name: string, parallel: number, server: string): Promise<void> {
  const times: (number | undefined)[] = []
  let next = 0
  const work = async () => {
    while (next < lookups) times.push(await lookup(name.replace('%', String(next++)), server))
  }
  const started = performance.now()
  await Promise.all(Array.from({ length: parallel }, work))
  const seconds = (performance.now() - started) / 1000
  const good = times.filter((time) => time !== undefined).toSorted((a, b) => a - b)
  const at = (part: number) => (good[Math.floor(good.length * part)] ?? Number.NaN).toFixed(2)
  console.log(
    [
      name.padEnd(20),
      server,
      String(parallel),
      times.length - good.length,
      at(0.5),
      at(0.99),
      at(0.999),
      at(0.99999),
    ]
      .concat(`${Math.round(lookups / seconds)}/s`)
      .join('\t'),
  )
}

async function server(): Promise<void> {
  // Bound, so that nobody refuses, and never read.
  createSocket('udp4').bind(53, deadServer)
  const live = createSocket('udp4')
  live.on('message', (bytes, from) => {
    const { id = 0, questions = [] } = decode(bytes)
    const name = questions[0]?.name ?? ''
    const answer = encode({
      type: 'response',
      id,
      questions,
      answers: [{ type: 'A', name, ttl: 1, data: '192.0.2.1' }],
    })
    live.send(answer, from.port, from.address)
  })
  live.bind(53, liveServer)
  await once(live, 'listening')
  console.log('ready')
}

async function main(): Promise<void> {
  await using undo = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-'))
  undo.defer(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'netns')
  netns.create(path)
  undo.defer(() => netns.remove(path))
  const inside = (...args: string[]): ChildProcess =>
    spawn('nsenter', [`--net=${path}`, process.execPath, import.meta.filename, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  const upstream = inside('server')
  undo.defer(() => void upstream.kill('SIGKILL'))
  await once(upstream.stdout ?? upstream, 'data')
  const dns = new Dns()
  undo.defer(() => dns.close())
  dns.register('net', { endpoint: 'e', names: ['web'], addresses: ['10.0.0.2'] })
  const sandbox = { netnsPath: path, networks: ['net'], upstreams: [deadServer, liveServer], external: true }
  console.log(
    ['name'.padEnd(20), 'server', 'at once', 'failed', 'p50 ms', 'p99 ms', 'p99.9', 'max', 'rate'].join('\t'),
  )
  for (const [name, server, parallel] of [
    // What the machine, the client and the upstream server take without us.
    ['host%.example.org', liveServer, 1],
    ['web', resolver, 1],
    ['host%.example.org', resolver, 1],
    ['host%.example.org', resolver, 8],
  ] as const) {
    // Attached anew: nothing is known of the servers.
    await dns.attach(background(silentLogger), { sandbox: 's', extra: {}, ...sandbox })
    const child = inside('client', name, String(parallel), server)
    child.stdout?.pipe(process.stdout)
    await once(child, 'exit')
  }
}

const [mode, name = '', parallel = '1', target = resolver] = process.argv.slice(2)
if (mode === 'client') await client(name, Number(parallel), target)
else if (mode === 'server') await server()
else await main()
