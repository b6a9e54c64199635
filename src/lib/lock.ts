/** A fair mutual exclusion lock: waiters get it in the order in which they asked. */
export class Lock {
  #held = false
  readonly #waiters: (() => void)[] = []

  /** Waits for the lock; rejects with the signal's reason when aborted first. Dispose the result to release. */
  async acquire(signal?: AbortSignal): Promise<Disposable> {
    signal?.throwIfAborted()
    if (this.#held) await this.#wait(signal)
    this.#held = true
    let released = false
    return {
      [Symbol.dispose]: () => {
        if (released) return
        released = true
        const next = this.#waiters.shift()
        if (next) next()
        else this.#held = false
      },
    }
  }

  get idle(): boolean {
    return !this.#held && this.#waiters.length === 0
  }

  #wait(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(grant), 1)
        reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'))
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

/** One lock per key, kept only while somebody holds or waits for it. */
export class KeyedLock {
  readonly #locks = new Map<string, Lock>()

  async acquire(key: string, signal?: AbortSignal): Promise<Disposable> {
    let lock = this.#locks.get(key)
    if (!lock) this.#locks.set(key, (lock = new Lock()))
    const entry = lock
    const held = await entry.acquire(signal)
    return {
      [Symbol.dispose]: () => {
        held[Symbol.dispose]()
        if (entry.idle && this.#locks.get(key) === entry) this.#locks.delete(key)
      },
    }
  }
}
