import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import type { Store, Table } from '../store/index.ts'

const manifestRecord = z.object({
  digest: digestSchema,
  mediaType: z.string(),
  /** The image that it describes, or, for an index, that was chosen from it. */
  image: digestSchema,
  kind: z.enum(['image', 'index']),
})
export type ManifestRecord = z.infer<typeof manifestRecord>

/** The manifests that images came with or were pushed as. Their bytes are in the content store. */
export class Manifests {
  readonly #table: Table<ManifestRecord>
  readonly #records = new Map<Digest, ManifestRecord>()

  constructor(store: Store) {
    this.#table = store.table('manifests', (value) => manifestRecord.parse(value))
    for (const { record } of this.#table.all()) this.#records.set(record.digest, record)
  }

  has(manifest: Digest): boolean {
    return this.#records.has(manifest)
  }

  get(manifest: Digest): ManifestRecord | undefined {
    return this.#records.get(manifest)
  }

  /** Newest last. */
  of(image: Digest): ManifestRecord[] {
    return [...this.#records.values()].filter((record) => record.image === image)
  }

  put(record: ManifestRecord): void {
    this.#table.put(record.digest, record)
    this.#records.delete(record.digest)
    this.#records.set(record.digest, record)
  }

  /** Forgets those of images that are gone; their blobs go with the next collection. */
  keep(images: { has(image: Digest): boolean }): void {
    for (const { digest: key, image } of this.#records.values()) {
      if (images.has(image)) continue
      this.#table.delete(key)
      this.#records.delete(key)
    }
  }

  digests(): Iterable<Digest> {
    return this.#records.keys()
  }
}
