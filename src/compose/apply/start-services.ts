/** Starts services along their dependencies: each as soon as its conditions are met, all else at once. */
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import { reported } from '../report.ts'
import { alongGraph, type ServiceGraph } from '../service-graph.ts'
import type { Dependency } from '../labels.ts'
import { waitFor, type Condition } from './conditions.ts'
import { runHooks } from './hooks.ts'
import { refusedAt } from './refused-at.ts'
import type { Work } from './work.ts'

export interface Startable {
  readonly id: string
  readonly name: string
  readonly running: boolean
}

interface StartOptions {
  readonly services: ReadonlyMap<string, readonly Startable[]>
  /** Absent: nobody has the files, and so no hooks. */
  readonly project?: Project | undefined
  /** Until all run, or are healthy. */
  readonly wait?: boolean
}

export async function startServices(work: Work, graph: ServiceGraph, o: StartOptions): Promise<void> {
  const waits = new Map<string, Promise<void>>()
  // Several may wait for one: it is looked at, and told of, once.
  const once = (key: string, wait: () => Promise<void>) => {
    const known = waits.get(key)
    if (known) return known
    const begun = wait()
    waits.set(key, begun)
    return begun
  }
  const ready = (service: string, condition: Condition) =>
    once(`${condition} ${service}`, async () => {
      const { client, report, signal } = work
      const containers = o.services.get(service) ?? []
      await Promise.all(containers.map((each) => waitFor(each, { client, report, signal, condition })))
    })
  await alongGraph(graph, async (name) => {
    const containers = (o.services.get(name) ?? []).filter(({ running }) => !running)
    if (containers.length > 0)
      await Promise.all(
        Array.from(graph.get(name) ?? [], async ([other, dependency]) => {
          if (graph.has(other)) await dependencyReady(work, { name: other, dependency, ready })
        }),
      )
    work.signal?.throwIfAborted()
    const hooks = o.project?.services.get(name)?.post_start ?? []
    try {
      await Promise.all(containers.map((container) => startContainer(work, { container, hooks })))
    } catch (error) {
      throw refusedAt(o.project, name, error)
    }
  })
  if (o.wait)
    await Promise.all(
      [...o.services.keys()].map((name) => ready(name, isOneShot(graph, name) ? 'completed' : 'running')),
    )
}

/** Docker: what somebody waits for until it has done its work is not expected to run. */
function isOneShot(graph: ServiceGraph, service: string): boolean {
  return [...graph.values()].some(
    (dependencies) => dependencies.get(service)?.condition === 'service_completed_successfully',
  )
}

function startContainer(
  work: Work,
  { container, hooks }: { container: Startable; hooks: Service['post_start'] },
): Promise<void> {
  const id = `Container ${container.name}`
  return reported(work.report, { id, working: 'Starting', done: 'Started' }, () =>
    work.limit.run(async () => {
      await work.client.containers.start(container.id)
      await runHooks(work, { container, hooks, when: 'post_start' })
    }),
  )
}

/** Waits for what one service wants of another; one that it can do without may fail. */
export async function dependencyReady(
  { report }: Work,
  o: {
    readonly name: string
    readonly dependency: Dependency
    readonly ready: (service: string, condition: Condition) => Promise<void>
  },
): Promise<void> {
  const { condition, required } = o.dependency
  if (condition === 'service_started') return
  try {
    await o.ready(o.name, condition === 'service_healthy' ? 'healthy' : 'completed')
  } catch (error) {
    if (required)
      throw new EngineError('conflict', `dependency failed to start: ${messageOf(error)}`, { cause: error })
    report({
      id: `Service ${o.name}`,
      status: 'warning',
      text: 'Skipped',
      details: `optional dependency "${o.name}" failed to start: ${messageOf(error)}`,
    })
  }
}
