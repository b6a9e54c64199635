/** What work in progress needs and no record reaches yet: `layer:<diffId>`, `blob:<digest>`, `workspace:<id>`. */
export type LeaseKey = `layer:${string}` | `blob:${string}` | `workspace:${string}`

/** Keeps everything added to it from being collected until it is disposed. */
export interface Lease extends Disposable {
  add(key: LeaseKey): void
}

/**
 * Leases live in memory: the daemon is the only writer, so when it starts nothing is in progress and whatever on disk
 * no record reaches is garbage. Collectors ask `holds` synchronously, right before they take something away.
 */
export class Leases {
  readonly #held = new Map<string, number>()

  open(): Lease {
    const keys = new Set<LeaseKey>()
    let open = true
    return {
      add: (key) => {
        if (!open || keys.has(key)) return
        keys.add(key)
        this.#held.set(key, (this.#held.get(key) ?? 0) + 1)
      },
      [Symbol.dispose]: () => {
        open = false
        for (const key of keys) {
          const count = (this.#held.get(key) ?? 1) - 1
          if (count === 0) this.#held.delete(key)
          else this.#held.set(key, count)
        }
        keys.clear()
      },
    }
  }

  holds(key: LeaseKey): boolean {
    return this.#held.has(key)
  }
}
