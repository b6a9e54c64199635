import type { ContainerSummary } from '../wire/container.ts'
import type { ImageSummary } from '../wire/image.ts'
import type { EventMessage, NetworkInfo, SystemInfo, VersionResponse, VolumeInfo } from '../wire/system.ts'
import { encodeFilters, type Filters } from './filters.ts'
import type { Transport } from './transport.ts'

/** Answer of `GET /system/df`. Sizes in bytes. */
export interface DiskUsage {
  LayersSize: number
  Images: ImageSummary[] | null
  Containers: ContainerSummary[] | null
  Volumes: VolumeInfo[] | null
  BuildCache: BuildCacheRecord[] | null
}

export interface BuildCacheRecord {
  ID: string
  Parents?: string[] | null
  Type: string
  Description: string
  InUse: boolean
  Shared: boolean
  Size: number
  CreatedAt: string
  LastUsedAt?: string | null
  UsageCount: number
}

/** `/version`, `/info`, `/events`, `/system/df`. */
export class System {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  async ping(): Promise<{ apiVersion: string }> {
    const response = await this.#t.request('GET', '/_ping')
    response.body.resume()
    return { apiVersion: response.headers.get('api-version') ?? '' }
  }

  version(): Promise<VersionResponse> {
    return this.#t.json('GET', '/version')
  }

  info(): Promise<SystemInfo> {
    return this.#t.json('GET', '/info')
  }

  /** `since` and `until` in Unix seconds, `seconds.nanoseconds`; without `until` it never ends. */
  events(o: {
    since?: string | undefined
    until?: string | undefined
    filters?: Filters
  }): AsyncGenerator<EventMessage> {
    return this.#t.lines('GET', '/events', {
      query: { since: o.since, until: o.until, filters: encodeFilters(o.filters) },
    })
  }

  diskUsage(): Promise<DiskUsage> {
    return this.#t.json('GET', '/system/df')
  }
}

/** `/volumes`. */
export class Volumes {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(filters?: Filters): Promise<{ Volumes: VolumeInfo[] | null; Warnings: string[] | null }> {
    return this.#t.json('GET', '/volumes', { query: { filters: encodeFilters(filters) } })
  }

  create(body: {
    Name?: string
    Driver?: string
    DriverOpts?: Record<string, string>
    Labels?: Record<string, string>
  }): Promise<VolumeInfo> {
    return this.#t.json('POST', '/volumes/create', { body })
  }

  inspect(name: string): Promise<VolumeInfo> {
    return this.#t.json('GET', `/volumes/${encodeURIComponent(name)}`)
  }

  remove(name: string, o: { force?: boolean } = {}): Promise<boolean> {
    return this.#t.send('DELETE', `/volumes/${encodeURIComponent(name)}`, {
      query: { force: o.force || undefined },
    })
  }

  prune(filters?: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#t.json('POST', '/volumes/prune', { query: { filters: encodeFilters(filters) } })
  }
}

/** `/networks`. */
export class Networks {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(filters?: Filters): Promise<NetworkInfo[]> {
    return this.#t.json('GET', '/networks', { query: { filters: encodeFilters(filters) } })
  }

  inspect(name: string, o: { verbose?: boolean } = {}): Promise<NetworkInfo> {
    return this.#t.json('GET', `/networks/${encodeURIComponent(name)}`, {
      query: { verbose: o.verbose || undefined },
    })
  }

  prune(filters?: Filters): Promise<{ NetworksDeleted: string[] | null }> {
    return this.#t.json('POST', '/networks/prune', { query: { filters: encodeFilters(filters) } })
  }
}
