import type { EndReason } from '../wire/container.ts'
import { EngineError } from '../lib/errors.ts'

/** How a container's process ended. Times are ISO 8601 in UTC. */
export interface Ended {
  readonly exitCode: number
  readonly oomKilled: boolean
  readonly startedAt: string
  readonly finishedAt: string
  readonly reason?: EndReason
}

/** Where a container is in its life: the one truth; the API's flags are computed from it. */
export type State =
  /** Never ran. A start that failed leaves its reason and docker's exit code (125–127). */
  | {
      readonly status: 'created'
      readonly error?: string
      readonly exitCode?: number
      readonly reason?: EndReason
    }
  /** `pidStartTime` (clock ticks since boot) tells the process from a later one with the same pid. */
  | {
      readonly status: 'running' | 'paused'
      readonly pid: number
      readonly pidStartTime: number
      readonly startedAt: string
    }
  /** `restarting`: it has ended, and the restart policy starts it again in a moment. */
  | ({ readonly status: 'exited' | 'restarting'; readonly error?: string } & Ended)
  | { readonly status: 'removing' }

const next: Record<State['status'], readonly State['status'][]> = {
  created: ['created', 'running', 'removing'],
  running: ['paused', 'restarting', 'exited'],
  paused: ['running', 'restarting', 'exited'],
  restarting: ['running', 'restarting', 'exited'],
  exited: ['running', 'restarting', 'exited', 'removing'],
  removing: [],
}

/** Guards every change of state; throws kind `conflict`. */
export function assertCan(from: State, to: State['status']): void {
  if (!next[from.status].includes(to))
    throw new EngineError('conflict', `Container is ${from.status}: it cannot become ${to}`)
}

/** Docker's "running": it has processes, or will have some again in a moment. */
export function isUp(state: State): boolean {
  return isLive(state) || state.status === 'restarting'
}

/** How the process ended, once it has. */
export function endOf(state: State): Extract<State, Ended> | undefined {
  return state.status === 'exited' || state.status === 'restarting' ? state : undefined
}

/** True while the container has processes. */
export function isLive(state: State): state is Extract<State, { pid: number }> {
  return state.status === 'running' || state.status === 'paused'
}
