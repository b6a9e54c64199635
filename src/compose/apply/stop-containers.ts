/** Stops and removes containers, with what a service wants done before. */
import { DaemonError } from '../../client/index.ts'
import type { Project } from '../model/project-model.ts'
import type { ObservedContainer } from '../observe.ts'
import { reported } from '../report.ts'
import { runHooks } from './hooks.ts'
import type { Work } from './work.ts'

type Target = Pick<ObservedContainer, 'id' | 'name' | 'service' | 'state'>

const ended: readonly string[] = ['created', 'exited', 'dead', 'removing']

export async function stopContainer(work: Work, target: Target, project?: Project): Promise<void> {
  const id = `Container ${target.name}`
  await reported(work.report, { id, working: 'Stopping', done: 'Stopped' }, () =>
    work.limit.run(async () => {
      if (ended.includes(target.state)) return
      const hooks = project?.services.get(target.service)?.pre_stop ?? []
      if (target.state === 'running') await runHooks(work, { container: target, hooks, when: 'pre_stop' })
      await gone(work.client.containers.stop(target.id, { timeout: work.timeout }))
    }),
  )
}

export async function restartContainer(work: Work, { id, name }: Pick<Target, 'id' | 'name'>): Promise<void> {
  await reported(work.report, { id: `Container ${name}`, working: 'Restarting', done: 'Started' }, () =>
    work.limit.run(() => work.client.containers.restart(id, { timeout: work.timeout })),
  )
}

export interface RemoveOptions {
  /** Anonymous volumes, too. */
  readonly volumes?: boolean
  readonly project?: Project | undefined
}

export async function stopAndRemove(work: Work, target: Target, o: RemoveOptions = {}): Promise<void> {
  await stopContainer(work, target, o.project)
  await removeContainer(work, target, o)
}

export async function removeContainer(work: Work, target: Target, o: RemoveOptions = {}): Promise<void> {
  const id = `Container ${target.name}`
  await reported(work.report, { id, working: 'Removing', done: 'Removed' }, () =>
    work.limit.run(() =>
      gone(work.client.containers.remove(target.id, { force: true, volumes: o.volumes ?? false })),
    ),
  )
}

/** Somebody else was quicker: what was wanted is so. */
export async function gone<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call
  } catch (error) {
    if (!(error instanceof DaemonError) || (error.status !== 404 && !isBeingRemoved(error))) throw error
    return undefined
  }
}

function isBeingRemoved({ status, message }: DaemonError): boolean {
  return status === 409 && /removal of container .* is already in progress/i.test(message)
}
