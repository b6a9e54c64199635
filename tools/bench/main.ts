/**
 * `npm run bench [-- --only TEXT] [--rounds N] [--json FILE]`: times what people wait for, against `docker` (a real
 * dockerd by DOCKER_HOST or its usual place) and `podman` where they are. The engines take turns within each round,
 * so that a busy moment of the machine hits all alike. Prints medians and ratios; then what networks cost by themselves.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { messageOf } from '../../src/lib/errors.ts'
import { busyboxTar, root } from '../../tests/system/harness.ts'
import { engines, type Engine } from './engines.ts'
import { makeContexts } from './builds.ts'
import { image, importImage, removeImage, scenarios, type Scenario } from './scenarios.ts'
import { median, table } from './table.ts'

const { values } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'string' } },
})
if (process.getuid?.() !== 0) {
  console.error('The benchmark runs containers: run it as root.')
  process.exit(1)
}

/** Milliseconds of each round, by engine. */
type Times = Record<string, number[]>

async function measure(scenario: Scenario, candidates: readonly Engine[]): Promise<Times> {
  const suited = await Promise.all(candidates.map(async (engine) => (await scenario.suits?.(engine)) ?? true))
  const all = candidates.filter((_, index) => suited[index])
  const times: Times = Object.fromEntries(all.map((engine) => [engine.name, []]))
  // What is there is taken away again, also when something fails half-way: the peers are other people's daemons.
  await using undo = new AsyncDisposableStack()
  for (const engine of all) {
    undo.defer(async () => scenario.after?.(engine))
    await scenario.before?.(engine)
  }
  const rounds = Number(values.rounds ?? scenario.rounds)
  // Round 0 warms up and is not counted.
  for (let round = 0; round <= rounds; round++)
    // Who goes first changes, so that nobody always runs in the other's wake.
    for (const engine of round % 2 === 0 ? all : all.toReversed()) {
      await using turn = new AsyncDisposableStack()
      turn.defer(async () => scenario.teardown?.(engine, round))
      await scenario.setup?.(engine, round)
      const started = performance.now()
      await scenario.work(engine, round)
      if (round > 0) times[engine.name]?.push(performance.now() - started)
    }
  return times
}

const isChosen = (name: string): boolean => name.includes(values.only ?? '')

async function benchEngines(context: string, chosen: readonly Scenario[]): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const all: Engine[] = []
  const tar = await busyboxTar()
  for (const engine of await engines((text) => console.error(text))) {
    stack.use(engine)
    await importImage(engine, tar)
    stack.defer(() => removeImage(engine))
    try {
      // One that answers may still be unable to run anything on this host.
      await engine.run(['run', '--rm', image, 'true'])
      all.push(engine)
    } catch (error) {
      if (engine.name === 'gantry') throw error
      console.error(`without ${engine.name}: ${messageOf(error).split('\n')[0]}`)
    }
  }
  if (chosen.some((scenario) => scenario.name.startsWith('build'))) makeContexts(context, image)

  const results: { scenario: string; times: Times }[] = []
  for (const scenario of chosen) {
    process.stderr.write(`${scenario.name} …\n`)
    results.push({ scenario: scenario.name, times: await measure(scenario, all) })
  }

  const peers = all.slice(1).map((engine) => engine.name)
  const rows = results.map(({ scenario, times }) => {
    const own = median(times['gantry'] ?? [])
    const others = peers.map((name) => median(times[name] ?? []))
    return [
      scenario,
      `${own.toFixed(0)} ms`,
      // An engine that cannot do it has no times.
      ...others.map((ms) => (Number.isNaN(ms) ? '–' : `${ms.toFixed(0)} ms`)),
      ...others.map((ms) => (Number.isNaN(ms) ? '–' : (own / ms).toFixed(2))),
    ]
  })
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Linux ${release()}`
  console.log(`${machine}; ${all.map((engine) => `${engine.name} ${engine.version}`).join(', ')}; medians\n`)
  console.log(table(['work', 'gantry', ...peers, ...peers.map((name) => `of ${name}`)], rows))

  const file = values.json ?? join(root, '.cache/bench.json')
  mkdirSync(dirname(file), { recursive: true })
  const versions = Object.fromEntries(all.map((engine) => [engine.name, engine.version]))
  writeFileSync(
    file,
    `${JSON.stringify({ at: new Date().toISOString(), machine, versions, results }, undefined, 2)}\n`,
  )
  console.log(`\nall times: ${file}`)
}

/** Programs of their own beside this one: they measure inside the engine, or what goes through a network. */
const parts = ['networks', 'dns', 'ports', 'registry', 'transfer']

async function benchPart(name: string): Promise<void> {
  console.log(`\n${name}\n`)
  const program = join(import.meta.dirname, `${name}.ts`)
  const [code] = (await once(spawn(process.execPath, [program], { stdio: 'inherit' }), 'exit')) as [
    number | null,
  ]
  if (code !== 0) process.exitCode = 1
}

const context = mkdtempSync('/tmp/gantry-bench-')
try {
  const chosen = scenarios(context).filter((scenario) => isChosen(scenario.name))
  if (chosen.length > 0) await benchEngines(context, chosen)
} finally {
  rmSync(context, { recursive: true, force: true })
}
for (const part of parts.filter(isChosen)) await benchPart(part)
