import { standbyLabel } from '../wire/container.ts'
import type { Container } from './container.ts'
import type { Host } from './host.ts'
import { isUp } from './state.ts'

/**
 * A container with this label stands by while the one that it names runs: it starts without publishing ports, and nobody finds it
 * by the names that it shares. Then it takes both over (`handOver()`). Once the other one is gone it starts as any container.
 * One that is about to be restarted runs in a moment: it counts.
 */
export function isOnStandby(host: Host, c: Container): boolean {
  const id = c.config.Labels?.[standbyLabel]
  if (id === undefined || id === c.id) return false
  const other = host.all().find((candidate) => candidate.id === id)
  return other !== undefined && isUp(other.state)
}
