/** At most `limit` holders at once, in the order in which they asked. */
export class Semaphore {
  #free: number
  readonly #waiters: (() => void)[] = []

  constructor(limit: number) {
    this.#free = limit
  }

  /** Rejects with the signal's reason when aborted first. Dispose the result to release. */
  async acquire(signal: AbortSignal): Promise<Disposable> {
    signal.throwIfAborted()
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

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(grant), 1)
        reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'))
      }
      const grant = () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiters.push(grant)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
