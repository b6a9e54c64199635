/**
 * The registry server against Debian's docker-registry: clients that push images and pull them, by turns against each server, so
 * that a busy moment of the machine hits both. `tools/with-node tools/bench/registry.ts`; GANTRY_BENCH_SECONDS (60 against each),
 * GANTRY_BENCH_CLIENTS (32), GANTRY_BENCH_LAYER (bytes of the layer that each image has for itself; 1 MiB).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { root } from '../../tests/system/harness.ts'
import { dockerRegistry } from './docker-registry.ts'
import { LoadClient, noCounts, sharedLayer, type Counts } from './registry-load.ts'
import { median, table } from './table.ts'

const number = (name: string, initial: number) => Number(process.env[name] ?? initial)
const seconds = number('GANTRY_BENCH_SECONDS', 60)
const clients = number('GANTRY_BENCH_CLIENTS', 32)
const layerSize = number('GANTRY_BENCH_LAYER', 1 << 20)
const rounds = Math.max(2, Math.round(seconds / 10))
const base = sharedLayer(4 << 20)

interface Contestant {
  readonly name: string
  readonly url: string
  readonly child: ChildProcess
  readonly total: Counts
  /** Images a second of each round. */
  readonly rates: number[]
  /** KiB, before any load and at its highest. */
  readonly idle: number
}

const folder = mkdtempSync(join(tmpdir(), 'gantry-bench-registry-'))

async function start(name: string, port: number, argv: readonly string[]): Promise<Contestant> {
  const [file = '', ...rest] = argv
  const child = spawn(file, rest, { stdio: ['ignore', 'ignore', 'ignore'] })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error(`${name} did not start`)
    const answered = await fetch(`${url}/v2/`).then(
      (response) => response.ok,
      () => false,
    )
    if (answered) break
    await sleep(50)
  }
  return { name, url, child, total: noCounts(), rates: [], idle: memory(child, 'VmRSS') }
}

/** KiB of a server's process. */
function memory(child: ChildProcess, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN)
}

/** Processor time of a server so far, in seconds. */
function processorTime(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  // utime and stime, in hundredths (proc(5)).
  return (Number(fields[11]) + Number(fields[12])) / 100
}

async function load(contestant: Contestant, ms: number): Promise<Counts> {
  const counts = noCounts()
  const all = Array.from(
    { length: clients },
    (_, index) => new LoadClient(contestant.url, { name: `client${index}`, layerSize, base }),
  )
  const until = performance.now() + ms
  await Promise.all(all.map((client) => client.run(until, counts)))
  for (const client of all) client.close()
  return counts
}

async function contest(all: readonly Contestant[]): Promise<void> {
  for (const contestant of all) await load(contestant, 2000)
  for (let round = 0; round < rounds; round++)
    for (const contestant of round % 2 === 0 ? all : all.toReversed()) {
      const started = performance.now()
      const counts = await load(contestant, (seconds * 1000) / rounds)
      const elapsed = (performance.now() - started) / 1000
      contestant.rates.push((counts.pushes + counts.pulls) / elapsed)
      const { total } = contestant
      for (const key of ['pushes', 'pulls', 'bytes', 'errors'] as const) total[key] += counts[key]
      total.firstError ||= counts.firstError
      for (const time of counts.times) total.times.push(time)
    }
}

function report(all: readonly Contestant[]): void {
  const rows = all.map(({ name, total, rates, idle, child }) => {
    const sorted = total.times.toSorted((a, b) => a - b)
    const at = (share: number) =>
      `${(sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN).toFixed(0)} ms`
    const mib = (kib: number) => `${(kib / 1024).toFixed(0)} MiB`
    return [
      name,
      String(total.pushes),
      String(total.pulls),
      String(total.errors),
      median(rates).toFixed(1),
      `${(total.bytes / seconds / 1e6).toFixed(0)} MB`,
      at(0.5),
      at(0.99),
      `${processorTime(child).toFixed(0)} s`,
      mib(idle),
      mib(memory(child, 'VmHWM')),
    ]
  })
  const head = ['registry', 'pushes', 'pulls', 'errors', '/s', 'data/s', 'p50', 'p99', 'CPU', 'idle', 'most']
  console.log(`${clients} clients, ${seconds} s each in ${rounds} turns; layer ${layerSize} bytes\n`)
  console.log(table(head, rows))
  const [own, other] = all.map(({ rates }) => median(rates))
  if (own !== undefined && other !== undefined)
    console.log(`\nthroughput of ours over docker-registry's: ${(own / other).toFixed(2)}`)
  for (const { name, total } of all) if (total.errors > 0) console.log(`${name}: ${total.firstError}`)
  if ((all[0]?.total.errors ?? 1) > 0) process.exitCode = 1
}

const contestants: Contestant[] = []
try {
  const own = ['registry', 'serve', '--listen=127.0.0.1:15001', `--storage=${join(folder, 'gantry')}`]
  contestants.push(await start('gantry', 15001, [join(root, 'bin/gantry'), ...own, '--log-level=error']))
  const program = await dockerRegistry()
  if (program !== undefined) {
    const config = `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${join(folder, 'docker')} }, delete: { enabled: true } }
http: { addr: "127.0.0.1:15002" }
`
    writeFileSync(join(folder, 'config.yml'), config)
    contestants.push(await start('docker-registry', 15002, [program, 'serve', join(folder, 'config.yml')]))
  }
  await contest(contestants)
  report(contestants)
} finally {
  for (const { child } of contestants) {
    child.kill('SIGTERM')
    if (child.exitCode === null) await once(child, 'exit')
  }
  rmSync(folder, { recursive: true, force: true })
}
