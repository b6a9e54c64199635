import { setTimeout as delay } from 'node:timers/promises'
import { isAbort } from '../lib/errors.ts'
import { background, type Op } from '../lib/op.ts'
import { Semaphore } from '../lib/semaphore.ts'
import type { Container } from './container.ts'
import {
  healthAfter,
  healthCheckOf,
  pauseBefore,
  type Health,
  type HealthCheck,
  type ProbeResult,
} from './health.ts'
import { killLeftProbe, startProbe } from './health-probe.ts'
import { emit, save, type Host } from './host.ts'

/** Starting a process in a container is the work of a probe: no more than these at once, whatever the number of containers. */
const startsAtOnce = 4

/** Runs the health checks of all running containers, each in its own time: one that hangs delays no other. */
export class HealthChecks {
  readonly #host: Host
  readonly #starts = new Semaphore(startsAtOnce)
  readonly #followed = new Map<Container, AbortController>()

  constructor(host: Host) {
    this.#host = host
  }

  /** Begins with a container that has just started or goes on. It is left by itself when the container ends. */
  follow(c: Container): void {
    this.#begin(c, 0)
  }

  /**
   * Goes on with a container that ran when the daemon came. What an earlier daemon was about is ended, and the first look is
   * sometime within an interval: all at once would be as many processes as there are containers.
   */
  async resume(op: Op, c: Container): Promise<void> {
    const check = healthCheckOf(c.config)
    if (!check || c.state.status !== 'running') return
    await killLeftProbe(op, this.#host, c)
    this.#begin(c, Math.random())
  }

  /** For a container that is paused: a probe would stand still with it. One under way is called off. */
  leave(c: Container): void {
    this.#followed.get(c)?.abort()
    this.#followed.delete(c)
  }

  /** Calls off what runs, and keeps what was found last. */
  close(): void {
    for (const c of this.#followed.keys()) {
      this.leave(c)
      save(this.#host, c, {})
    }
  }

  #begin(c: Container, spent: number): void {
    const check = healthCheckOf(c.config)
    if (!check || c.state.status !== 'running') return
    this.leave(c)
    const calledOff = new AbortController()
    this.#followed.set(c, calledOff)
    const signal = AbortSignal.any([calledOff.signal, c.ended])
    void this.#watch(background(this.#host.log, signal), c, { check, spent })
      .catch((error: unknown) => {
        if (!isAbort(error)) this.#host.log.error('health checks stopped', { id: c.id, error })
      })
      .finally(() => {
        if (this.#followed.get(c) === calledOff) this.#followed.delete(c)
      })
  }

  async #watch(op: Op, c: Container, o: { check: HealthCheck; spent: number }): Promise<void> {
    const { state } = c
    if (state.status !== 'running') return
    const { startedAt } = state
    let spent = o.spent
    for (;;) {
      const { health } = c.record
      if (!health) return
      const wait = pauseBefore(health, { check: o.check, startedAt, now: Date.now() })
      // A timer holds no more than 24 days.
      const pause = Math.min(wait * (1 - spent), 2 ** 31 - 1)
      await delay(pause, undefined, { signal: op.signal, ref: false })
      spent = 0
      const probe = await this.#start(op, c, o.check)
      const result = await probe.result
      op.signal.throwIfAborted()
      this.#note(c, result, { check: o.check, startedAt })
      // One that hangs in the kernel after its time-out is not joined by more.
      await probe.gone
    }
  }

  async #start(op: Op, c: Container, check: HealthCheck) {
    using _slot = await this.#starts.acquire(op.signal)
    return startProbe(op, this.#host, c, check)
  }

  /** A disk that is full is no reason to look no more: memory has what was found, and the next change is written again. */
  #save(c: Container, health: Health): void {
    try {
      save(this.#host, c, { health })
    } catch (error) {
      this.#host.log.warn('cannot write down the health of a container', { id: c.id, error })
      c.replace({ ...c.record, health })
    }
  }

  #note(c: Container, result: ProbeResult, o: { check: HealthCheck; startedAt: string }): void {
    const before = c.record.health
    if (!before) return
    const health = healthAfter(before, result, o)
    const isNews = health.status !== before.status || health.failingStreak !== before.failingStreak
    // One more success among many is not worth a write to the disk.
    if (isNews) this.#save(c, health)
    else c.replace({ ...c.record, health })
    if (health.status !== before.status) emit(this.#host, c, { action: `health_status: ${health.status}` })
  }
}
