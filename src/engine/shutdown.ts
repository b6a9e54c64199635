import type { Containers } from '../container/index.ts'
import * as cgroup from '../host/cgroup.ts'
import { hasCode } from '../lib/errors.ts'
import { detached, type Op } from '../lib/op.ts'

/** Each by its own stop rules, all within `timeout` seconds (negative: for as long as they take), then by SIGKILL. */
export async function stopContainers(op: Op, containers: Containers, timeout: number): Promise<void> {
  const deadline = timeout < 0 ? op.signal : AbortSignal.timeout(timeout * 1000)
  await Promise.all(
    containers.live().map(async (c) => {
      const graceful: Op = { ...op, signal: AbortSignal.any([op.signal, deadline]) }
      try {
        await containers.stop(graceful, c.id, { by: 'shutdown' }).catch((error: unknown) => {
          if (!deadline.aborted) throw error
          return containers.kill(detached(op, 15_000), c.id, { signal: 'SIGKILL', by: 'shutdown' })
        })
      } catch (error) {
        // It ended by itself meanwhile, or it hangs: the next daemon finds it.
        op.log.warn('shutdown: container not stopped', { id: c.id, error })
      }
    }),
  )
}

/** The parent of all containers' cgroups goes with the last of them; another daemon may still have some in it. */
export async function removeGroup(op: Op, path: string): Promise<void> {
  try {
    await cgroup.removeTree(path)
  } catch (error) {
    if (!hasCode(error, 'EBUSY', 'ENOTEMPTY')) throw error
    op.log.debug('cgroup parent stays: it is in use', { path })
  }
}
