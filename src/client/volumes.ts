import type { Readable } from 'node:stream'
import type {
  TrashedVolumeInfo,
  VolumeInfo,
  VolumePrunePlan,
  VolumePruneReport,
  VolumePruneRequest,
} from '../wire/system.ts'
import { encodeFilters, type Filters } from './filters.ts'
import type { Transport } from './transport.ts'

/** `/volumes`, and what Gantry adds to it. */
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

  /** As docker does it: at once and for good. */
  prune(filters?: Filters): Promise<{ VolumesDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#t.json('POST', '/volumes/prune', { query: { filters: encodeFilters(filters) } })
  }

  /** What a prune would take. */
  planPrune(filters?: Filters): Promise<VolumePrunePlan> {
    return this.#t.json('GET', '/gantry/volumes/prune', { query: { filters: encodeFilters(filters) } })
  }

  /** Takes what was planned, but what came into use since. */
  prunePlanned(body: VolumePruneRequest): Promise<VolumePruneReport> {
    return this.#t.json('POST', '/gantry/volumes/prune', { body })
  }

  trash(): Promise<{ Volumes: TrashedVolumeInfo[] }> {
    return this.#t.json('GET', '/gantry/volumes/trash')
  }

  emptyTrash(): Promise<{ VolumesDeleted: string[] }> {
    return this.#t.json('DELETE', '/gantry/volumes/trash')
  }

  /** `ref`: a name, or the id of a piece of trash. */
  restore(ref: string, o: { to?: string | undefined } = {}): Promise<VolumeInfo> {
    return this.#t.json('POST', `/gantry/volumes/trash/${encodeURIComponent(ref)}/restore`, {
      query: { to: o.to },
    })
  }

  clone(name: string, to: string): Promise<VolumeInfo> {
    return this.#t.json('POST', `/gantry/volumes/${encodeURIComponent(name)}/clone`, { query: { to } })
  }

  rename(name: string, to: string): Promise<VolumeInfo> {
    return this.#t.json('POST', `/gantry/volumes/${encodeURIComponent(name)}/rename`, { query: { to } })
  }

  /** The content as a tar. */
  async export(name: string): Promise<Readable> {
    return (await this.#t.request('GET', `/gantry/volumes/${encodeURIComponent(name)}/export`)).body
  }

  /** `force`: over what the volume has already. */
  import(name: string, archive: Readable, o: { force?: boolean } = {}): Promise<VolumeInfo> {
    return this.#t.json('POST', `/gantry/volumes/${encodeURIComponent(name)}/import`, {
      query: { force: o.force || undefined },
      stream: archive,
      headers: { 'Content-Type': 'application/x-tar' },
    })
  }
}
