import { buildScenarios } from './builds.ts'
import { composeScenarios } from './compose.ts'
import type { Engine } from './engines.ts'

/** One thing that people wait for. Only `work` is measured; all of it runs once per engine and round, in turn. */
export interface Scenario {
  readonly name: string
  readonly rounds: number
  /** Engines that cannot do it are left out. */
  suits?(engine: Engine): Promise<boolean>
  before?(engine: Engine): Promise<void>
  setup?(engine: Engine, round: number): Promise<void>
  work(engine: Engine, round: number): Promise<void>
  teardown?(engine: Engine, round: number): Promise<void>
  after?(engine: Engine): Promise<void>
}

export const prefix = 'gantry-bench'
export const image = `${prefix}-busybox`
const names = Array.from({ length: 30 }, (_, i) => `${prefix}-${i}`)
const start = (engine: Engine, name: string, ...flags: string[]) =>
  engine.run(['run', '-d', '--name', name, ...flags, image, 'sleep', '1000'])
/** Podman would give each container ten seconds to end by itself; the others kill at once. */
const remove = (engine: Engine, ...these: string[]) =>
  engine.run(['rm', '-f', ...(engine.name === 'podman' ? ['-t', '0'] : []), ...these])

const many = Array.from({ length: 200 }, (_, i) => `${prefix}-many-${i}`)
/** Ten at a time. */
async function startMany(engine: Engine): Promise<void> {
  for (let i = 0; i < many.length; i += 10)
    await Promise.all(many.slice(i, i + 10).map((name) => start(engine, name)))
}

/** Puts the base image into the engine under a name of ours. */
export async function importImage(engine: Engine, tar: Buffer): Promise<void> {
  await engine.run(['import', '-', image], { input: tar })
}

export async function removeImage(engine: Engine): Promise<void> {
  await engine.run(['rmi', '-f', image])
}

const zeros = ['head', '-c', '500000000', '/dev/zero']
/** Output as fast as a container makes it, to a client whose output goes nowhere. */
const flood = (name: string, flags: readonly string[], command: readonly string[]): Scenario => ({
  name,
  rounds: 3,
  work: async (engine) =>
    void (await engine.run(['run', '--rm', ...flags, image, ...command], { discard: true })),
})

export function scenarios(context: string): Scenario[] {
  return [
    {
      name: 'run --rm, bridge',
      rounds: 15,
      work: async (engine) => void (await engine.run(['run', '--rm', image, 'true'])),
    },
    {
      name: 'run --rm, --network none',
      rounds: 15,
      work: async (engine) => void (await engine.run(['run', '--rm', '--network', 'none', image, 'true'])),
    },
    {
      name: 'exec',
      rounds: 15,
      before: async (engine) => void (await start(engine, `${prefix}-exec`)),
      work: async (engine) => void (await engine.run(['exec', `${prefix}-exec`, 'true'])),
      after: async (engine) => void (await remove(engine, `${prefix}-exec`)),
    },
    {
      name: 'ps -a, 30 containers',
      rounds: 15,
      before: async (engine) => {
        for (const name of names) await engine.run(['create', '--name', name, image, 'true'])
      },
      work: async (engine) => void (await engine.run(['ps', '-a'])),
      after: async (engine) => void (await remove(engine, ...names)),
    },
    {
      name: '30 x run -d at once',
      rounds: 3,
      work: async (engine) => void (await Promise.all(names.map((name) => start(engine, name)))),
      teardown: async (engine) => void (await remove(engine, ...names)),
    },
    {
      name: 'rm -f of 30',
      rounds: 3,
      setup: async (engine) => void (await Promise.all(names.map((name) => start(engine, name)))),
      work: async (engine) => void (await remove(engine, ...names)),
    },
    {
      name: 'run -d, nothing running',
      rounds: 15,
      work: async (engine) => void (await start(engine, `${prefix}-one`)),
      teardown: async (engine) => void (await remove(engine, `${prefix}-one`)),
    },
    {
      name: 'run -d, 200 running',
      rounds: 15,
      before: startMany,
      work: async (engine) => void (await start(engine, `${prefix}-one`)),
      teardown: async (engine) => void (await remove(engine, `${prefix}-one`)),
      after: async (engine) => void (await remove(engine, ...many)),
    },
    {
      name: 'ps, 200 running',
      rounds: 15,
      before: startMany,
      work: async (engine) => void (await engine.run(['ps'])),
      after: async (engine) => void (await remove(engine, ...many)),
    },
    ...buildScenarios(context, prefix),
    ...composeScenarios(context, { image, prefix }),
    {
      name: 'logs, 100,000 lines',
      rounds: 5,
      before: async (engine) => {
        await engine.run(['run', '-d', '--name', `${prefix}-logs`, image, 'seq', '100000'])
        await engine.run(['wait', `${prefix}-logs`])
      },
      work: async (engine) => void (await engine.run(['logs', `${prefix}-logs`], { discard: true })),
      after: async (engine) => void (await remove(engine, `${prefix}-logs`)),
    },
    flood('attached stdout, 500 MB', ['--log-driver', 'none'], zeros),
    flood('attached stdout, 500 MB, logged', [], zeros),
    flood('attached lines, 1,000,000, logged', [], ['sh', '-c', `yes ${'y'.repeat(79)} | head -n 1000000`]),
  ]
}
