import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import { tagKey, tagsPrefix } from './layout.ts'
import { checkTag } from './names.ts'
import { readRecord, tagRecord, writeRecord, type TagRecord } from './records.ts'
import type { Storage } from './storage.ts'

/** Tags of one repository. */
export class Tags {
  readonly #repository: string
  readonly #storage: Storage

  constructor(o: { repository: string; storage: Storage }) {
    this.#repository = o.repository
    this.#storage = o.storage
  }

  /** Undefined when there is no such tag; throws TAG_INVALID. */
  get(op: Op, tag: string): Promise<TagRecord | undefined> {
    return readRecord(op, this.#storage, { key: tagKey(this.#repository, checkTag(tag)), schema: tagRecord })
  }

  /** In order. */
  list(op: Op, after?: string): AsyncIterable<string> {
    return this.#storage.children(op, tagsPrefix(this.#repository), after)
  }

  /** Durable when it resolves. The manifest has to be there, under the lock of its digest. */
  async set(op: Op, tag: string, digest: Digest): Promise<void> {
    const value: TagRecord = { digest, updatedAt: new Date().toISOString() }
    await writeRecord(op, this.#storage, { key: tagKey(this.#repository, checkTag(tag)), value })
  }

  /** The manifest stays. Throws MANIFEST_UNKNOWN. */
  async remove(op: Op, tag: string): Promise<void> {
    if (!(await this.get(op, tag)))
      throw new DistributionError(
        'MANIFEST_UNKNOWN',
        `no tag ${JSON.stringify(tag)} in ${this.#repository}`,
        {
          tag,
        },
      )
    await this.#storage.remove(op, tagKey(this.#repository, tag))
  }
}
