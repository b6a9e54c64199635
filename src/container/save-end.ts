import type { Container } from './container.ts'
import { answered } from './end-request.ts'
import { healthAtEnd } from './health.ts'
import { save, type Host } from './host.ts'
import { restartsAfterEnd } from './restart-policy.ts'
import type { Ended } from './state.ts'

/** Writes down how it ended, and by its policy whether that is all. */
export function saveEnd(
  host: Host,
  c: Container,
  end: Ended & { readonly error?: string },
): 'exited' | 'restarting' {
  const request = answered(c.record.endRequest, Date.parse(end.finishedAt))
  const { restartCount, health } = c.record
  const facts = { exitCode: end.exitCode, restartCount, stoppedByUser: request?.by === 'user' }
  const again = request === undefined && restartsAfterEnd(c.hostConfig.RestartPolicy, facts)
  const status = again ? 'restarting' : 'exited'
  save(host, c, {
    state: { ...end, status },
    restartCount: again ? restartCount + 1 : restartCount,
    stoppedByUser: facts.stoppedByUser,
    endRequest: null,
    ...(health && { health: healthAtEnd(health) }),
  })
  return status
}

/** After a change of its policy: one that is restarting, and now shall not, is over. */
export function applyRestartPolicy(host: Host, c: Container): void {
  const { state } = c
  if (state.status !== 'restarting') return
  // The restart that is due has been counted.
  const facts = { exitCode: state.exitCode, restartCount: c.restartCount - 1, stoppedByUser: false }
  if (restartsAfterEnd(c.hostConfig.RestartPolicy, facts)) return
  save(host, c, { state: { ...state, status: 'exited' } })
  c.exits.publish(state)
}
