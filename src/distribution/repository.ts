import type { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { Blobs } from './blobs.ts'
import { CachedBlobs } from './cached-blobs.ts'
import { CachedManifests } from './cached-manifests.ts'
import { CachedTags, upstreamReferrers } from './cached-tags.ts'
import { hexOf, type Digest } from './digest.ts'
import type { Holds } from './holds.ts'
import { linksPrefix, manifestsPrefix, referrersPrefix, tagsPrefix } from './layout.ts'
import { Manifests } from './manifests.ts'
import type { Origin } from './origin.ts'
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
  readonly #origin: Origin | undefined

  /** `origin`: what it is a copy of. */
  constructor(o: {
    name: string
    storage: Storage
    uploads: Uploads
    holds: Holds
    locks: KeyedLock
    origin: Origin | undefined
  }) {
    const { name: repository, origin, ...rest } = o
    this.name = repository
    this.#storage = o.storage
    const own = { repository, ...rest }
    this.#origin = origin
    this.blobs = origin ? new CachedBlobs({ ...own, ...origin }) : new Blobs(own)
    this.tags = origin ? new CachedTags({ ...own, ...origin }) : new Tags(own)
    const withTags = { ...own, tags: this.tags }
    this.manifests = origin ? new CachedManifests({ ...withTags, ...origin }) : new Manifests(withTags)
  }

  /** Of a copy only its upstream knows: it counts as there. */
  async exists(op: Op): Promise<boolean> {
    if (this.#origin) return true
    for (const prefix of [manifestsPrefix(this.name), linksPrefix(this.name), tagsPrefix(this.name)])
      for await (const _ of this.#storage.children(op, prefix)) return true
    return false
  }

  /** Manifests whose subject is this one, be that here or not; in order of their hex digits, after `after`. */
  async *referrers(op: Op, subject: Digest, after?: string): AsyncIterable<ReferrerRecord> {
    const origin = this.#origin
    const listed = origin && (await upstreamReferrers(op, { ...origin, repository: this.name, subject }))
    if (listed) return yield* listed.filter((one) => after === undefined || hexOf(one.digest) > after)
    const prefix = referrersPrefix(this.name, subject)
    for await (const hex of this.#storage.children(op, prefix, after)) {
      const found = await readRecord(op, this.#storage, { key: `${prefix}/${hex}`, schema: referrerRecord })
      if (found) yield found
    }
  }
}
