/** Fan-out of values to any number of listeners; a slow listener loses the oldest beyond `capacity`, never blocks. */
export class Broadcast<T> {
  readonly #listeners = new Set<(value: T) => void>()

  get size(): number {
    return this.#listeners.size
  }

  publish(value: T): void {
    for (const listener of this.#listeners) listener(value)
  }

  /** Calls back synchronously for each value until disposed. */
  listen(listener: (value: T) => void): Disposable {
    this.#listeners.add(listener)
    return { [Symbol.dispose]: () => void this.#listeners.delete(listener) }
  }

  /** Values from now on, until the signal aborts (ends without an error). Subscribed as soon as it is called. */
  subscribe(signal: AbortSignal, options: { capacity?: number } = {}): AsyncIterable<T> {
    const capacity = options.capacity ?? 4096
    const queue: T[] = []
    let wake: (() => void) | undefined
    const subscription = this.listen((value) => {
      queue.push(value)
      if (queue.length > capacity) queue.shift()
      wake?.()
    })
    signal.addEventListener('abort', () => (subscription[Symbol.dispose](), wake?.()), { once: true })
    if (signal.aborted) subscription[Symbol.dispose]()
    return (async function* () {
      try {
        for (;;) {
          for (let value = queue.shift(); value !== undefined; value = queue.shift()) yield value
          if (signal.aborted) return
          await new Promise<void>((resolve) => (wake = resolve))
        }
      } finally {
        subscription[Symbol.dispose]()
      }
    })()
  }
}
