import type { Readable } from 'node:stream'
import type {
  ContainerCreateBody,
  ContainerCreateResponse,
  ContainerInspect,
  ContainerSummary,
  ExecConfig,
  ExecInspect,
  ExecStartBody,
  PortCheckInfo,
  ResourceUpdate,
  TopResponse,
  WaitResponse,
} from '../wire/container.ts'
import { pathStatHeader, type ContainerPathStat } from '../wire/path-stat.ts'
import type { ContainerStats } from '../wire/stats.ts'
import { encodeFilters, type Filters } from './filters.ts'
import { readAll, type Hijacked, type Transport } from './transport.ts'

export interface AttachOptions {
  readonly stdin?: boolean
  readonly stdout?: boolean
  readonly stderr?: boolean
  /** Output from before as well. */
  readonly logs?: boolean
  readonly detachKeys?: string | undefined
  readonly signal?: AbortSignal
}

export interface LogOptions {
  readonly follow?: boolean
  readonly stdout?: boolean
  readonly stderr?: boolean
  readonly timestamps?: boolean
  readonly details?: boolean
  /** Unix time, `seconds.nanoseconds`. */
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly tail?: string
  readonly signal?: AbortSignal
}

/** Output of a container; multiplexed unless it has a terminal (`raw`). */
export interface Output {
  readonly raw: boolean
  readonly stream: Readable
}

export interface StopOptions {
  readonly signal?: string | undefined
  /** Seconds before the kill; -1 waits forever. */
  readonly timeout?: number | undefined
}

export interface CommitOptions {
  readonly repo?: string | undefined
  readonly tag?: string | undefined
  readonly author?: string | undefined
  readonly comment?: string | undefined
  readonly changes?: readonly string[]
  /** Unless false, nothing of the container runs meanwhile. */
  readonly pause?: boolean
}

/** A registered wait: it cannot miss an exit after `registered`. */
export interface Waiter {
  readonly result: Promise<WaitResponse>
}

function readPathStat(headers: ReadonlyMap<string, string>): ContainerPathStat {
  const text = headers.get(pathStatHeader.toLowerCase()) ?? ''
  // The daemon's API is the contract here.
  return JSON.parse(Buffer.from(text, 'base64').toString()) as ContainerPathStat
}

const at = (id: string, action = '') => `/containers/${encodeURIComponent(id)}${action}`

/** The `/containers` and `/exec` part of the API. */
export class Containers {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(
    o: { all?: boolean; limit?: number | undefined; size?: boolean; filters?: Filters } = {},
  ): Promise<ContainerSummary[]> {
    return this.#t.json('GET', '/containers/json', {
      query: {
        all: o.all || undefined,
        limit: o.limit,
        size: o.size || undefined,
        filters: encodeFilters(o.filters),
      },
    })
  }

  create(
    body: ContainerCreateBody,
    o: { name?: string | undefined; platform?: string | undefined } = {},
  ): Promise<ContainerCreateResponse> {
    return this.#t.json('POST', '/containers/create', {
      query: { name: o.name || undefined, platform: o.platform || undefined },
      body,
    })
  }

  inspect(id: string, o: { size?: boolean } = {}): Promise<ContainerInspect> {
    return this.#t.json('GET', at(id, '/json'), { query: { size: o.size || undefined } })
  }

  /** Who can reach its published ports. */
  checkPorts(id: string): Promise<{ Ports: PortCheckInfo[] }> {
    return this.#t.json('GET', `/gantry/containers/${encodeURIComponent(id)}/ports`)
  }

  /** Ports and names of `from` lead to the container from now on. */
  takeOver(id: string, from: string): Promise<boolean> {
    return this.#t.send('POST', `/gantry${at(id, '/take-over')}`, { query: { from } })
  }

  /** How many connections of clients it serves. */
  async connections(id: string): Promise<number> {
    return (await this.#t.json<{ Connections: number }>('GET', `/gantry${at(id, '/connections')}`))
      .Connections
  }

  /** False when it was running already. */
  start(id: string, o: { detachKeys?: string | undefined } = {}): Promise<boolean> {
    return this.#t.send('POST', at(id, '/start'), { query: { detachKeys: o.detachKeys || undefined } })
  }

  /** False when it was stopped already. */
  stop(id: string, o: StopOptions = {}): Promise<boolean> {
    return this.#t.send('POST', at(id, '/stop'), { query: { signal: o.signal, t: o.timeout } })
  }

  restart(id: string, o: StopOptions = {}): Promise<boolean> {
    return this.#t.send('POST', at(id, '/restart'), { query: { signal: o.signal, t: o.timeout } })
  }

  kill(id: string, signal?: string): Promise<boolean> {
    return this.#t.send('POST', at(id, '/kill'), { query: { signal } })
  }

  pause(id: string): Promise<boolean> {
    return this.#t.send('POST', at(id, '/pause'))
  }

  unpause(id: string): Promise<boolean> {
    return this.#t.send('POST', at(id, '/unpause'))
  }

  rename(id: string, name: string): Promise<boolean> {
    return this.#t.send('POST', at(id, '/rename'), { query: { name } })
  }

  remove(id: string, o: { force?: boolean; volumes?: boolean; link?: boolean } = {}): Promise<boolean> {
    return this.#t.send('DELETE', at(id), {
      query: { force: o.force || undefined, v: o.volumes || undefined, link: o.link || undefined },
    })
  }

  /** Resolves once the daemon has registered the wait; the exit itself is `result`. */
  async wait(
    id: string,
    condition: 'not-running' | 'next-exit' | 'removed' = 'not-running',
    signal?: AbortSignal,
  ): Promise<Waiter> {
    const response = await this.#t.request('POST', at(id, '/wait'), { query: { condition }, signal })
    const read = async (): Promise<WaitResponse> =>
      // The daemon's API says what this is.
      JSON.parse((await readAll(response.body)).toString('utf8')) as WaitResponse
    const result = read()
    // The caller may look at it only after other work has failed.
    result.catch(() => {})
    return { result }
  }

  top(id: string, psArgs?: string): Promise<TopResponse> {
    return this.#t.json('GET', at(id, '/top'), { query: { ps_args: psArgs || undefined } })
  }

  async logs(id: string, o: LogOptions): Promise<Output> {
    const response = await this.#t.request('GET', at(id, '/logs'), {
      query: {
        follow: o.follow || undefined,
        stdout: o.stdout ?? true,
        stderr: o.stderr ?? true,
        timestamps: o.timestamps || undefined,
        details: o.details || undefined,
        since: o.since,
        until: o.until,
        tail: o.tail,
      },
      signal: o.signal,
    })
    return {
      raw: response.headers.get('content-type') === 'application/vnd.docker.raw-stream',
      stream: response.body,
    }
  }

  /** What it changed of its image's files: modified 0, added 1, deleted 2. */
  changes(id: string): Promise<{ Path: string; Kind: 0 | 1 | 2 }[] | null> {
    return this.#t.json('GET', at(id, '/changes'))
  }

  /** Its whole file system as a tar. */
  async export(id: string): Promise<Readable> {
    return (await this.#t.request('GET', at(id, '/export'))).body
  }

  /** Makes an image of it. `changes` are Dockerfile instructions. */
  commit(id: string, o: CommitOptions = {}): Promise<{ Id: string }> {
    const { repo, tag, author, comment, changes } = o
    return this.#t.json('POST', '/commit', {
      query: { container: id, repo, tag, author, comment, changes, pause: o.pause ?? true },
      body: {},
    })
  }

  /** What it uses, each second; without `stream` one answer, and with `oneShot` that at once, without a figure for the CPU. */
  stats(
    id: string,
    o: { stream?: boolean; oneShot?: boolean; signal?: AbortSignal } = {},
  ): AsyncGenerator<ContainerStats> {
    return this.#t.lines('GET', at(id, '/stats'), {
      query: { stream: o.stream ?? false, 'one-shot': o.oneShot || undefined },
      signal: o.signal,
    })
  }

  /** Changes limits and the restart policy. */
  update(id: string, change: ResourceUpdate): Promise<{ Warnings: string[] | null }> {
    return this.#t.json('POST', at(id, '/update'), { body: change })
  }

  /** What is at a path of its file system. */
  async statPath(id: string, path: string): Promise<ContainerPathStat> {
    const response = await this.#t.request('HEAD', at(id, '/archive'), { query: { path } })
    response.body.resume()
    return readPathStat(response.headers)
  }

  /** A tar of what is at a path. */
  async archive(id: string, path: string): Promise<{ stat: ContainerPathStat; tar: Readable }> {
    const response = await this.#t.request('GET', at(id, '/archive'), { query: { path } })
    return { stat: readPathStat(response.headers), tar: response.body }
  }

  /** Unpacks a tar in a directory of the container, running or not. `copyUidGid`: the container's user owns what comes. */
  putArchive(
    id: string,
    o: { path: string; archive: Readable; noOverwriteDirNonDir?: boolean; copyUidGid?: boolean },
  ): Promise<boolean> {
    return this.#t.send('PUT', at(id, '/archive'), {
      query: {
        path: o.path,
        noOverwriteDirNonDir: o.noOverwriteDirNonDir || undefined,
        copyUIDGID: o.copyUidGid || undefined,
      },
      stream: o.archive,
      headers: { 'Content-Type': 'application/x-tar' },
    })
  }

  /** A live two-way stream. Before `start` it waits for the first byte. */
  attach(id: string, o: AttachOptions): Promise<Hijacked> {
    return this.#t.hijack('POST', at(id, '/attach'), {
      query: {
        stream: true,
        stdin: o.stdin || undefined,
        stdout: o.stdout || undefined,
        stderr: o.stderr || undefined,
        logs: o.logs || undefined,
        detachKeys: o.detachKeys || undefined,
      },
      signal: o.signal,
    })
  }

  resize(id: string, size: { rows: number; columns: number }): Promise<boolean> {
    return this.#t.send('POST', at(id, '/resize'), { query: { h: size.rows, w: size.columns } })
  }

  prune(filters?: Filters): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
    return this.#t.json('POST', '/containers/prune', { query: { filters: encodeFilters(filters) } })
  }

  async createExec(id: string, config: ExecConfig): Promise<string> {
    return (await this.#t.json<{ Id: string }>('POST', at(id, '/exec'), { body: config })).Id
  }

  startExec(execId: string, body: ExecStartBody): Promise<Hijacked> {
    return this.#t.hijack('POST', `/exec/${execId}/start`, { body })
  }

  startExecDetached(execId: string, body: ExecStartBody = {}): Promise<boolean> {
    return this.#t.send('POST', `/exec/${execId}/start`, { body: { ...body, Detach: true } })
  }

  inspectExec(execId: string): Promise<ExecInspect> {
    return this.#t.json('GET', `/exec/${execId}/json`)
  }

  resizeExec(execId: string, size: { rows: number; columns: number }): Promise<boolean> {
    return this.#t.send('POST', `/exec/${execId}/resize`, { query: { h: size.rows, w: size.columns } })
  }
}
