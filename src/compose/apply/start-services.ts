/** Starts services along their dependencies: each as soon as its conditions are met, all else at once. */
import { EngineError, messageOf } from '../../lib/errors.ts'
import { scaleOf } from '../desired/names.ts'
import type { Project } from '../model/project-model.ts'
import { reported } from '../report.ts'
import { alongGraph, graphOfServices } from '../service-graph.ts'
import type { Dependency } from '../labels.ts'
import { waitFor, type Condition } from './conditions.ts'
import { runHooks } from './hooks.ts'
import type { Work } from './work.ts'

export interface Startable {
  readonly id: string
  readonly name: string
  readonly running: boolean
}

interface StartOptions {
  readonly services: ReadonlyMap<string, readonly Startable[]>
  /** Until all run, or are healthy. */
  readonly wait?: boolean
}

export async function startServices(work: Work, project: Project, o: StartOptions): Promise<void> {
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
  await alongGraph(graphOfServices(project.services), async (name) => {
    const service = project.services.get(name)
    if (!service) return
    const containers = (o.services.get(name) ?? []).filter(({ running }) => !running)
    if (containers.length > 0)
      await Promise.all(
        Array.from(service.depends_on, async ([other, { condition, required, restart }]) => {
          const dependency = { condition, restart, required: required ?? true }
          const there = project.services.get(other)
          // Docker: what is scaled to nothing is not waited for.
          if (there && scaleOf(there) > 0) await dependencyReady(work, { name: other, dependency, ready })
        }),
      )
    work.signal?.throwIfAborted()
    await Promise.all(
      containers.map((container) =>
        reported(
          work.report,
          { id: `Container ${container.name}`, working: 'Starting', done: 'Started' },
          () =>
            work.limit.run(async () => {
              await work.client.containers.start(container.id)
              await runHooks(work, { container, hooks: service.post_start, when: 'post_start' })
            }),
        ),
      ),
    )
  })
  if (o.wait) await Promise.all([...o.services.keys()].map((name) => ready(name, 'running')))
}

async function dependencyReady(
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
