import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import type { Store, Table } from '../store/index.ts'

const indexRecord = z.object({
  digest: digestSchema,
  mediaType: z.string(),
  /** Those of its images that are here. */
  members: z.array(z.object({ manifest: digestSchema, image: digestSchema })),
  /** What else of it is here: attestations, with all that they are made of. */
  blobs: z.array(digestSchema),
})
export type IndexRecord = z.infer<typeof indexRecord>

/**
 * Indexes that names stand for, and what of them is here. A name that stands for one means all of its platforms; which image it
 * leads to depends on who asks. Their bytes are in the content store.
 */
export class Indexes {
  readonly #table: Table<IndexRecord>
  readonly #records = new Map<Digest, IndexRecord>()

  constructor(store: Store) {
    this.#table = store.table('image_indexes', (value) => indexRecord.parse(value))
    for (const { record } of this.#table.all()) this.#records.set(record.digest, record)
  }

  get(index: Digest): IndexRecord | undefined {
    return this.#records.get(index)
  }

  /** An image of it has come. */
  addMember(o: { digest: Digest; mediaType: string }, member: { manifest: Digest; image: Digest }): void {
    const { members, blobs } = this.#records.get(o.digest) ?? { members: [], blobs: [] }
    const others = members.filter(({ manifest }) => manifest !== member.manifest)
    this.#put({ digest: o.digest, mediaType: o.mediaType, members: [...others, member], blobs })
  }

  addBlobs(index: Digest, blobs: readonly Digest[]): void {
    const record = this.#records.get(index)
    if (record) this.#put({ ...record, blobs: [...new Set([...record.blobs, ...blobs])] })
  }

  /** These images of it go. */
  removeMembers(index: Digest, images: ReadonlySet<Digest>): void {
    const record = this.#records.get(index)
    if (record) this.#put({ ...record, members: record.members.filter(({ image }) => !images.has(image)) })
  }

  /** Forgets indexes that no name stands for, and images that are gone. */
  keep(o: { named: { has(index: Digest): boolean }; images: { has(image: Digest): boolean } }): void {
    for (const record of this.#records.values()) {
      const members = record.members.filter(({ image }) => o.images.has(image))
      if (!o.named.has(record.digest) || members.length === 0) {
        this.#table.delete(record.digest)
        this.#records.delete(record.digest)
      } else if (members.length < record.members.length) this.#put({ ...record, members })
    }
  }

  /** The blobs of all of them. */
  *blobs(): Generator<Digest> {
    for (const record of this.#records.values()) {
      yield record.digest
      yield* record.blobs
    }
  }

  #put(record: IndexRecord): void {
    this.#table.put(record.digest, record)
    this.#records.set(record.digest, record)
  }
}
