import type { Op } from '../lib/op.ts'
import { wasFrozen } from './commit.ts'
import type { Container } from './container.ts'
import { afterBoot } from './end-request.ts'
import { recordEnd, release } from './end.ts'
import { save, type Host } from './host.ts'
import { removeFiles } from './remove.ts'
import { isLive } from './state.ts'
import { hasEnded, unseenEnd } from './unseen-ends.ts'

/**
 * At boot the kernel and conmon outrank the record: what ended meanwhile gets its exit code, what was half started
 * or half removed is cleared away, what runs goes on.
 */
export async function reconcile(
  op: Op,
  host: Host,
  c: Container,
): Promise<'unchanged' | 'ended' | 'removed'> {
  const { state } = c
  if (state.status === 'removing') {
    await release(op, host, c)
    await removeFiles(op, host, c, { volumes: false })
    return 'removed'
  }
  if (!isLive(state)) {
    // A start that the daemon did not live to record: the process, if any, was never started or nobody knows of it.
    if (await host.runtime.inspect(op, c.id)) await release(op, host, c)
    return 'unchanged'
  }
  const exit = host.runtime.exitOf(c.id, c.bundle)
  if (exit) {
    await recordEnd(op, host, c, exit)
    return 'ended'
  }
  if (hasEnded(c)) {
    op.log.warn('a container ended unseen', { id: c.id, name: c.name })
    await recordEnd(op, host, c, unseenEnd())
    return 'ended'
  }
  const { endRequest } = c.record
  if (endRequest) save(host, c, { endRequest: afterBoot(endRequest, Date.now()) })
  const actual = await host.runtime.inspect(op, c.id)
  const forgotten = await wasFrozen(c)
  if (actual?.status === 'paused' && state.status === 'running') {
    if (forgotten) await host.runtime.resume(op, c.id)
    else save(host, c, { state: { ...state, status: 'paused' } })
  }
  if (actual?.status === 'running' && state.status === 'paused')
    save(host, c, { state: { ...state, status: 'running' } })
  return 'unchanged'
}
