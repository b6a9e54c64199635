import { z } from 'zod'
import type { Op } from '../lib/op.ts'
import { readObject } from './records.ts'
import type { Storage } from './storage.ts'

/** Digest to when it was last used, in seconds since 1970. */
const key = 'pull-through/used'
const record = z.record(z.string(), z.number())

/** When copies were last used. Kept in memory, and saved by whoever evicts: a killed process forgets some uses, no more. */
export class CacheUse {
  readonly #used = new Map<string, number>()
  #loaded = false

  touch(digest: string): void {
    this.#used.set(digest, Math.floor(Date.now() / 1000))
  }

  /** Milliseconds since 1970; undefined when it is not known. */
  lastUse(digest: string): number | undefined {
    const seconds = this.#used.get(digest)
    return seconds === undefined ? undefined : seconds * 1000
  }

  async load(op: Op, storage: Storage): Promise<void> {
    if (this.#loaded) return
    this.#loaded = true
    const data = await readObject(op, storage, key)
    if (!data) return
    let saved: z.infer<typeof record>
    try {
      saved = record.parse(JSON.parse(data.toString('utf8')))
    } catch (error) {
      op.log.warn('when copies of upstreams were last used is lost: it counts from when they came', { error })
      return
    }
    for (const [digest, seconds] of Object.entries(saved))
      if (seconds > (this.#used.get(digest) ?? 0)) this.#used.set(digest, seconds)
  }

  /** Forgets all but `digests`, which are here. */
  async save(op: Op, storage: Storage, digests: ReadonlySet<string>): Promise<void> {
    for (const digest of this.#used.keys()) if (!digests.has(digest)) this.#used.delete(digest)
    await storage.write(op, key, Buffer.from(JSON.stringify(Object.fromEntries(this.#used))))
  }
}
