import { abortReason } from './op.ts'

/** At most `limit` holders at once, in the order in which they asked. */
export class Semaphore {
  readonly #limit: number
  #free: number
  readonly #waiters: (() => void)[] = []

  constructor(limit: number) {
    this.#limit = limit
    this.#free = limit
  }

  /** Nobody holds it, nobody waits. */
  get idle(): boolean {
    return this.#free === this.#limit && this.#waiters.length === 0
  }

  /** Rejects with the signal's reason when aborted first. Dispose the result to release. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    if (this.#free > 0) this.#free--
    else await this.#wait(signal)
    let held = true
    return {
      [Symbol.dispose]: () => {
        if (!held) return
        held = false
        const next = this.#waiters.shift()
        if (next) next()
        else this.#free++
      },
    }
  }

  #wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(grant), 1)
        reject(abortReason(signal))
      }
      const grant = () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiters.push(grant)
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}
