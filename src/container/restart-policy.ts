/** When docker starts a container again by itself. Pure: `restarts.ts` does it. */
import { EngineError } from '../lib/errors.ts'
import type { RestartPolicy } from '../wire/container.ts'

/** Docker's back-off: the first wait, doubled with each restart up to the longest, and anew once it ran this long. Milliseconds. */
const firstWait = 100
const longestWait = 60_000
const ranWell = 10_000

export interface EndFacts {
  readonly exitCode: number
  /** Restarts that the policy has done since the user started it. */
  readonly restartCount: number
  /** By `stop`, `kill` or `rm`; the daemon's own shutdown is none. */
  readonly stoppedByUser: boolean
}

/** After an end that the daemon saw or found out. */
export function restartsAfterEnd(policy: RestartPolicy | undefined, end: EndFacts): boolean {
  if (end.stoppedByUser) return false
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true
    case 'on-failure':
      return end.exitCode !== 0 && hasTriesLeft(policy, end)
    case 'no':
    case '':
    case undefined:
      return false
  }
}

/** When the daemon comes up. Docker: `always` means also what the user had stopped. */
export function restartsAtBoot(policy: RestartPolicy | undefined, end: EndFacts): boolean {
  return policy?.Name === 'always' || restartsAfterEnd(policy, end)
}

/** Milliseconds to wait before the next start. `before` is the last wait, 0 for none. */
export function restartWait(before: number, o: { ranFor: number }): number {
  return before === 0 || o.ranFor >= ranWell ? firstWait : Math.min(before * 2, longestWait)
}

/** Throws kind `invalid` in docker's words. */
export function checkRestartPolicy(policy: RestartPolicy | undefined): void {
  const retries = policy?.MaximumRetryCount ?? 0
  const invalid = (text: string) => new EngineError('invalid', `invalid restart policy: ${text}`)
  switch (policy?.Name) {
    case 'no':
    case 'always':
    case 'unless-stopped':
      if (retries !== 0)
        throw invalid(
          `maximum retry count can only be used with 'on-failure'${retries < 0 ? ' and cannot be negative' : ''}`,
        )
      return
    case 'on-failure':
      if (retries < 0) throw invalid('maximum retry count cannot be negative')
      return
    case '':
    case undefined:
      return
    default:
      throw invalid(
        `unknown policy '${String(policy?.Name)}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'`,
      )
  }
}

function hasTriesLeft(policy: RestartPolicy, end: EndFacts): boolean {
  const most = policy.MaximumRetryCount ?? 0
  return most === 0 || end.restartCount < most
}
