import { allDone } from './all-done.ts'
import { group } from '../lib/group.ts'
import type { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { algorithmOf, digestOf, isDigest, type Digest } from './digest.ts'
import { DistributionError, type Fault } from './errors.ts'
import type { Holds } from './holds.ts'
import { blobKey, linkKey, manifestKey, referrerKey, tagKey } from './layout.ts'
import { readManifest, type ManifestDocument } from './manifest-document.ts'
import { checkTag } from './names.ts'
import {
  manifestRecord,
  readObject,
  readRecord,
  writeRecord,
  type ManifestRecord,
  type ReferrerRecord,
  type TagRecord,
} from './records.ts'
import type { Storage } from './storage.ts'
import type { Tags } from './tags.ts'

/** Objects that are looked for at the same time: in S3 each look is a round trip. */
const looksAtOnce = 16
/** Missing blobs that an answer names; one manifest can refer to thousands. */
const maxFaults = 100

export interface ManifestsOptions {
  readonly repository: string
  readonly storage: Storage
  readonly holds: Holds
  readonly tags: Tags
  /** By repository and digest, so that no tag is set to what is being deleted; and by repository and tag. */
  readonly locks: KeyedLock
}

export interface StoredManifest {
  readonly digest: Digest
  readonly record: ManifestRecord
  /** A copy of what the upstream had; whether it still has, it cannot be asked. */
  readonly stale?: boolean
}

export interface PutOptions {
  /** Empty: what the document itself says. */
  readonly mediaType: string
  readonly digest: Digest | undefined
  readonly tag: string | undefined
  /** Of what the tag points to before. */
  readonly condition?: ((current: Digest | undefined) => boolean) | undefined
}

/** A tag as it was when it was read. */
export interface SeenTag {
  readonly tag: string
  readonly digest: Digest
  readonly updatedAt: Date
}

export interface PutManifest {
  readonly digest: Digest
  readonly subject: Digest | undefined
}

/** Manifests of one repository. */
export class Manifests {
  readonly #o: ManifestsOptions

  constructor(o: ManifestsOptions) {
    this.#o = o
  }

  /** Of a tag or a digest. Throws MANIFEST_UNKNOWN. */
  async find(op: Op, reference: string): Promise<StoredManifest> {
    const { repository, storage, tags } = this.#o
    const digest = isDigest(reference) ? reference : (await tags.get(op, reference))?.digest
    if (digest) {
      const [record, bytes] = await Promise.all([this.record(op, digest), storage.stat(op, blobKey(digest))])
      if (record && bytes) return { digest, record }
    }
    throw unknown(repository, reference)
  }

  /** As `find`, for somebody who may count on it: it is not collected within the grace period. */
  async promise(op: Op, reference: string): Promise<StoredManifest> {
    const found = await this.find(op, reference)
    await this.#o.holds.hold(found.digest)
    const { repository, storage } = this.#o
    if (!(await storage.stat(op, manifestKey(repository, found.digest)))) throw unknown(repository, reference)
    return found
  }

  /** Undefined when the repository has none of that digest. */
  record(op: Op, digest: Digest): Promise<ManifestRecord | undefined> {
    const key = manifestKey(this.#o.repository, digest)
    return readRecord(op, this.#o.storage, { key, schema: manifestRecord })
  }

  /** The bytes as they were pushed. Throws MANIFEST_UNKNOWN when it went meanwhile. */
  async bytes(op: Op, digest: Digest): Promise<Buffer> {
    const data = await readObject(op, this.#o.storage, blobKey(digest))
    if (!data) throw unknown(this.#o.repository, digest)
    return data
  }

  /**
   * Takes a manifest whose parts are here, and then sets the tag; all of it is durable when it resolves. `digest` is the one that was
   * asked for, if any. Throws MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, DIGEST_INVALID, TAG_INVALID, CONDITION_FAILED.
   */
  async put(op: Op, data: Uint8Array, o: PutOptions): Promise<PutManifest> {
    if (o.tag !== undefined) checkTag(o.tag)
    const document = readManifest(data, o.mediaType)
    const digest = digestOf(data, o.digest === undefined ? 'sha256' : algorithmOf(o.digest))
    if (o.digest !== undefined && digest !== o.digest)
      throw new DistributionError(
        'DIGEST_INVALID',
        `the manifest has the digest ${digest}, not ${o.digest} as promised`,
        { digest: o.digest },
      )
    // Before the lock: a removal that is under way, and waited for, takes that, too.
    await this.#o.holds.hold(digest, ...document.blobs, ...document.manifests)
    using _held = await this.#lock(op, digest)
    await this.#checkParts(op, document)
    await this.#store(op, data, { digest, document })
    if (o.tag !== undefined) await this.#setTag(op, o.tag, { digest, condition: o.condition })
    return { digest, subject: document.subject }
  }

  /**
   * Takes a copy of another registry's manifest, whose parts may come later or never. Durable when it resolves. Throws
   * MANIFEST_INVALID for a kind that is not known here.
   */
  async copy(op: Op, data: Uint8Array, mediaType: string): Promise<Digest> {
    const document = readManifest(data, mediaType)
    const digest = digestOf(data)
    await this.#o.holds.hold(digest)
    using _held = await this.#lock(op, digest)
    await this.#store(op, data, { digest, document })
    return digest
  }

  /**
   * With the tags that point to it; its referrers and what it refers to stay. `tags`: those that may, where that is known. Throws
   * MANIFEST_UNKNOWN.
   */
  async remove(op: Op, digest: Digest, o: { tags?: readonly SeenTag[] } = {}): Promise<void> {
    const { repository, storage } = this.#o
    using _held = await this.#lock(op, digest)
    const record = await this.record(op, digest)
    if (!record) throw unknown(repository, digest)
    // The tags first: whatever a killed process leaves, no tag points to nothing.
    const tags = o.tags?.map((one) => one.tag) ?? (await Array.fromAsync(this.#o.tags.list(op)))
    const unsets = tags.map(
      (tag) => (each: Op) => this.#unset(each, tag, (current) => current.digest === digest),
    )
    await group(op, unsets, { limit: looksAtOnce })
    if (record.subject)
      await storage.remove(op, referrerKey(repository, { subject: record.subject, referrer: digest }))
    await storage.remove(op, manifestKey(repository, digest))
  }

  /** As `remove`; absent is success. */
  async discard(op: Op, digest: Digest, o: { tags?: readonly SeenTag[] } = {}): Promise<void> {
    try {
      await this.remove(op, digest, o)
    } catch (error) {
      if (!(error instanceof DistributionError && error.code === 'MANIFEST_UNKNOWN')) throw error
    }
  }

  /** Removes a tag, if nobody has set it since it was seen. */
  async untag(op: Op, seen: SeenTag): Promise<void> {
    const same = (current: TagRecord) =>
      current.digest === seen.digest && Date.parse(current.updatedAt) === seen.updatedAt.getTime()
    await this.#unset(op, seen.tag, same)
  }

  async #unset(op: Op, tag: string, wanted: (current: TagRecord) => boolean): Promise<void> {
    const { repository, locks, storage, tags } = this.#o
    // Most tags point elsewhere: no need to wait for those who set them.
    const seen = await tags.get(op, tag)
    if (!seen || !wanted(seen)) return
    using _held = await locks.acquire(`${repository}:${tag}`, op.signal)
    const current = await tags.get(op, tag)
    if (current && wanted(current)) await storage.remove(op, tagKey(repository, tag))
  }

  #lock(op: Op, digest: Digest): Promise<Disposable> {
    return this.#o.locks.acquire(`${this.#o.repository}@${digest}`, op.signal)
  }

  /** A manifest is here when its bytes and its record are: it does not matter which comes first. */
  async #store(op: Op, data: Uint8Array, o: { digest: Digest; document: ManifestDocument }): Promise<void> {
    const { repository, storage } = this.#o
    const { digest } = o
    const { mediaType, subject, artifactType, annotations } = o.document
    const common = { mediaType, size: data.length, ...(artifactType && { artifactType }) }
    const record: ManifestRecord = {
      ...common,
      ...(subject && { subject }),
      pushedAt: new Date().toISOString(),
    }
    const value: ReferrerRecord = { ...common, digest, ...(annotations && { annotations }) }
    await allDone([
      storage.write(op, blobKey(digest), data),
      writeRecord(op, storage, { key: manifestKey(repository, digest), value: record }),
      ...(subject
        ? [writeRecord(op, storage, { key: referrerKey(repository, { subject, referrer: digest }), value })]
        : []),
    ])
  }

  async #setTag(
    op: Op,
    tag: string,
    o: { digest: Digest; condition: PutOptions['condition'] },
  ): Promise<void> {
    const { repository, locks, tags } = this.#o
    using _held = await locks.acquire(`${repository}:${tag}`, op.signal)
    if (o.condition && !o.condition((await tags.get(op, tag))?.digest))
      throw new DistributionError(
        'CONDITION_FAILED',
        `the tag ${tag} of ${repository} is not what the request makes its condition`,
      )
    await tags.set(op, tag, o.digest)
  }

  /** The parts are held: no collection takes one that is found here before the manifest keeps it. */
  async #checkParts(op: Op, document: ManifestDocument): Promise<void> {
    const { repository, storage } = this.#o
    const parts = [
      ...document.blobs.map((digest) => ({ digest, key: linkKey(repository, digest) })),
      ...document.manifests.map((digest) => ({ digest, key: manifestKey(repository, digest) })),
    ]
    const looks = parts.map(({ digest, key }) => async (look: Op) => {
      const found = await Promise.all([storage.stat(look, key), storage.stat(look, blobKey(digest))])
      return found.every(Boolean)
    })
    const found = await group(op, looks, { limit: looksAtOnce })
    const missing = parts
      .filter((_, index) => !found[index])
      .slice(0, maxFaults)
      .map(({ digest }): Fault => ({
        code: 'MANIFEST_BLOB_UNKNOWN',
        message: `the manifest refers to ${digest}, which is not in ${repository}`,
        detail: { digest },
      }))
    const [first, ...rest] = missing
    if (first) throw new DistributionError([first, ...rest])
  }
}

const unknown = (repository: string, reference: string) =>
  new DistributionError('MANIFEST_UNKNOWN', `no manifest ${JSON.stringify(reference)} in ${repository}`, {
    reference,
  })
