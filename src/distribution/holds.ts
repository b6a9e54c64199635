/** Longer than any collection takes. */
const collectionMs = 24 * 3_600_000
/** After so many holds those of long ago are forgotten, also where no collection ever runs. */
const forgetEvery = 10_000

/**
 * What pushes in flight count on. A push looks whether a blob is here, and minutes later names it in a manifest: until then no
 * record refers to it, and only this memory keeps the collector away. Whoever looks, holds first:
 *
 *     await holds.hold(digest)   // from here on no collection removes it, and none is in the middle of doing so
 *     const found = await storage.stat(op, key)
 *
 * A hold needs no end: it lasts for the grace period after the last `hold()`. Repositories are held by their names while bytes come
 * for them: a push may take longer than the grace period. In memory alone; a server that starts holds everything for one grace
 * period, since nobody knows what the one before it has promised.
 */
export class Holds {
  readonly graceMs: number
  readonly #startedAt: number
  readonly #touched = new Map<string, number>()
  readonly #removals = new Map<string, Promise<void>>()
  readonly #now: () => number
  #sinceForgotten = 0

  constructor(o: { graceMs: number; now?: () => number }) {
    this.graceMs = o.graceMs
    this.#now = o.now ?? Date.now
    this.#startedAt = this.#now()
  }

  /** Of a blob, or of a manifest. What the caller finds after this, stays; what it does not find, it has to upload. */
  async hold(...digests: readonly string[]): Promise<void> {
    const now = this.#now()
    for (const digest of digests) this.#touched.set(digest, now)
    this.#sinceForgotten += digests.length
    if (this.#sinceForgotten > forgetEvery) this.forget(now - collectionMs)
    const removals = digests.flatMap((digest) => this.#removals.get(digest) ?? [])
    if (removals.length > 0) await Promise.all(removals)
  }

  /** A collection that has begun at `begun` counts on what was held at any time since one grace period, or `ms`, before. */
  isHeld(digest: string, begun: number, ms: number = this.graceMs): boolean {
    return (this.#touched.get(digest) ?? this.#startedAt) >= begun - ms
  }

  /** Runs `remove` unless the digest is held, and then false. Whoever holds it meanwhile waits for the end, however that is. */
  async removeUnlessHeld(digest: string, begun: number, remove: () => Promise<void>): Promise<boolean> {
    for (let other; (other = this.#removals.get(digest)) !== undefined;) await other
    if (this.isHeld(digest, begun)) return false
    const removal = remove()
    const ended = removal.then(
      () => undefined,
      () => undefined,
    )
    this.#removals.set(digest, ended)
    try {
      await removal
    } finally {
      if (this.#removals.get(digest) === ended) this.#removals.delete(digest)
    }
    return true
  }

  /** At the start of a collection: what was last held longer ago than the grace period. */
  forget(begun: number): void {
    this.#sinceForgotten = 0
    for (const [digest, at] of this.#touched) if (at < begun - this.graceMs) this.#touched.delete(digest)
  }
}
