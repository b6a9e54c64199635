import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { decompress } from '../../host/decompress.ts'
import type { Images } from '../../image/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Leases, Store } from '../../store/index.ts'
import { CacheMounts } from '../exec/cache-mounts.ts'
import { CacheCollector, type Collected } from './collector.ts'
import { KeptContexts } from '../context/kept-contexts.ts'
import { ContextHashes } from './context-hashes.ts'
import { gcPolicies, type GcConfig } from './gc-config.ts'
import type { CacheItem, CacheShelf } from './item.ts'
import type { CachePolicy } from './policy.ts'
import { StepCache } from './step-cache.ts'

export interface BuildCacheOptions {
  readonly root: string
  readonly store: Store
  readonly snapshots: Snapshots
  readonly images: Images
  readonly leases: Leases
  readonly gc: GcConfig
  /** Takes away the layers that nothing holds any more. */
  collectLayers(op: Op): Promise<void>
  /** Kept elsewhere, and collected with the rest. */
  readonly more?: readonly CacheShelf[]
}

/** All that builds leave for later ones: results of steps, directories of cache mounts, contexts and their hashes. */
export class BuildCache {
  readonly steps: StepCache
  readonly mounts: CacheMounts
  readonly contexts: ContextHashes
  /** What clients sent of their directories. */
  readonly kept: KeptContexts
  readonly #collector: CacheCollector
  readonly #snapshots: Snapshots

  private constructor(op: Op, o: BuildCacheOptions & { mounts: CacheMounts; kept: KeptContexts }) {
    const { snapshots, images, leases, store, mounts, kept } = o
    this.steps = new StepCache({
      store,
      sizeOf: (layer) => snapshots.layer(layer)?.size,
      inImages: () => images.references().layers,
      inUse: (layer) => leases.holds(`layer:${layer}`),
    })
    this.mounts = mounts
    this.#snapshots = snapshots
    this.kept = kept
    this.contexts = new ContextHashes(join(o.root, 'hashes'))
    this.#collector = new CacheCollector({
      log: op.log,
      root: o.root,
      shelves: [this.steps, this.mounts, this.contexts, this.kept, ...(o.more ?? [])],
      policies: gcPolicies(o.gc, o.root),
      collectLayers: (inner) => o.collectLayers(inner),
    })
  }

  /** `root` exists. */
  static async open(op: Op, o: BuildCacheOptions): Promise<BuildCache> {
    await mkdir(join(o.root, 'hashes'), { recursive: true, mode: 0o700 })
    const mounts = await CacheMounts.open(join(o.root, 'mounts'))
    return new BuildCache(op, { ...o, mounts, kept: await KeptContexts.open(join(o.root, 'contexts')) })
  }

  items(op: Op): Promise<CacheItem[]> {
    return this.#collector.items(op)
  }

  /** Removes what the policy lets go, and the layers that nothing needs then. */
  prune(op: Op, policy: CachePolicy): Promise<Collected> {
    return this.#collector.prune(op, policy)
  }

  /** Hands the content of a cache mount as a tar to `send`, when no step uses it; none takes it up meanwhile. */
  async exportMount(op: Op, o: { id: string; send: (tar: Readable) => Promise<void> }): Promise<void> {
    using mount = await this.mounts.acquireNamed(op, this.mounts.findOne(o.id)?.name ?? o.id)
    await o.send(this.#snapshots.directoryTar(op, mount.path))
  }

  /** Fills a cache mount from a tar, compressed or not, which is not trusted. All or nothing. */
  async importMount(op: Op, o: { id: string; archive: Readable }): Promise<void> {
    await this.mounts.import(op, {
      id: o.id,
      fill: async (dir) => {
        const source = await decompress(op, o.archive)
        await this.#snapshots.extract(op, { dir, source, anySymlinks: true, whole: true })
      },
    })
  }

  /** Throws kind `not-found`, or `conflict` when a step uses it. */
  async removeMount(op: Op, id: string): Promise<{ name: string; bytes: number }> {
    const found = this.mounts.findOne(id)
    if (!found) throw new EngineError('not-found', `no such build cache: ${id}`)
    const bytes = await this.mounts.remove(op, found.name)
    if (bytes === undefined) throw new EngineError('conflict', `build cache ${id} is in use`)
    return { name: found.name, bytes }
  }

  /** Writes down what the build used; collects soon. */
  buildEnded(): void {
    this.steps.save()
    this.#collector.buildEnded()
  }

  async close(): Promise<void> {
    await this.#collector.close()
    this.steps.save()
  }
}
