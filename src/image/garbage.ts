import type { ContentStore } from '../content/index.ts'
import type { Digest } from '../lib/digest.ts'
import { hasCode } from '../lib/errors.ts'
import { Lock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Leases } from '../store/index.ts'
import type { Catalog } from './catalog.ts'
import type { Manifests } from './manifests.ts'

/** Takes away layers and blobs that no image and no lease reaches. */
export class Garbage {
  readonly #content: ContentStore
  readonly #snapshots: Snapshots
  readonly #leases: Leases
  readonly #catalog: Catalog
  readonly #manifests: Manifests
  /** Held by whatever takes away, images too. */
  readonly lock = new Lock()
  /** Loads in progress: they write blobs before they know what those are. */
  #loading = 0

  constructor(o: {
    content: ContentStore
    snapshots: Snapshots
    leases: Leases
    catalog: Catalog
    manifests: Manifests
  }) {
    this.#content = o.content
    this.#snapshots = o.snapshots
    this.#leases = o.leases
    this.#catalog = o.catalog
    this.#manifests = o.manifests
  }

  /** Layers and blobs that images need. */
  references(): { layers: Set<DiffId>; blobs: Set<Digest> } {
    const layers = new Set<DiffId>()
    const blobs = new Set<Digest>()
    for (const id of this.#catalog.ids()) {
      blobs.add(id)
      for (const diffId of this.#catalog.configOf(id)?.rootfs.diff_ids ?? []) layers.add(diffId)
    }
    for (const diffId of layers) {
      const blob = this.#snapshots.layer(diffId)?.blob
      if (blob) blobs.add(blob)
    }
    for (const manifest of this.#manifests.digests()) blobs.add(manifest)
    for (const blob of this.#catalog.names.indexes.blobs()) blobs.add(blob)
    return { layers, blobs }
  }

  /** Removes layers and blobs that no image, no lease and nothing in `extra` reaches. */
  async collect(op: Op, extra: { layers: ReadonlySet<DiffId> }): Promise<void> {
    using _lock = await this.lock.acquire(op.signal)
    this.#manifests.keep(this.#catalog)
    this.#catalog.names.keepIndexes()
    const used = this.references()
    for (const { diffId } of this.#snapshots.layers())
      if (!used.layers.has(diffId) && !extra.layers.has(diffId)) await this.#snapshots.removeLayer(op, diffId)
    // Whether a blob is free is looked up anew for each: other work goes on meanwhile.
    for (const blob of await this.#content.list()) if (this.#isFree(blob)) await this.#content.delete(blob)
  }

  /** Takes away what a load or a pull has made and no image took; leases hold what others use. */
  async dropUnused(
    op: Op,
    made: { readonly layers: ReadonlySet<DiffId>; readonly blobs: ReadonlySet<Digest> },
  ): Promise<void> {
    using _lock = await this.lock.acquire()
    const used = this.references().layers
    for (const diffId of made.layers) if (!used.has(diffId)) await this.#snapshots.removeLayer(op, diffId)
    for (const blob of made.blobs) {
      if (!this.#isFree(blob)) continue
      try {
        await this.#content.delete(blob)
      } catch (error) {
        if (!hasCode(error, 'EROFS', 'EIO')) throw error
        op.log.warn('cannot delete content', { blob, error })
      }
    }
  }

  /** No blob goes until it is disposed. */
  loading(): Disposable {
    this.#loading++
    return { [Symbol.dispose]: () => void this.#loading-- }
  }

  #isFree(blob: Digest): boolean {
    return this.#loading === 0 && !this.#leases.holds(`blob:${blob}`) && !this.#isNeeded(blob)
  }

  #isNeeded(blob: Digest): boolean {
    if (this.#catalog.has(blob) || this.#manifests.has(blob)) return true
    if (this.#catalog.names.indexes.blobs().some((one) => one === blob)) return true
    return this.#snapshots.layers().some((layer) => layer.blob === blob)
  }
}
