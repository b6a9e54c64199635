import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { attempt } from '../lib/attempt.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Container } from './container.ts'
import { emit, type Host } from './host.ts'
import { releaseMounts } from './mount-setup.ts'
import { reasonOf } from './reason-of.ts'
import { saveEnd } from './save-end.ts'
import { isLive, type Ended } from './state.ts'

/** What conmon or the kernel says about a process that is gone. */
export interface Exit {
  readonly exitCode: number
  readonly oomKilled: boolean
  readonly finishedAt: Date
  /** Nobody saw it: the exit code is docker's for that. */
  readonly unseen?: boolean
}

/**
 * Records the end of the container's process and gives back what it held: runtime state, cgroup, namespace, ports,
 * root mount. Idempotent: an end that is already recorded changes nothing. Returns what the container is then.
 */
export async function recordEnd(
  op: Op,
  host: Host,
  c: Container,
  exit: Exit,
): Promise<'exited' | 'restarting' | 'known'> {
  using _lock = await c.lock.acquire()
  if (!isLive(c.state)) return 'known'
  const ended: Ended = {
    exitCode: exit.exitCode,
    oomKilled: exit.oomKilled,
    startedAt: c.state.startedAt,
    finishedAt: exit.finishedAt.toISOString(),
    reason: reasonOf(op, host, c, { ...exit, startedAt: c.state.startedAt }),
  }
  if (exit.oomKilled) emit(host, c, { action: 'oom' })
  await release(op, host, c)
  await endLogs(c)
  const status = saveEnd(host, c, ended)
  // Only now: should the daemon die in between, or the disk be full, conmon's note still has the exit code.
  host.runtime.forgetExit(c.id)
  // Docker: who hears of it and asks finds a container that is over (compose takes another for one that restarts).
  emit(host, c, {
    action: 'die',
    attributes: {
      exitCode: String(exit.exitCode),
      ...(ended.reason && { reason: ended.reason.Text }),
      execDuration: String(Math.round((exit.finishedAt.getTime() - Date.parse(ended.startedAt)) / 1000)),
    },
  })
  c.exits.publish(ended)
  return status
}

/** Longer than that nobody waits for a reader who takes his time. */
const sendingMs = 100

/** Docker: logs that are followed end before the event of the end; compose calls them off when it hears that. */
async function endLogs(c: Container): Promise<void> {
  const { followed } = c
  c.endOutput()
  if (followed.size === 0) return
  const sent = Array.from(followed, (log) => once(log, 'close').catch(() => undefined))
  await Promise.race([Promise.all(sent), delay(sendingMs, undefined, { ref: false })])
}

/** Gives back all that a running container holds, but the note of its exit. Idempotent; also clears up after a daemon that was killed. */
export async function release(op: Op, host: Host, c: Container): Promise<void> {
  const undo = detached(op, 30_000)
  await Promise.all([
    attempt(op, 'delete the container in the runtime', () => host.runtime.delete(undo, c.id)),
    attempt(op, 'leave its network', () => host.networks.leave(undo, c.id)),
  ])
  await attempt(op, 'release its mounts', () => releaseMounts(undo, host, c))
  await attempt(op, 'unmount its root', () => host.snapshots.unmount(undo, c.id))
  await attempt(op, 'remove its bundle', () => rm(c.bundle, { recursive: true, force: true }))
}
