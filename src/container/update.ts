import { attempt } from '../lib/attempt.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import { detached, type Op } from '../lib/op.ts'
import { checkHostConfig } from '../runtime/index.ts'
import type { HostConfig, ResourceUpdate } from '../wire/container.ts'
import type { Container } from './container.ts'
import { emit, save, type Host } from './host.ts'
import { checkRestartPolicy } from './restart-policy.ts'
import { applyRestartPolicy } from './save-end.ts'
import { isLive } from './state.ts'

/**
 * Changes limits and the restart policy, at once where the container runs. Docker: zero means that nothing is said of a limit.
 * The kernel comes first: what it refuses is not recorded.
 */
export async function update(op: Op, host: Host, c: Container, change: ResourceUpdate): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  try {
    if (c.state.status === 'removing')
      throw new EngineError('conflict', 'container is marked for removal and cannot be "update"')
    const hostConfig = merged(c.hostConfig, change)
    checkHostConfig(hostConfig)
    const limits = Object.keys(change).some((key) => key !== 'RestartPolicy')
    if (limits) await apply(op, host, c, hostConfig)
    save(host, c, { hostConfig })
    applyRestartPolicy(host, c)
  } catch (error) {
    // Docker: what was asked wrongly is said as at create.
    if (!(error instanceof EngineError) || error.kind === 'invalid') throw error
    throw new EngineError(error.kind, `Cannot update container ${c.id}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  emit(host, c, { action: 'update' })
}

/** What the runtime could not do as a whole is undone as a whole. */
async function apply(op: Op, host: Host, c: Container, hostConfig: HostConfig): Promise<void> {
  const at = { live: isLive(c.state), bundle: c.bundle }
  try {
    await host.runtime.update(op, c.id, { ...at, hostConfig })
  } catch (error) {
    const before = { ...at, hostConfig: c.hostConfig }
    await attempt(op, 'restore its limits', () => host.runtime.update(detached(op, 10_000), c.id, before))
    throw error
  }
}

/** Docker's rules for limits that exclude each other, and its texts. */
export function merged(now: HostConfig, change: ResourceUpdate): HostConfig {
  const conflict = (text: string) => new EngineError('conflict', `Conflicting options: ${text}`)
  if (change.NanoCpus && now.CpuPeriod)
    throw conflict('Nano CPUs cannot be updated as CPU Period has already been set')
  if (change.NanoCpus && now.CpuQuota)
    throw conflict('Nano CPUs cannot be updated as CPU Quota has already been set')
  if (change.CpuPeriod && now.NanoCpus)
    throw conflict('CPU Period cannot be updated as NanoCPUs has already been set')
  if (change.CpuQuota && now.NanoCpus)
    throw conflict('CPU Quota cannot be updated as NanoCPUs has already been set')
  const swap = now.MemorySwap ?? 0
  if (change.Memory && !change.MemorySwap && swap > 0 && change.Memory > swap)
    throw new EngineError(
      'conflict',
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    )
  const { RestartPolicy, ...limits } = change
  if (RestartPolicy?.Name && RestartPolicy.Name !== 'no' && now.AutoRemove)
    throw new EngineError(
      'conflict',
      'Restart policy cannot be updated because AutoRemove is enabled for the container',
    )
  checkRestartPolicy(RestartPolicy)
  return { ...now, ...limits, ...(RestartPolicy?.Name && { RestartPolicy }) }
}
