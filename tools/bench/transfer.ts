/**
 * Pull and push of an image of some 700 MB in four layers, by turns with a dockerd where one answers, from and to a registry on
 * this machine (Debian's docker-registry, else our own). `tools/with-node tools/bench/transfer.ts`; GANTRY_BENCH_ROUNDS (3).
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { randomFillSync } from 'node:crypto'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Daemon, root } from '../../tests/system/harness.ts'
import { dockerRegistry } from './docker-registry.ts'
import { execute } from './engines.ts'
import { median, table } from './table.ts'

const rounds = Number(process.env['GANTRY_BENCH_ROUNDS'] ?? 3)
/**
 * ext4 without a journal gives no inode out again for 35 s after its deletion, and looks at each of them before it takes another:
 * whoever unpacks right after thousands of files were deleted measures that.
 */
const settleMs = 40_000
const ports = { source: 15_011, target: 15_012 }
const folder = mkdtempSync('/tmp/gantry-bench-transfer-')

interface Contestant {
  readonly name: string
  readonly pid: number
  run(...args: string[]): Promise<string>
}

interface Measured {
  readonly ms: number[]
  /** Seconds of the processor, of the daemon and what it started. */
  readonly cpu: number[]
  /** MiB that the daemon grew by at most. */
  readonly growth: number[]
}

/** Four layers of what images are made of: many small files, large programs, what does not shrink, and text. */
function makeContext(): string {
  const context = join(folder, 'context')
  const node = `node-linux-${process.arch === 'arm64' ? 'arm64' : 'x64'}`
  // Where packages are, also for a checkout that has links to them.
  const packages = dirname(realpathSync(join(root, 'node_modules', node)))
  const isNode = (path: string) => path.includes('/node-linux-') || path.includes('/.cache')
  const options = { recursive: true, verbatimSymlinks: true, dereference: false } as const
  cpSync(packages, join(context, 'a'), { ...options, filter: (path) => !isNode(path) })
  cpSync(join(packages, node), join(context, 'b'), options)
  mkdirSync(join(context, 'c'))
  for (let i = 0; i < 180; i++)
    writeFileSync(join(context, 'c', `${i}.bin`), randomFillSync(Buffer.alloc(1 << 20)))
  for (let i = 0; i < 24; i++)
    for (const source of ['src', 'docs', 'tests'])
      cpSync(join(root, source), join(context, 'd', `${i}`, source), options)
  writeFileSync(
    join(context, 'Dockerfile'),
    'FROM scratch\nCOPY a /a\nCOPY b /b\nCOPY c /c\nCOPY d /d\nCMD ["/none"]\n',
  )
  return context
}

async function registry(name: string, port: number): Promise<AsyncDisposable> {
  const storage = join(folder, name)
  const program = await dockerRegistry()
  const config = `version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: ${storage} }, delete: { enabled: true } }
http: { addr: "127.0.0.1:${port}" }
`
  writeFileSync(`${storage}.yml`, config)
  const own = ['registry', 'serve', `--listen=127.0.0.1:${port}`, `--storage=${storage}`, '--log-level=error']
  const child: ChildProcess =
    program === undefined
      ? spawn(join(root, 'bin/gantry'), own, { stdio: 'ignore' })
      : spawn(program, ['serve', `${storage}.yml`], { stdio: 'ignore' })
  for (let tries = 0; ; tries++) {
    if (child.exitCode !== null || tries > 200) throw new Error('the registry did not start')
    const answered = await fetch(`http://127.0.0.1:${port}/v2/`).then(
      (response) => response.ok,
      () => false,
    )
    if (answered) break
    await sleep(50)
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      if (child.exitCode === null) await once(child, 'exit')
      rmSync(storage, { recursive: true, force: true })
    },
  }
}

async function docker(): Promise<Contestant | undefined> {
  try {
    const platform = await execute('docker', ['version', '--format', '{{.Server.Platform.Name}}'])
    if (/gantry/i.test(platform)) throw new Error('DOCKER_HOST leads to Gantry')
    const pids = (await execute('pidof', ['dockerd'])).trim().split(' ')
    if (pids.length !== 1) throw new Error('there is not just one dockerd')
    return { name: 'docker', pid: Number(pids[0]), run: (...args) => execute('docker', args) }
  } catch (error) {
    console.error(`without docker: ${error instanceof Error ? error.message.split('\n')[0] : String(error)}`)
    return undefined
  }
}

function memory(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? Number.NaN) / 1024
}

/** Seconds, with what has ended below it. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  // utime, stime, cutime and cstime, in hundredths (proc(5)).
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / 100
}

async function measure(contestant: Contestant, into: Measured, work: () => Promise<unknown>): Promise<void> {
  const { pid } = contestant
  // The peak begins anew (proc(5), clear_refs).
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  const before = { memory: memory(pid, 'VmRSS'), cpu: processorTime(pid), time: performance.now() }
  await work()
  into.ms.push(performance.now() - before.time)
  into.cpu.push(processorTime(pid) - before.cpu)
  into.growth.push(memory(pid, 'VmHWM') - before.memory)
}

const empty = (): Measured => ({ ms: [], cpu: [], growth: [] })

/** By turns; who is first changes. */
async function contest(
  all: readonly Contestant[],
  work: (contestant: Contestant, into: Measured) => Promise<void>,
): Promise<Map<string, Measured>> {
  const results = new Map(all.map(({ name }) => [name, empty()]))
  for (let round = 0; round < rounds; round++)
    for (const contestant of round % 2 === 0 ? all : all.toReversed())
      await work(contestant, results.get(contestant.name) ?? empty())
  return results
}

function report(works: readonly { work: string; results: Map<string, Measured> }[]): void {
  const rows = works.flatMap(({ work, results }) => {
    const docker = results.get('docker')
    return [...results].map(([name, { ms, cpu, growth }]) => [
      `${work}, ${name}`,
      `${(median(ms) / 1000).toFixed(1)} s`,
      docker ? (median(ms) / median(docker.ms)).toFixed(2) : '–',
      `${median(cpu).toFixed(1)} s`,
      docker ? (median(cpu) / median(docker.cpu)).toFixed(2) : '–',
      `${Math.max(...growth).toFixed(0)} MiB`,
    ])
  })
  console.log(table(['work', 'time', 'of docker', 'CPU', 'of docker', 'memory'], rows))
}

const source = `127.0.0.1:${ports.source}/bench/transfer:1`
const target = `127.0.0.1:${ports.target}/bench/transfer:1`
const daemon = new Daemon()
try {
  await using cleanup = new AsyncDisposableStack()
  await daemon.start()
  cleanup.defer(async () => void (await daemon.stop()))
  const env = { GANTRY_HOST: `unix://${daemon.socket}` }
  const gantry: Contestant = {
    name: 'gantry',
    pid: daemon.pid,
    run: (...args) => execute(join(root, 'bin/gantry'), args, { env }),
  }
  const peer = await docker()
  const all = peer ? [gantry, peer] : [gantry]
  cleanup.use(await registry('source', ports.source))
  const archive = join(folder, 'image.tar')
  await gantry.run('build', '-q', '-t', source, makeContext())
  await gantry.run('push', '-q', source)
  await gantry.run('save', '-o', archive, source)
  await gantry.run('rmi', '-f', source)
  await gantry.run('builder', 'prune', '-af')

  const pull = await contest(all, async (contestant, into) => {
    await sleep(settleMs)
    await measure(contestant, into, () => contestant.run('pull', '-q', source))
    await contestant.run('rmi', '-f', source)
  })
  for (const contestant of all) {
    await contestant.run('load', '-q', '-i', archive)
    await contestant.run('tag', source, target)
    cleanup.defer(async () => void (await contestant.run('rmi', '-f', source, target)))
  }
  const push = await contest(all, async (contestant, into) => {
    // Nothing is there yet, so that every layer is compressed and sent.
    await using _registry = await registry('target', ports.target)
    await measure(contestant, into, () => contestant.run('push', '-q', target))
  })
  report([
    { work: 'pull', results: pull },
    { work: 'push', results: push },
  ])
} finally {
  daemon.dispose()
  rmSync(folder, { recursive: true, force: true })
}
