import type { BuildCacheInfo } from '../wire/build-cache.ts'
import type { ContainerSummary, EndpointSettings } from '../wire/container.ts'
import type { ImageSummary } from '../wire/image.ts'
import type {
  EventMessage,
  NetworkCreateBody,
  NetworkInfo,
  SystemInfo,
  VersionResponse,
  VolumeInfo,
} from '../wire/system.ts'
import { encodeFilters, type Filters } from './filters.ts'
import { decodeLines, type Transport } from './transport.ts'

/** Answer of `GET /system/df`. Sizes in bytes. */
export interface DiskUsage {
  LayersSize: number
  Images: ImageSummary[] | null
  Containers: ContainerSummary[] | null
  Volumes: VolumeInfo[] | null
  BuildCache: BuildCacheInfo[] | null
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
    signal?: AbortSignal
  }): AsyncGenerator<EventMessage> {
    return this.#t.lines('GET', '/events', {
      query: { since: o.since, until: o.until, filters: encodeFilters(o.filters) },
      signal: o.signal,
    })
  }

  /** Events from now on: when this resolves the daemon has begun to listen, and nothing that happens later is missed. */
  async watch(o: { filters?: Filters; signal?: AbortSignal }): Promise<AsyncGenerator<EventMessage>> {
    const { body } = await this.#t.request('GET', '/events', {
      query: { filters: encodeFilters(o.filters) },
      signal: o.signal,
    })
    return decodeLines<EventMessage>(body)
  }

  diskUsage(): Promise<DiskUsage> {
    return this.#t.json('GET', '/system/df')
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

  create(body: NetworkCreateBody): Promise<{ Id: string; Warning: string }> {
    return this.#t.json('POST', '/networks/create', { body })
  }

  remove(name: string): Promise<boolean> {
    return this.#t.send('DELETE', `/networks/${encodeURIComponent(name)}`)
  }

  connect(name: string, container: string, settings: EndpointSettings = {}): Promise<boolean> {
    return this.#t.send('POST', `/networks/${encodeURIComponent(name)}/connect`, {
      body: { Container: container, EndpointConfig: settings },
    })
  }

  disconnect(name: string, container: string, o: { force?: boolean } = {}): Promise<boolean> {
    return this.#t.send('POST', `/networks/${encodeURIComponent(name)}/disconnect`, {
      body: { Container: container, Force: o.force ?? false },
    })
  }

  prune(filters?: Filters): Promise<{ NetworksDeleted: string[] | null }> {
    return this.#t.json('POST', '/networks/prune', { query: { filters: encodeFilters(filters) } })
  }
}
