import { Semaphore } from './semaphore.ts'

/** A fair mutual exclusion lock: waiters get it in the order in which they asked. */
export class Lock extends Semaphore {
  constructor() {
    super(1)
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
