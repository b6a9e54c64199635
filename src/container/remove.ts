import { rm } from 'node:fs/promises'
import { EngineError } from '../lib/errors.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Container } from './container.ts'
import { emit, save, type Host } from './host.ts'
import { releaseMounts } from './mount-setup.ts'
import { assertCan, isUp } from './state.ts'
import { kill } from './stop.ts'

export interface RemoveOptions {
  /** Kill it first when it runs. */
  readonly force: boolean
  /** Its anonymous volumes go too. */
  readonly volumes: boolean
}

/** After this nothing of the container is left, but its named volumes. The record goes last: a crash is resumed at boot. */
export async function remove(op: Op, host: Host, c: Container, o: RemoveOptions): Promise<void> {
  if (isUp(c.state)) {
    if (!o.force) {
      const why =
        c.state.status === 'paused'
          ? 'container is paused and must be unpaused first'
          : `container is ${c.state.status}: stop the container before removing or force remove`
      throw new EngineError('conflict', `cannot remove container "/${c.name}": ${why}`)
    }
    await kill(op, host, c, { signal: 'SIGKILL' })
  }
  using _lock = await c.lock.acquire(op.signal)
  if (c.state.status === 'removing')
    throw new EngineError('conflict', `removal of container ${c.name} is already in progress`)
  assertCan(c.state, 'removing')
  save(host, c, { state: { status: 'removing' } })
  await removeFiles(op, host, c, o)
}

/** The part that boot repeats for a container that was being removed when the daemon died. */
export async function removeFiles(op: Op, host: Host, c: Container, o: { volumes: boolean }): Promise<void> {
  const committed = detached(op, 60_000)
  await releaseMounts(committed, host, c)
  await Promise.all([
    host.snapshots.remove(committed, c.id),
    rm(c.directory, { recursive: true, force: true }),
    rm(c.bundle, { recursive: true, force: true }),
  ])
  host.runtime.forgetExit(c.id)
  host.table.delete(c.id)
  if (o.volumes)
    for (const mount of c.record.mounts)
      if (mount.anonymous && mount.volume !== undefined)
        await host.volumes
          .remove(committed, mount.volume, { force: true, except: c.id })
          .catch((error: unknown) => op.log.warn('anonymous volume not removed', { id: c.id, error }))
  emit(host, c, { action: 'destroy' })
}
