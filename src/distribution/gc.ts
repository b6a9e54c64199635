import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { markRepository, type Marks } from './gc-mark.ts'
import { allReferrersPrefix, blobsPrefix, digestOfKey, linksPrefix, manifestKey } from './layout.ts'
import type { Registry } from './registry.ts'
import type { ObjectEntry } from './storage.ts'

export interface CollectOptions {
  /** Nothing is removed; the result says what would be. */
  readonly dryRun?: boolean
  /** Uploads that got no byte for so many milliseconds are given up. */
  readonly uploadAgeMs: number
}

/** What a collection found, and removed unless it was a dry run. */
export interface Collected {
  readonly dryRun: boolean
  readonly repositories: number
  readonly manifests: number
  /** Blobs that stay, and those that nothing refers to. */
  blobsKept: number
  blobsRemoved: number
  bytesRemoved: number
  /** Blobs that repositories could serve, but have no manifest for. */
  linksRemoved: number
  /** Entries in lists of referrers, of manifests that are gone. */
  referrersRemoved: number
  /** Records of manifests whose bytes are not there: nobody could pull them. */
  incompleteRemoved: number
  uploadsRemoved: number
  uploadBytesRemoved: number
  readonly milliseconds: number
}

const running = new WeakSet<Registry>()

/**
 * Frees what no manifest needs, while the registry is in use. What is marked: every manifest, with or without a tag, and what it
 * refers to. What is not marked goes unless it is younger than the grace period or held by a push (holds.ts): a push that has looked
 * for a blob before the marks were read, and names it in a manifest after, finds it. A repository that bytes are coming for keeps what
 * came within `uploadAgeMs`: large pushes take longer than the grace period. Links go before blobs, so that a collection that is
 * killed leaves nothing but garbage for the next.
 *
 * Throws kind `conflict` while another runs.
 */
export async function collect(op: Op, registry: Registry, o: CollectOptions): Promise<Collected> {
  if (running.has(registry))
    throw new EngineError('conflict', 'Cannot collect garbage of the registry: a collection runs')
  running.add(registry)
  try {
    return await new Collection(registry, o).run(op)
  } finally {
    running.delete(registry)
  }
}

class Collection {
  readonly #registry: Registry
  readonly #o: CollectOptions
  readonly #begun = Date.now()
  /** Repositories that bytes are coming for. */
  readonly #receiving = new Set<string>()
  /** What any repository needs or can serve. */
  readonly #needed = new Set<Digest>()
  readonly #result: { -readonly [Field in keyof Collected]: Collected[Field] }

  constructor(registry: Registry, o: CollectOptions) {
    this.#registry = registry
    this.#o = o
    this.#result = {
      dryRun: o.dryRun ?? false,
      repositories: 0,
      manifests: 0,
      blobsKept: 0,
      blobsRemoved: 0,
      bytesRemoved: 0,
      linksRemoved: 0,
      referrersRemoved: 0,
      incompleteRemoved: 0,
      uploadsRemoved: 0,
      uploadBytesRemoved: 0,
      milliseconds: 0,
    }
  }

  async run(op: Op): Promise<Collected> {
    const { holds, uploads } = this.#registry
    holds.forget(this.#begun - this.#o.uploadAgeMs)
    for await (const upload of uploads.list(op))
      if (upload.modified.getTime() >= this.#begun - holds.graceMs) this.#receiving.add(upload.repository)
    for await (const name of this.#registry.repositories(op)) await this.#collectRepository(op, name)
    await this.#collectBlobs(op)
    await this.#collectUploads(op)
    this.#result.milliseconds = Date.now() - this.#begun
    return this.#result
  }

  async #collectRepository(op: Op, name: string): Promise<void> {
    const { storage } = this.#registry
    const marks = await markRepository(op, storage, name)
    this.#result.repositories++
    this.#result.manifests += marks.manifests.size
    const isCopy = this.#registry.isCopy(name)
    // Of a manifest's parts a copy has those that were asked for: its links keep them, and go by their last use (cache-evict.ts).
    const needed = isCopy ? marks.manifests : marks.reachable
    for (const digest of needed) this.#needed.add(digest)
    for await (const link of storage.list(op, linksPrefix(name))) {
      const digest = digestOfKey(link.key)
      if (!digest || needed.has(digest)) continue
      const isGarbage = !isCopy && !marks.damaged && !this.#isOfPush(name, link, digest)
      if (isGarbage && (await this.#remove(op, link, digest))) this.#result.linksRemoved++
      else this.#needed.add(digest)
    }
    for (const record of marks.incomplete) {
      const digest = digestOfKey(record.key)
      if (digest && (await this.#remove(op, record, digest))) this.#result.incompleteRemoved++
    }
    await this.#collectReferrers(op, name, marks)
  }

  /** Of a push that was killed after its manifest was gone again, or the other way round. */
  async #collectReferrers(op: Op, name: string, marks: Marks): Promise<void> {
    const { storage } = this.#registry
    for await (const entry of storage.list(op, allReferrersPrefix(name))) {
      const digest = digestOfKey(entry.key)
      if (!digest || marks.manifests.has(digest) || (await storage.stat(op, manifestKey(name, digest))))
        continue
      if (await this.#remove(op, entry, digest)) this.#result.referrersRemoved++
    }
  }

  async #collectBlobs(op: Op): Promise<void> {
    for await (const blob of this.#registry.storage.list(op, blobsPrefix)) {
      const digest = digestOfKey(blob.key)
      if (digest && !this.#needed.has(digest) && (await this.#remove(op, blob, digest))) {
        this.#result.blobsRemoved++
        this.#result.bytesRemoved += blob.size
      } else this.#result.blobsKept++
    }
  }

  async #collectUploads(op: Op): Promise<void> {
    const { uploads } = this.#registry
    for await (const upload of uploads.list(op)) {
      if (upload.modified.getTime() >= this.#begun - this.#o.uploadAgeMs) continue
      if (!this.#result.dryRun) await uploads.remove(op, upload.id)
      this.#result.uploadsRemoved++
      this.#result.uploadBytesRemoved += upload.size
    }
  }

  /** What a push began with is kept while it goes on, but no longer than any upload may rest. */
  #isOfPush(name: string, link: ObjectEntry, digest: Digest): boolean {
    const { holds } = this.#registry
    const { uploadAgeMs } = this.#o
    const goesOn = this.#receiving.has(name) || holds.isHeld(name, this.#begun)
    return (
      goesOn &&
      (link.modified.getTime() >= this.#begun - uploadAgeMs || holds.isHeld(digest, this.#begun, uploadAgeMs))
    )
  }

  /** False: it is young, or a push counts on it. */
  async #remove(op: Op, object: ObjectEntry, digest: Digest): Promise<boolean> {
    const { holds, storage } = this.#registry
    // Written within the grace period, by this process or by the one before.
    if (object.modified.getTime() >= this.#begun - holds.graceMs) return false
    if (this.#result.dryRun) return !holds.isHeld(digest, this.#begun)
    return await holds.removeUnlessHeld(digest, this.#begun, () => storage.remove(op, object.key))
  }
}
