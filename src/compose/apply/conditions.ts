/** Waits until what a service depends on is as far as `depends_on` wants it. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Client } from '../../client/index.ts'
import { EngineError, messageOf } from '../../lib/errors.ts'
import { visible } from '../../lib/visible.ts'
import type { ContainerState } from '../../wire/container.ts'
import type { Report } from '../report.ts'

export interface Waited {
  readonly id: string
  readonly name: string
}

/** `running`: up for half a second, or healthy where there is a health check (`up --wait`). */
export type Condition = 'healthy' | 'completed' | 'running'

interface WaitOptions {
  readonly client: Client
  readonly report: Report
  readonly condition: Condition
  readonly signal?: AbortSignal | undefined
}

/** Between two looks at a container: quick at first, since many are ready at once. */
const firstPause = 20
const longestPause = 250
/** Docker: what has no health check is looked at that late: what fails at its start has ended by then. */
const settling = 500
/** Of what a check says. */
const longestLine = 200

/** Throws kind `conflict` when the condition cannot be met any more. */
export async function waitFor(container: Waited, o: WaitOptions): Promise<void> {
  const id = `Container ${container.name}`
  o.report({ id, status: 'working', text: 'Waiting' })
  const began = Date.now()
  try {
    for (let pause = firstPause; ; pause = Math.min(longestPause, pause * 1.5)) {
      o.signal?.throwIfAborted()
      const { State } = await o.client.containers.inspect(container.id)
      if (isMet(container.name, State, o.condition) && hasSettled(State, o.condition, began)) break
      await sleep(pause, undefined, o.signal ? { signal: o.signal } : undefined)
    }
    o.report({ id, status: 'done', text: o.condition === 'completed' ? 'Exited' : 'Healthy' })
  } catch (failure) {
    // Why it was aborted says more than that it was.
    const error: unknown = o.signal?.aborted ? o.signal.reason : failure
    o.report({ id, status: 'error', text: 'Error', details: messageOf(error) })
    throw error
  }
}

/** Of what ran before there is nothing to wait for, if the clocks of both sides agree. */
function hasSettled(state: ContainerState, condition: Condition, began: number): boolean {
  if (condition !== 'running' || healthOf(state) !== undefined) return true
  return Date.now() - Math.min(began, Date.parse(state.StartedAt) || began) >= settling
}

function healthOf({ Health }: ContainerState): string | undefined {
  const status: string = Health?.Status ?? ''
  return status === 'none' || status === '' ? undefined : status
}

/** What the check said is why one waits in vain; docker compose leaves it to `docker inspect`. */
function lastFailure({ Health }: ContainerState): string {
  const last = Health?.Log?.findLast(({ ExitCode }) => ExitCode !== 0)
  if (!last) return ''
  const line = visible(last.Output.trim().split('\n').at(-1) ?? '')
  const said = line.length > longestLine ? `${line.slice(0, longestLine)}…` : line
  const ended = last.ExitCode === -1 ? 'its last check failed' : `its last check exited with ${last.ExitCode}`
  return said === '' ? `: ${ended}` : `: ${ended}: ${said}`
}

function isMet(name: string, state: ContainerState, condition: Condition): boolean {
  const over = state.Status === 'exited' || state.Status === 'dead'
  if (condition === 'completed') {
    if (!over) return false
    if (state.ExitCode === 0) return true
    throw new EngineError(
      'conflict',
      `container ${name} didn't complete successfully: exit ${state.ExitCode}`,
    )
  }
  if (over) throw new EngineError('conflict', `container ${name} exited (${state.ExitCode})`)
  const health = healthOf(state)
  if (health === 'unhealthy')
    throw new EngineError('conflict', `container ${name} is unhealthy${lastFailure(state)}`)
  if (health !== undefined) return health === 'healthy'
  if (condition === 'healthy')
    throw new EngineError('conflict', `container ${name} has no healthcheck configured`)
  return state.Running
}
