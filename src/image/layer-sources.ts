import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { Store, Table } from '../store/index.ts'

const knownBlob = z.object({
  digest: digestSchema,
  size: z.number(),
  mediaType: z.string(),
  /** Canonical repositories, the latest last: `docker.io/library/busybox`. */
  repositories: z.array(z.string()),
})
const sourceRecord = z.object({ diffId: digestSchema, blobs: z.array(knownBlob) })
export type KnownBlob = z.infer<typeof knownBlob>

const maxBlobs = 5
const maxRepositories = 20

/**
 * As which blobs a layer is known to registries: what was pulled or pushed before need not be compressed or sent again.
 * Only a hint: a registry is asked before it is relied on.
 */
export class LayerSources {
  readonly #table: Table<z.infer<typeof sourceRecord>>

  constructor(store: Store) {
    this.#table = store.table('layer_sources', (value) => sourceRecord.parse(value))
  }

  /** The latest first. */
  of(diffId: DiffId): KnownBlob[] {
    return this.#table.get(diffId)?.blobs.toReversed() ?? []
  }

  add(diffId: DiffId, blob: { digest: Digest; size: number; mediaType: string }, repository: string): void {
    const blobs = this.#table.get(diffId)?.blobs ?? []
    const before = blobs.find((one) => one.digest === blob.digest)
    const repositories = [...(before?.repositories ?? []).filter((one) => one !== repository), repository]
    const { size, mediaType } = blob
    const known = { digest: blob.digest, size, mediaType, repositories: repositories.slice(-maxRepositories) }
    this.#table.put(diffId, {
      diffId,
      blobs: [...blobs.filter((one) => one.digest !== blob.digest), known].slice(-maxBlobs),
    })
  }

  /** Forgets layers that are gone. */
  keep(layers: { has(diffId: DiffId): boolean }): void {
    for (const { key, record } of this.#table.all()) if (!layers.has(record.diffId)) this.#table.delete(key)
  }
}
