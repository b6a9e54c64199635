import { setTimeout as delay } from 'node:timers/promises'
import { isFrozen } from '../host/cgroup.ts'
import { handlesSignal, startTime } from '../host/proc.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { parseSignal, signalName } from '../lib/signals.ts'
import type { Container } from './container.ts'
import { endByKill, type EndRequest } from './end-request.ts'
import { cgroupOf, emit, save, type Host } from './host.ts'
import { saveEnd } from './save-end.ts'
import { assertCan, isLive } from './state.ts'

/** Docker's grace between the stop signal and SIGKILL. */
const defaultGraceSeconds = 10
/** How long a killed process may take to go: longer means that it hangs in the kernel. */
const killSeconds = 10

export interface StopOptions {
  /** Who wants it; the user unless told. */
  readonly by?: EndRequest['by']
  readonly signal?: string | undefined
  /** Seconds of grace; -1 waits for ever; absent takes the container's own or docker's ten. */
  readonly timeout?: number | undefined
}

/**
 * Sends the stop signal, waits, kills. A PID 1 that has no handler for the signal never sees it (the kernel drops
 * it): waiting would be in vain, so it is killed at once unless a grace was asked for.
 */
export async function stop(op: Op, host: Host, c: Container, o: StopOptions): Promise<void> {
  const { by = 'user' } = o
  const signal = parseSignal(o.signal || c.config.StopSignal || 'SIGTERM')
  if (await callOffRestart(op, host, c, { by, signal })) return emit(host, c, { action: 'stop' })
  // Docker: 304 when it does not run
  if (!isLive(c.state)) throw new EngineError('not-modified', 'Container already stopped')
  const asked = o.timeout ?? c.config.StopTimeout
  const over = ended(c, op.signal)
  // With the host's pids it is no PID 1: there the kernel delivers every signal.
  const first = !c.hostConfig.PidMode
  const deaf = asked === undefined && first && !handlesSignal(c.state.pid, signal)
  if (deaf)
    op.log.info('stop: the process does not handle the signal, killing it at once', {
      id: c.id,
      signal: signalName(signal),
    })
  const grace = deaf ? 0 : (asked ?? defaultGraceSeconds)
  save(host, c, { endRequest: { by, signal, ...(deaf && { forced: { because: 'deaf' } }) } })
  // Docker: without any grace, too, the signal that was asked for is the first one sent.
  if (!deaf) {
    emitKill(host, c, signal)
    await sendSignal(op, host, c, signal)
    if (grace < 0) await over
    else await Promise.race([over, delay(grace * 1000, undefined, { ref: false })])
  }
  if (isLive(c.state)) {
    if (!deaf) save(host, c, { endRequest: { by, signal, forced: { because: 'timeout', grace } } })
    emitKill(host, c, 9)
    await sendSignal(op, host, c, 9)
    await withDeadline(c, over)
  }
  emit(host, c, { action: 'stop' })
}

/** Sends any signal; SIGKILL also ends a paused container. Throws kind `conflict` when nothing runs. */
export async function kill(
  op: Op,
  host: Host,
  c: Container,
  o: { signal: string; by?: EndRequest['by'] },
): Promise<void> {
  const signal = parseSignal(o.signal || 'SIGKILL')
  const { by = 'user' } = o
  if (await callOffRestart(op, host, c, { by, signal })) return
  if (!isLive(c.state))
    throw new EngineError('conflict', `cannot kill container: ${c.name}: container ${c.id} is not running`)
  const over = ended(c, op.signal)
  const stopSignal = parseSignal(c.config.StopSignal || 'SIGTERM')
  const endRequest = endByKill(signal, { by, stopSignal, now: Date.now() })
  if (endRequest) save(host, c, { endRequest })
  emitKill(host, c, signal)
  await sendSignal(op, host, c, signal)
  // Docker: a kill by SIGKILL answers when the container is gone.
  if (signal === 9) await withDeadline(c, over)
}

/** A container that is between two lives of its restart policy has no process to end: it is over. False when it is not. */
async function callOffRestart(op: Op, host: Host, c: Container, request: EndRequest): Promise<boolean> {
  if (c.state.status !== 'restarting') return false
  using _lock = await c.lock.acquire(op.signal)
  const { state } = c
  // It was being started while we waited for the lock.
  if (state.status !== 'restarting') return false
  save(host, c, { endRequest: request })
  saveEnd(host, c, state)
  c.exits.publish(state)
  return true
}

function emitKill(host: Host, c: Container, signal: number): void {
  emit(host, c, { action: 'kill', attributes: { signal: String(signal) } })
}

async function withDeadline(c: Container, over: Promise<void>): Promise<void> {
  const timeout = new AbortController()
  const late = delay(killSeconds * 1000, 'late', { signal: timeout.signal }).catch(() => undefined)
  const result = await Promise.race([over, late])
  timeout.abort()
  if (result === 'late')
    throw new EngineError(
      'internal',
      `Cannot stop container ${c.name}: its process did not go within ${killSeconds} s of SIGKILL; it hangs in the kernel`,
    )
}

/** Resolves when the running process has ended and its resources are given back. */
export function ended(c: Container, signal: AbortSignal): Promise<void> {
  if (!isLive(c.state)) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const exit = c.exits.listen(() => {
      exit[Symbol.dispose]()
      resolve()
    })
    signal.addEventListener(
      'abort',
      () => {
        exit[Symbol.dispose]()
        reject(abortReason(signal))
      },
      { once: true },
    )
  })
}

/** To the container's first process, never to a stranger who got its pid. Already gone is no error. */
async function sendSignal(op: Op, host: Host, c: Container, signal: number): Promise<void> {
  const { state } = c
  if (!isLive(state)) return
  if (startTime(state.pid) !== state.pidStartTime) return
  try {
    process.kill(state.pid, signal)
  } catch (error) {
    if (!hasCode(error, 'ESRCH')) throw error
  }
  // A frozen process takes its SIGKILL only when it thaws (cgroup v1), whoever froze it.
  if (signal === 9 && (state.status === 'paused' || isFrozen(cgroupOf(host, c))))
    await host.runtime.resume(op, c.id)
}

export async function pause(op: Op, host: Host, c: Container): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  const { state } = c
  if (state.status === 'paused') throw new EngineError('conflict', `Container ${c.id} is already paused`)
  if (state.status === 'restarting')
    throw new EngineError('conflict', `Container ${c.id} is restarting, wait until the container is running`)
  if (state.status !== 'running') throw new EngineError('conflict', `Container ${c.id} is not running`)
  assertCan(state, 'paused')
  await host.runtime.pause(op, c.id)
  save(host, c, { state: { ...state, status: 'paused' } })
  emit(host, c, { action: 'pause' })
}

export async function unpause(op: Op, host: Host, c: Container): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  const { state } = c
  if (state.status !== 'paused') throw new EngineError('conflict', `Container ${c.id} is not paused`)
  assertCan(state, 'running')
  await host.runtime.resume(op, c.id)
  save(host, c, { state: { ...state, status: 'running' } })
  emit(host, c, { action: 'unpause' })
}
