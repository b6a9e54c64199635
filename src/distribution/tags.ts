import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import { tagKey, tagsPrefix } from './layout.ts'
import { checkTag, isTag } from './names.ts'
import { readRecord, tagRecord, writeRecord, type TagRecord } from './records.ts'
import type { Storage } from './storage.ts'

export interface TagsOptions {
  readonly repository: string
  readonly storage: Storage
}

/** Tags of one repository. */
export class Tags {
  readonly #repository: string
  readonly #storage: Storage

  constructor(o: TagsOptions) {
    this.#repository = o.repository
    this.#storage = o.storage
  }

  /** Undefined when there is no such tag, or it is none. */
  async get(op: Op, tag: string): Promise<TagRecord | undefined> {
    if (!isTag(tag)) return undefined
    return await readRecord(op, this.#storage, { key: tagKey(this.#repository, tag), schema: tagRecord })
  }

  /** In the order of the storage. */
  list(op: Op): AsyncIterable<string> {
    return this.#storage.children(op, tagsPrefix(this.#repository))
  }

  /** Those after `after`, be that there or not, "in lexical order (i.e. case-insensitive alphanumeric order)" ("Listing Tags"). */
  async sorted(op: Op, after?: string): Promise<string[]> {
    return sortTags(await Array.fromAsync(this.list(op)), after)
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

/** Tags that differ in case alone have an order, too. No tag has a space. */
const orderOf = (tag: string) => `${tag.toLowerCase()} ${tag}`

export function sortTags(tags: readonly string[], after?: string): string[] {
  const from = after === undefined ? '' : orderOf(after)
  return tags
    .map((tag) => ({ tag, order: orderOf(tag) }))
    .filter(({ order }) => order > from)
    .sort((a, b) => (a.order < b.order ? -1 : 1))
    .map(({ tag }) => tag)
}
