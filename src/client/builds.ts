import type { BuildEvent } from '../wire/build.ts'
import type {
  BuildDetail,
  BuildRemoval,
  BuildShellRequest,
  BuildShellState,
  BuildSummary,
} from '../wire/builds.ts'
import { encodeFilters, type Filters } from './filters.ts'
import type { Hijacked, Transport } from './transport.ts'

const at = (ref: string) => `/gantry/builds/${encodeURIComponent(ref === '' ? 'latest' : ref)}`

/** Records of builds: Gantry's own calls. A `ref` is an id, the beginning of one, `^N`, or empty for the newest. */
export class Builds {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(filters?: Filters): Promise<BuildSummary[]> {
    return this.#t.json('GET', '/gantry/builds', { query: { filters: encodeFilters(filters) } })
  }

  inspect(ref: string): Promise<BuildDetail> {
    return this.#t.json('GET', at(ref))
  }

  /** `follow`: to the end of a build that runs. `step`: of one vertex alone. */
  log(ref: string, o: { follow?: boolean; step?: string | undefined } = {}): AsyncGenerator<BuildEvent> {
    return this.#t.lines('GET', `${at(ref)}/log`, { query: { follow: o.follow || undefined, step: o.step } })
  }

  remove(ref: string): Promise<BuildRemoval> {
    return this.#t.json('DELETE', at(ref))
  }

  /** All that have ended, or those that the filters name. */
  prune(filters?: Filters): Promise<BuildRemoval> {
    return this.#t.json('POST', '/gantry/builds/prune', { query: { filters: encodeFilters(filters) } })
  }

  /** A shell in a failed step, as the stream of an exec. It ends with the connection. */
  shell(ref: string, body: BuildShellRequest): Promise<Hijacked> {
    return this.#t.hijack('POST', `${at(ref)}/shell`, { body })
  }

  shellState(ref: string): Promise<BuildShellState> {
    return this.#t.json('GET', `${at(ref)}/shell`)
  }

  resizeShell(ref: string, size: { rows: number; columns: number }): Promise<boolean> {
    return this.#t.send('POST', `${at(ref)}/shell/resize`, { query: { h: size.rows, w: size.columns } })
  }
}
