import { z } from 'zod'
import { isDigest, type Digest } from '../../lib/digest.ts'
import type { Store, Table } from '../../store/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { Cache } from '../solver/solver.ts'
import type { CacheKey, Json, VertexInfo } from '../solver/vertex.ts'

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const json: z.ZodType<Json> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(json), z.record(z.string(), json)]),
)
const recordSchema = z.object({
  /** What the step stood on, and what it gave on top. */
  base: z.array(digest),
  layer: digest,
  createdAt: z.string(),
  /** The step as people saw it. */
  name: z.string(),
  /** Everything the key was made of: what a later miss is compared with. */
  inputs: json,
  manifest: digest.optional(),
})
type CacheRecord = z.infer<typeof recordSchema>

/**
 * Results of steps by content key, in the metadata store. A record counts only while all its layers exist. Manifests
 * of copied files stand beside it, shared by digest.
 */
export class StepCache implements Cache<Tree> {
  readonly #records: Table<CacheRecord>
  readonly #manifests: Table<string>
  readonly #store: Store
  readonly #exists: (layer: Digest) => boolean
  /** Layers that records hold, with the number of records. */
  readonly #held = new Map<Digest, number>()

  constructor(store: Store, exists: (layer: Digest) => boolean) {
    this.#store = store
    this.#exists = exists
    this.#records = store.table('build_cache', (value) => recordSchema.parse(value))
    this.#manifests = store.table('file_hashes', (value) => z.string().parse(value))
    for (const { key, record } of this.#records.all())
      if (this.#isWhole(record)) this.#hold(record, 1)
      else this.#records.delete(key)
  }

  get(key: CacheKey): Tree | undefined {
    const record = this.#records.get(key.digest)
    if (!record) return undefined
    if (!this.#isWhole(record)) {
      this.#drop(key.digest, record)
      return undefined
    }
    return { layers: [...record.base, record.layer], createdAt: record.createdAt }
  }

  put(keys: readonly CacheKey[], result: Tree, vertex: VertexInfo): void {
    const layer = result.layers.at(-1)
    if (layer === undefined) return
    this.#store.transaction(() => {
      for (const key of keys) {
        const old = this.#records.get(key.digest)
        if (old) this.#hold(old, -1)
        const record: CacheRecord = {
          base: result.layers.slice(0, -1),
          layer,
          createdAt: result.createdAt,
          name: vertex.name,
          inputs: key.inputs,
          ...(key.manifest && { manifest: key.manifest.digest }),
        }
        this.#records.put(key.digest, record)
        this.#hold(record, 1)
        if (key.manifest) this.#manifests.put(key.manifest.digest, key.manifest.text)
      }
    })
  }

  /** Layers that have to stay for the cache to work. */
  layers(): Set<Digest> {
    return new Set(this.#held.keys())
  }

  /** Forgets everything. Returns how many records there were and which layers they held. */
  clear(): { records: number; layers: Set<Digest> } {
    const layers = this.layers()
    const records = this.#records.all()
    this.#store.transaction(() => {
      for (const { key, record } of records) {
        this.#records.delete(key)
        if (record.manifest) this.#manifests.delete(record.manifest)
      }
    })
    this.#held.clear()
    return { records: records.length, layers }
  }

  #isWhole(record: CacheRecord): boolean {
    return this.#exists(record.layer) && record.base.every((layer) => this.#exists(layer))
  }

  #drop(key: string, record: CacheRecord): void {
    this.#records.delete(key)
    this.#hold(record, -1)
  }

  #hold(record: CacheRecord, change: number): void {
    for (const layer of new Set([...record.base, record.layer])) {
      const count = (this.#held.get(layer) ?? 0) + change
      if (count > 0) this.#held.set(layer, count)
      else this.#held.delete(layer)
    }
  }
}
