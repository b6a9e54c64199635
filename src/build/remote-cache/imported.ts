import type { Readable } from 'node:stream'
import type { ContentStore } from '../../content/index.ts'
import { decompress } from '../../host/decompress.ts'
import type { Digest } from '../../lib/digest.ts'
import { EngineError, messageOf } from '../../lib/errors.ts'
import { KeyedLock } from '../../lib/lock.ts'
import type { Op } from '../../lib/op.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { Tree } from '../graph/tree.ts'
import { Reconsider } from '../solver/reconsider.ts'
import type { CacheKey, VertexInfo } from '../solver/vertex.ts'
import type { CacheDocument } from './document.ts'

/** The archive of a layer at a place that may be far. */
export interface FarBlob {
  readonly digest: Digest
  readonly size: number
  open(op: Op): Readable
}

/** What one `--cache-from` gives. */
export interface CacheSource {
  readonly document: CacheDocument
  readonly blobs: ReadonlyMap<Digest, FarBlob>
}

interface Hit {
  readonly keys: readonly CacheKey[]
  readonly tree: Tree
  readonly vertex: VertexInfo
}

/**
 * Results of builds elsewhere, for one build here. A result is found by its key alone; its layers are fetched, and held
 * to their digests, when a step or an output wants their files. Layers that cannot be had make their results unknown
 * (`Reconsider`): the steps then run here.
 */
export class ImportedCache {
  readonly #sources: readonly CacheSource[]
  readonly #records = new Map<Digest, Tree>()
  readonly #o: { content: ContentStore; snapshots: Snapshots; lease: Lease }
  readonly #lock = new KeyedLock()
  readonly #hits: Hit[] = []

  constructor(
    sources: readonly CacheSource[],
    o: { content: ContentStore; snapshots: Snapshots; lease: Lease },
  ) {
    this.#sources = sources
    this.#o = o
    for (const { document } of sources)
      for (const { key, stack, createdAt } of document.records) {
        if (this.#records.has(key)) continue
        // Every place was checked when the document was decoded.
        const layers = stack.map((place) => document.layers[place]).filter((layer) => layer !== undefined)
        this.#records.set(key, { layers, createdAt })
      }
  }

  /** Looks the newest of `keys` up. */
  find(keys: readonly CacheKey[], vertex: VertexInfo): Tree | undefined {
    const key = keys.at(-1)
    const tree = key && this.#records.get(key.digest)
    if (!tree) return undefined
    this.#hits.push({ keys, tree, vertex })
    return tree
  }

  /** All of these layers are here afterwards. */
  async ensure(op: Op, layers: readonly Digest[]): Promise<void> {
    for (const layer of new Set(layers)) {
      if (this.#o.snapshots.layer(layer)) continue
      using _lock = await this.#lock.acquire(layer, op.signal)
      if (this.#o.snapshots.layer(layer)) continue
      await this.#fetch(op, layer)
    }
  }

  /** Results that were used and are whole here. */
  *complete(): Generator<Hit> {
    for (const hit of this.#hits)
      if (hit.tree.layers.every((layer) => this.#o.snapshots.layer(layer))) yield hit
  }

  async #fetch(op: Op, layer: Digest): Promise<void> {
    const { content, snapshots, lease } = this.#o
    for (const blob of this.#sources.flatMap((source) => source.blobs.get(layer) ?? [])) {
      try {
        lease.add(`blob:${blob.digest}`)
        if (!(await content.has(blob.digest)))
          await content.write(op, blob.open(op), { expected: blob.digest, maxBytes: blob.size, lease })
        const archive = await decompress(op, content.read(blob.digest))
        await snapshots.unpack(op, archive, { expected: layer, blob: blob.digest, lease })
        return
      } catch (error) {
        op.signal.throwIfAborted()
        op.log.warn('a layer of an imported build cache cannot be had', { layer, error: messageOf(error) })
      }
    }
    const useless = [...this.#records].filter(([, tree]) => tree.layers.includes(layer))
    for (const [key] of useless) this.#records.delete(key)
    if (useless.length === 0) throw new EngineError('not-found', `layer ${layer} is missing`)
    throw new Reconsider(`layer ${layer} of the imported cache cannot be had`)
  }
}
