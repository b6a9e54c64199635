/** Ten services with networks, volumes and dependencies: up, and down again. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Engine } from './engines.ts'
import type { Scenario } from './scenarios.ts'

const services = 10

/** Each ends when it is asked to: how long a deaf one is waited for is another matter. */
const command = ['sh', '-c', "trap 'exit 0' TERM; while :; do sleep 1000 & wait $$!; done"]

/** A third of the services depends on the first, the rest on the one before them. */
function project(image: string): object {
  const one = (index: number) => ({
    image,
    command,
    networks: index % 2 === 0 ? ['front', 'back'] : ['back'],
    volumes: [`data${index % 4}:/data`],
    ...(index > 0 && { depends_on: [`s${index % 3 === 0 ? 0 : index - 1}`] }),
  })
  return {
    services: Object.fromEntries(Array.from({ length: services }, (_, index) => [`s${index}`, one(index)])),
    networks: { front: {}, back: {} },
    volumes: { data0: {}, data1: {}, data2: {}, data3: {} },
  }
}

export function composeScenarios(
  context: string,
  { image, prefix }: { image: string; prefix: string },
): Scenario[] {
  const folder = join(context, 'compose')
  const file = join(folder, 'compose.json')
  const write = async (): Promise<void> => {
    mkdirSync(folder, { recursive: true })
    writeFileSync(file, JSON.stringify(project(image)))
    return Promise.resolve()
  }
  const compose = async (engine: Engine, ...args: string[]) =>
    void (await engine.run(['compose', '-f', file, '-p', `${prefix}-compose`, ...args]))
  const up = (engine: Engine) => compose(engine, 'up', '-d')
  const down = (engine: Engine) => compose(engine, 'down', '-v')
  /** Podman leaves Compose to others; docker has it where its plugin is. */
  const suits = async (engine: Engine) =>
    engine.name !== 'podman' &&
    (await engine.run(['compose', 'version']).then(
      () => true,
      () => false,
    ))
  return [
    { name: 'compose up -d, 10 services', rounds: 5, suits, before: write, work: up, teardown: down },
    {
      name: 'compose up -d again, 10 services',
      rounds: 5,
      suits,
      before: async (engine) => write().then(() => up(engine)),
      work: up,
      after: down,
    },
    { name: 'compose down -v, 10 services', rounds: 5, suits, before: write, setup: up, work: down },
  ]
}
