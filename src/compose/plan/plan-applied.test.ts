import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededChoice } from '../../lib/seeded-random.ts'
import { apply } from '../apply/apply.ts'
import { Limit } from '../limit.ts'
import { observe } from '../observe.ts'
import { ModelEngine } from './model-engine.ts'
import { isConverged, plan } from './plan.ts'
import { load } from './testing.ts'

type Choose = (below: number) => number

const some = (choose: Choose, ...all: string[]) => all.filter(() => choose(2) === 0)

/** A project of up to five services; later ones may depend on earlier ones and share with them. */
function randomProject(choose: Choose) {
  const services: Record<string, object> = {}
  const networks = { front: { labels: { v: `${choose(3)}` } }, back: { internal: choose(4) === 0 } }
  const volumes = { data: { labels: { v: `${choose(3)}` } }, more: {} }
  for (const index of Array(5).keys()) {
    if (choose(6) === 0) continue
    const earlier = Object.keys(services)
    // Nothing shares with a service that may have no container.
    const host = earlier.filter((name) => name < 's3')[choose(earlier.length * 3 + 1)]
    services[`s${index}`] = {
      image: 'i',
      environment: { V: `${choose(2)}` },
      volumes: some(choose, 'data:/data', 'more:/more'),
      depends_on: Object.fromEntries(
        some(choose, ...earlier).map((name) => [
          name,
          { condition: 'service_started', restart: choose(2) === 0 },
        ]),
      ),
      ...(host === undefined
        ? { networks: some(choose, 'front', 'back') }
        : { network_mode: `service:${host}` }),
      scale: index < 3 ? 1 : choose(4),
    }
  }
  return { services, networks, volumes }
}

/** What somebody does by hand between two ups. */
function meddle(engine: ModelEngine, choose: Choose): void {
  for (const [id, container] of engine.containers) {
    if (choose(8) === 0) container.running = false
    if (choose(12) === 0) engine.containers.delete(id)
  }
}

/** Names of containers with what became of them. */
function fates(before: ReadonlyMap<string, { name: string; starts: number }>, engine: ModelEngine): string[] {
  const was = new Map(Array.from(before, ([id, { name, starts }]) => [name, { id, starts }]))
  const is = new Map(Array.from(engine.containers.values(), (each) => [each.name, each]))
  return [...new Set([...was.keys(), ...is.keys()])].toSorted().map((name) => {
    const [old, now] = [was.get(name), is.get(name)]
    if (!old) return `${name} create`
    if (!now) return `${name} remove`
    if (old.id !== now.id) return `${name} recreate`
    return `${name} ${old.starts === now.starts ? 'keep' : 'start'}`
  })
}

async function upAtRandom(seed: number): Promise<void> {
  const choose = seededChoice(seed)
  const engine = new ModelEngine()
  for (let round = 0; round < 6; round++) {
    const { services, ...more } = randomProject(choose)
    if (Object.keys(services).length === 0) continue
    const project = load(services, more)
    meddle(engine, choose)
    const images = new Map(Array.from(project.services.keys(), (name) => [name, `sha256:${choose(8) >> 2}1`]))
    const options = { images, removeOrphans: choose(2) === 0 }
    const planned = async () => {
      const observed = await observe(engine.client, project.name)
      return { observed, todo: plan(project, observed, options) }
    }
    const { observed, todo } = await planned()
    const before = new Map(Array.from(engine.containers, ([id, each]) => [id, { ...each }]))
    const work = { client: engine.client, report: () => {}, limit: new Limit(0) }
    await apply(work, todo, { project, observed, images, inherit: false })
    const steps = [...todo.services.values()]
      .flat()
      .map(({ kind, name }) => `${name} ${kind === 'restart' ? 'start' : kind}`)
    // One that was to stop has stopped, and stays.
    const removed = new Set(
      todo.displaced.filter(({ kind }) => kind === 'remove').map(({ container }) => container),
    )
    const orphans = todo.orphans.map(
      (each) => `${each.name} ${todo.removeOrphans || removed.has(each) ? 'remove' : 'keep'}`,
    )
    for (const { container, kind } of todo.displaced)
      if (kind === 'stop') assert.equal(engine.containers.get(container.id)?.running, false)
    assert.deepEqual(fates(before, engine), [...steps, ...orphans].toSorted(), `round ${round}`)
    const again = await planned()
    assert.ok(
      isConverged(again.todo),
      `round ${round}: ${JSON.stringify([...again.todo.services.values()].flat().map(({ name, kind, reason }) => ({ name, kind, reason })))}`,
    )
  }
}

test('an up does what the plan says, and leaves nothing to do', async () => {
  for (let seed = 1; seed <= 40; seed++)
    await upAtRandom(seed).catch((error: unknown) => {
      throw new Error(`seed ${seed}`, { cause: error })
    })
})
