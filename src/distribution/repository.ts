import type { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { Blobs } from './blobs.ts'
import type { Digest } from './digest.ts'
import type { Holds } from './holds.ts'
import { linksPrefix, manifestsPrefix, referrersPrefix, tagsPrefix } from './layout.ts'
import { Manifests } from './manifests.ts'
import { readRecord, referrerRecord, type ReferrerRecord } from './records.ts'
import type { Storage } from './storage.ts'
import { Tags } from './tags.ts'
import type { Uploads } from './uploads.ts'

/** One repository. It is there as long as it has a blob or a manifest. */
export class Repository {
  readonly name: string
  readonly blobs: Blobs
  readonly tags: Tags
  readonly manifests: Manifests
  readonly #storage: Storage

  constructor(o: { name: string; storage: Storage; uploads: Uploads; holds: Holds; locks: KeyedLock }) {
    const { name: repository, ...rest } = o
    this.name = repository
    this.#storage = o.storage
    this.blobs = new Blobs({ repository, ...rest })
    this.tags = new Tags({ repository, ...rest })
    this.manifests = new Manifests({ repository, tags: this.tags, ...rest })
  }

  async exists(op: Op): Promise<boolean> {
    for (const prefix of [manifestsPrefix(this.name), linksPrefix(this.name), tagsPrefix(this.name)])
      for await (const _ of this.#storage.children(op, prefix)) return true
    return false
  }

  /** Manifests whose subject is this one, be that here or not; in order of their hex digits, after `after`. */
  async *referrers(op: Op, subject: Digest, after?: string): AsyncIterable<ReferrerRecord> {
    const prefix = referrersPrefix(this.name, subject)
    for await (const hex of this.#storage.children(op, prefix, after)) {
      const found = await readRecord(op, this.#storage, { key: `${prefix}/${hex}`, schema: referrerRecord })
      if (found) yield found
    }
  }
}
