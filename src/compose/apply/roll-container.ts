/** Puts a new container in place of a running one while clients look on: started and healthy first, then the other one goes. */
import { setTimeout as sleep } from 'node:timers/promises'
import { DaemonError } from '../../client/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { standbyLabel, tookOverLabel } from '../../wire/container.ts'
import { referencesOf } from '../desired/references.ts'
import { label } from '../labels.ts'
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'
import type { ObservedContainer } from '../observe.ts'
import { waitFor } from './conditions.ts'
import { createQuietly, type CreateOptions, type Made } from './create-container.ts'
import { runHooks } from './hooks.ts'
import { gone, stopAndRemove } from './stop-containers.ts'
import type { Work } from './work.ts'

export interface RollOptions extends CreateOptions {
  readonly details: string
  /** Seconds that connections to the old container have to end by themselves. */
  readonly drain: number
}

/** Between two looks at the connections that are still there. Milliseconds. */
const pause = 100
/** One without a health check is taken for ready when it has run for so long. Milliseconds. */
const settling = 1000

/** Until the new one has taken over the old one goes on undisturbed; what fails before leaves it alone. */
export async function rollContainer(work: Work, replaced: ObservedContainer, o: RollOptions): Promise<Made> {
  const { client, report, signal } = work
  const temporary = `${replaced.id.slice(0, 12)}_${o.containerName}`
  const id = `Container ${replaced.name}`
  report({ id, status: 'working', text: 'Rolling', details: o.details })
  const labels = { ...o.labels, [label.replace]: replaced.name, [standbyLabel]: replaced.id }
  const made = await createQuietly(work, { ...o, containerName: temporary, labels })
  try {
    await client.containers.start(made.id)
    await runHooks(work, { container: made, hooks: o.service.post_start, when: 'post_start' })
    await ready(work, made)
    signal?.throwIfAborted()
    await client.containers.takeOver(made.id, replaced.id)
  } catch (error) {
    await gone(client.containers.remove(made.id, { force: true, volumes: false }))
    report({ id, status: 'error', text: 'Error', details: 'the old one goes on' })
    if (error instanceof DaemonError && error.status === 404)
      throw new EngineError(
        'conflict',
        `container ${temporary} or ${replaced.name} was removed meanwhile: is another up at work?`,
        { cause: error },
      )
    throw error
  }
  report({ id, status: 'working', text: 'Draining' })
  await drained(work, { id: replaced.id, seconds: o.drain })
  await stopAndRemove({ ...work, report: () => {} }, replaced, { project: o.project })
  await client.containers.rename(made.id, o.containerName)
  report({ id, status: 'done', text: 'Rolled', details: o.details })
  return { id: made.id, name: o.containerName }
}

/** Throws kind `unsupported` for what two containers cannot have at once. */
export function checkRolling(project: Project, name: string, service: Service): void {
  const refuse = (why: string) =>
    new EngineError('unsupported', `service "${name}" cannot be updated by --rolling: ${why}`)
  if (service.network_mode !== '') throw refuse(`its network mode is ${service.network_mode}`)
  for (const [key, settings] of service.networks)
    if (settings?.ipv4_address || settings?.ipv6_address || settings?.mac_address)
      throw refuse(`it has an address of its own on network ${key}`)
  if (service.mac_address !== '') throw refuse('it has a MAC address of its own')
  for (const [other, each] of project.services)
    if (referencesOf(each).includes(name)) throw refuse(`service "${other}" shares with its container`)
}

/** What stood by when it was looked at may serve by now, if another `up` is at work. Throws kind `conflict` then. */
export async function checkStandby({ client }: Work, container: ObservedContainer): Promise<void> {
  if (container.summary.Labels?.[standbyLabel] === undefined) return
  const found = await gone(client.containers.inspect(container.id))
  if (found?.Config.Labels?.[tookOverLabel] !== undefined)
    throw new EngineError(
      'conflict',
      `container ${container.name} has just taken over from another one: is another up --rolling at work?`,
    )
}

/** Healthy, or running for a while where nothing tells. */
async function ready({ client, signal }: Work, made: Made): Promise<void> {
  const wait = () => waitFor(made, { client, report: () => {}, signal, condition: 'running' })
  await wait()
  const { State } = await client.containers.inspect(made.id)
  if (State.Health === undefined) {
    await sleep(settling, undefined, signal ? { signal } : undefined)
    // It may have ended meanwhile.
    await wait()
  }
  // A restart policy keeps what fails at its start running, in a way.
  const { RestartCount } = await client.containers.inspect(made.id)
  if (RestartCount > 0)
    throw new EngineError('conflict', `container ${made.name} ended and was restarted ${times(RestartCount)}`)
}

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`)

async function drained({ client }: Work, o: { id: string; seconds: number }): Promise<void> {
  const deadline = Date.now() + o.seconds * 1000
  while (Date.now() < deadline && (await client.containers.connections(o.id)) > 0) await sleep(pause)
}
