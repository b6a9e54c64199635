import type { Readable } from 'node:stream'
import type { BuildCacheInfo, BuildCacheLimits, CacheMountInfo } from '../wire/build-cache.ts'
import { encodeFilters, type Filters } from './filters.ts'
import type { Transport } from './transport.ts'

export interface BuildCachePruned {
  CachesDeleted: string[] | null
  SpaceReclaimed: number
}

/** `/build/prune`, `/gantry/build/cache` and `/gantry/build/caches`. */
export class BuildCache {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(filters?: Filters): Promise<BuildCacheInfo[]> {
    return this.#t.json('GET', '/gantry/build/cache', { query: { filters: encodeFilters(filters) } })
  }

  prune(o: { all?: boolean; filters?: Filters } & BuildCacheLimits = {}): Promise<BuildCachePruned> {
    return this.#t.json('POST', '/build/prune', {
      query: {
        all: o.all || undefined,
        filters: encodeFilters(o.filters),
        'reserved-space': o.reservedSpace || undefined,
        // What daemons before API 1.48 know.
        'keep-storage': o.reservedSpace || undefined,
        'max-used-space': o.maxUsedSpace || undefined,
        'min-free-space': o.minFreeSpace || undefined,
      },
    })
  }

  mounts(): Promise<CacheMountInfo[]> {
    return this.#t.json('GET', '/gantry/build/caches')
  }

  removeMount(id: string): Promise<BuildCachePruned> {
    return this.#t.json('DELETE', '/gantry/build/caches', { query: { id } })
  }

  /** A tar. */
  async exportMount(id: string): Promise<Readable> {
    return (await this.#t.request('GET', '/gantry/build/caches/archive', { query: { id } })).body
  }

  async importMount(id: string, tar: Readable): Promise<void> {
    await this.#t.send('PUT', '/gantry/build/caches/archive', {
      query: { id },
      stream: tar,
      headers: { 'Content-Type': 'application/x-tar' },
    })
  }
}
