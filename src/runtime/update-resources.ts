import type { HostConfig } from '../wire/container.ts'
import type { HostFacts } from './host-facts.ts'
import type { OciResources } from './oci-spec.ts'
import { ociResources } from './resources.ts'

/** The most processes that Linux can have (PID_MAX_LIMIT): as good as no limit, for which crun's update knows no figure. */
const allPids = 4_194_304

/**
 * What the runtime is told of a running container's limits: all but its devices. A limit of processes that has been lifted is
 * said too, which a new container has no need of. Throws as ociResources.
 */
export function updatedResources(h: HostConfig, facts: HostFacts): Partial<OciResources> {
  const { devices: _devices, ...limits } = ociResources(h, facts, [])
  return { ...limits, ...(limits.pids === undefined && h.PidsLimit === 0 && { pids: { limit: allPids } }) }
}
