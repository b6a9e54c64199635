import { EngineError } from '../lib/errors.ts'
import type { HostConfig } from '../wire/container.ts'
import { resolveCapabilities } from './capabilities.ts'
import { hostFacts, type HostFacts } from './host-facts.ts'
import { blockIoWeightOf, cpuOf, memoryOf } from './resources.ts'

/**
 * Throws kind `invalid` for limits and capabilities that no container can have on this host. Docker refuses them when a
 * container is created; what is found out at its start alone leaves a container behind that can never run.
 */
export function checkHostConfig(h: HostConfig, facts: HostFacts = hostFacts()): void {
  memoryOf(h, facts)
  cpuOf(h, facts)
  blockIoWeightOf(h)
  oomScoreAdjOf(h)
  capabilitiesOf(h, facts)
}

export function oomScoreAdjOf({ OomScoreAdj: value = 0 }: HostConfig): number {
  if (value < -1000 || value > 1000)
    throw new EngineError('invalid', `Invalid value ${value}, range for oom score adj is [-1000, 1000]`)
  return value
}

export function capabilitiesOf(h: HostConfig, facts: HostFacts): string[] {
  return resolveCapabilities({
    add: h.CapAdd ?? [],
    drop: h.CapDrop ?? [],
    privileged: h.Privileged === true,
    available: facts.capabilities,
  })
}
