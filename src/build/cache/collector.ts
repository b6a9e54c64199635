import { statfs } from 'node:fs/promises'
import { messageOf } from '../../lib/errors.ts'
import { Lock } from '../../lib/lock.ts'
import { background, type Op } from '../../lib/op.ts'
import type { Logger } from '../../lib/log.ts'
import type { CacheItem, CacheShelf } from './item.ts'
import { bytesToKeep, candidates, type CachePolicy } from './policy.ts'

export interface CollectorOptions {
  readonly log: Logger
  /** A directory on the file system whose free space counts. */
  readonly root: string
  readonly shelves: readonly CacheShelf[]
  /** Applied one after the other, in the background; none: only what people ask for goes. */
  readonly policies: readonly CachePolicy[]
  /** Takes away the layers that nothing holds any more. */
  collectLayers(op: Op): Promise<void>
}

export interface Collected {
  readonly ids: readonly string[]
  readonly bytes: number
}

const afterBuildMs = 2000
const intervalMs = 3600_000

/** What builds keep for later ones, and who throws it away again. */
export class CacheCollector {
  readonly #o: CollectorOptions
  readonly #lock = new Lock()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()

  constructor(o: CollectorOptions) {
    this.#o = o
    this.#schedule(intervalMs)
  }

  async items(op: Op): Promise<CacheItem[]> {
    return (await Promise.all(this.#o.shelves.map((shelf) => shelf.items(op)))).flat()
  }

  /** Removes what the policy lets go. Layers stay on the disk until `collectLayers`, which follows here. */
  async prune(op: Op, policy: CachePolicy): Promise<Collected> {
    using _lock = await this.#lock.acquire(op.signal)
    const gone = await this.#apply(op, policy, await this.items(op))
    await this.#o.collectLayers(op)
    return gone
  }

  /** A build has ended: the policies are applied soon, when no other one comes first. */
  buildEnded(): void {
    this.#schedule(afterBuildMs)
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#closing.abort()
    await this.#running
  }

  #schedule(ms: number): void {
    if (this.#o.policies.length === 0 || this.#closing.signal.aborted) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#running = this.#runPolicies().finally(() => this.#schedule(intervalMs))
    }, ms).unref()
  }

  async #runPolicies(): Promise<void> {
    const op = background(this.#o.log, this.#closing.signal)
    try {
      using _lock = await this.#lock.acquire(op.signal)
      let [bytes, count] = [0, 0]
      let items = await this.items(op)
      for (const policy of this.#o.policies) {
        const gone = await this.#apply(op, policy, items)
        if (gone.ids.length > 0) items = await this.items(op)
        bytes += gone.bytes
        count += gone.ids.length
      }
      if (count === 0) return
      await this.#o.collectLayers(op)
      op.log.info('build cache collected', { items: count, bytes })
    } catch (error) {
      if (!op.signal.aborted) op.log.warn('collecting the build cache failed', { error: messageOf(error) })
    }
  }

  async #apply(op: Op, policy: CachePolicy, items: readonly CacheItem[]): Promise<Collected> {
    const used = items.reduce((sum, item) => sum + (item.shared ? 0 : item.bytes), 0)
    const { bavail, bsize } = await statfs(this.#o.root)
    const keep = bytesToKeep(policy.limits, { used, free: bavail * bsize })
    const ids: string[] = []
    let bytes = 0
    if (keep === 'everything') return { ids, bytes }
    for (const item of candidates(items, policy, Date.now())) {
      if (keep !== 'nothing' && used - bytes <= keep) break
      op.signal.throwIfAborted()
      const freed = await this.#remove(op, item)
      if (freed === undefined) continue
      ids.push(item.id)
      bytes += freed
    }
    return { ids, bytes }
  }

  async #remove(op: Op, item: CacheItem): Promise<number | undefined> {
    for (const shelf of this.#o.shelves) {
      const freed = await shelf.remove(op, item.id)
      if (freed !== undefined) return freed
    }
    return undefined
  }
}
