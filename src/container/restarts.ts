import { isAbort } from '../lib/errors.ts'
import { Semaphore } from '../lib/semaphore.ts'
import type { Container } from './container.ts'
import { save, type Host } from './host.ts'
import { restartsAtBoot, restartWait } from './restart-policy.ts'
import { endOf } from './state.ts'

/** After a boot many are due at once: each start is some processes' work. */
const startsAtOnce = 4

/** Starts the containers in the state `restarting`, each after its wait. What calls a restart off need only change that state. */
export class Restarts {
  readonly #host: Host
  /** Starts a container by its policy; does nothing when it is not restarting any more. */
  readonly #start: (c: Container) => Promise<void>
  readonly #slots = new Semaphore(startsAtOnce)
  readonly #timers = new Map<Container, NodeJS.Timeout>()
  readonly #waits = new WeakMap<Container, number>()
  readonly #running = new Set<Promise<void>>()
  readonly #closing = new AbortController()

  constructor(host: Host, start: (c: Container) => Promise<void>) {
    this.#host = host
    this.#start = start
  }

  schedule(c: Container): void {
    const end = endOf(c.state)
    if (end?.status !== 'restarting' || this.#closing.signal.aborted) return
    const ranFor = Date.parse(end.finishedAt) - Date.parse(end.startedAt)
    const wait = restartWait(this.#waits.get(c) ?? 0, { ranFor })
    this.#waits.set(c, wait)
    clearTimeout(this.#timers.get(c))
    this.#timers.set(c, setTimeout(() => this.#run(c), wait).unref())
  }

  /** Docker: after a start by the user the waits begin anew. */
  forget(c: Container): void {
    this.#waits.delete(c)
  }

  /** When the daemon comes up: those that were about to restart, and those whose policy outlasts it. */
  resume(containers: readonly Container[]): void {
    for (const c of containers) {
      const end = endOf(c.state)
      if (!end) continue
      const { restartCount, stoppedByUser } = c.record
      const facts = { exitCode: end.exitCode, restartCount, stoppedByUser }
      if (end.status === 'exited' && restartsAtBoot(c.hostConfig.RestartPolicy, facts))
        save(this.#host, c, { state: { ...end, status: 'restarting' } })
      this.schedule(c)
    }
  }

  /** Starts no more, and waits for those under way. Who is restarting stays so, for the next daemon. */
  async close(): Promise<void> {
    this.#closing.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    await Promise.all(this.#running)
  }

  #run(c: Container): void {
    this.#timers.delete(c)
    const work = this.#startInTurn(c).catch((error: unknown) => {
      if (!isAbort(error)) this.#host.log.warn('restart policy: start failed', { id: c.id, error })
      // By its policy it is tried again: what it lacked (a port, a volume) may come.
      this.schedule(c)
    })
    this.#running.add(work)
    void work.then(() => this.#running.delete(work))
  }

  async #startInTurn(c: Container): Promise<void> {
    using _slot = await this.#slots.acquire(this.#closing.signal)
    await this.#start(c)
  }
}
