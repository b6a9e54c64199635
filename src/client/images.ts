import type { Readable } from 'node:stream'
import type { BuildEvent, BuildQuery } from '../wire/build.ts'
import type { Ulimit } from '../wire/container.ts'
import type { CheckAnswer, CheckRequest } from '../wire/check.ts'
import type {
  ImageDeleteItem,
  ImageHistoryItem,
  ImageInspect,
  ImageSummary,
  ProgressMessage,
} from '../wire/image.ts'
import type { AuthConfig, Platform } from '../wire/registry.ts'
import { credentialsHeader } from './auth-headers.ts'
import { encodeFilters, type Filters } from './filters.ts'
import { buildStream, type OutputSink } from './build-stream.ts'
import type { RequestInput, Transport } from './transport.ts'

const streams = process.getBuiltinModule('node:stream')

/** Parameters of the classic build call, whose context is a tar. */
export interface TarBuildOptions {
  readonly dockerfile: string
  readonly tags: readonly string[]
  readonly buildArgs: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly target?: string | undefined
  readonly noCache: boolean
  readonly pull?: boolean
  readonly credentials?: Readonly<Record<string, AuthConfig>> | undefined
  readonly networkMode?: string | undefined
  /** Names of images whose layers may be taken. */
  readonly cacheFrom?: readonly string[]
  /** `name:ip` */
  readonly addHosts?: readonly string[] | undefined
  readonly ulimits?: readonly Ulimit[] | undefined
  /** Bytes. */
  readonly shmSize?: number | undefined
  readonly platform?: string | undefined
  readonly resources?: BuildQuery['resources']
  readonly cgroupParent?: string | undefined
  readonly signal?: AbortSignal
}

// The slashes of a repository stay: the daemon's route takes the rest of the path as the name.
export const imagePath = (name: string, action = '') =>
  `/images/${encodeURI(name).replace(/[?#]/g, encodeURIComponent)}${action}`

export const encodePlatform = (platform: Platform | undefined) => platform && JSON.stringify(platform)

/** The `/images` and `/build` part of the API. */
export class Images {
  readonly #t: Transport
  constructor(transport: Transport) {
    this.#t = transport
  }

  list(
    o: {
      all?: boolean
      filters?: Filters
      sharedSize?: boolean
      digests?: boolean
      manifests?: boolean
    } = {},
  ): Promise<ImageSummary[]> {
    return this.#t.json('GET', '/images/json', {
      query: {
        all: o.all || undefined,
        digests: o.digests || undefined,
        'shared-size': o.sharedSize || undefined,
        manifests: o.manifests || undefined,
        filters: encodeFilters(o.filters),
      },
    })
  }

  /** `platform`: of those that the name stands for. */
  inspect(name: string, o: { platform?: Platform | undefined } = {}): Promise<ImageInspect> {
    return this.#t.json('GET', imagePath(name, '/json'), { query: { platform: encodePlatform(o.platform) } })
  }

  history(name: string, o: { platform?: Platform | undefined } = {}): Promise<ImageHistoryItem[]> {
    return this.#t.json('GET', imagePath(name, '/history'), {
      query: { platform: encodePlatform(o.platform) },
    })
  }

  tag(source: string, target: { repo: string; tag: string }): Promise<boolean> {
    return this.#t.send('POST', imagePath(source, '/tag'), { query: target })
  }

  /** `platforms`: only these of those that the name stands for. */
  remove(
    name: string,
    o: { force?: boolean; noPrune?: boolean; platforms?: readonly Platform[] } = {},
  ): Promise<ImageDeleteItem[]> {
    return this.#t.json('DELETE', imagePath(name), {
      query: {
        force: o.force || undefined,
        noprune: o.noPrune || undefined,
        platforms: o.platforms?.map((platform) => JSON.stringify(platform)),
      },
    })
  }

  /** `platform`: only its images of the archive. */
  load(
    archive: Readable,
    o: { quiet?: boolean; platform?: Platform | undefined } = {},
  ): AsyncGenerator<ProgressMessage> {
    return this.#t.lines('POST', '/images/load', {
      query: { quiet: o.quiet ?? false, platform: encodePlatform(o.platform) },
      stream: archive,
      headers: { 'Content-Type': 'application/x-tar' },
    })
  }

  /** A tar of the images: OCI layout with docker's manifest.json. */
  async save(names: readonly string[], o: { platform?: Platform | undefined } = {}): Promise<Readable> {
    const query = { names, platform: encodePlatform(o.platform) }
    return (await this.#t.request('GET', '/images/get', { query })).body
  }

  /** Makes an image of a root file system. `source` is `-` (the archive is sent) or an URL that the daemon fetches. */
  import(o: {
    source: string
    archive?: Readable | undefined
    repo?: string | undefined
    tag?: string | undefined
    message?: string | undefined
    changes?: readonly string[]
    platform?: string | undefined
  }): AsyncGenerator<ProgressMessage> {
    return this.#t.lines('POST', '/images/create', {
      query: {
        fromSrc: o.source,
        repo: o.repo,
        tag: o.tag,
        message: o.message,
        platform: o.platform,
        changes: o.changes,
      },
      ...(o.archive && { stream: o.archive, headers: { 'Content-Type': 'application/x-tar' } }),
    })
  }

  prune(filters?: Filters): Promise<{ ImagesDeleted: ImageDeleteItem[] | null; SpaceReclaimed: number }> {
    return this.#t.json('POST', '/images/prune', { query: { filters: encodeFilters(filters) } })
  }

  /**
   * Gantry's own call, with a step by step account. Without `archive` the daemon reads the context directory in place:
   * `forbidden` or `invalid` when it cannot, or sees another file system; then the context has to go over as a tar.
   */
  buildWithEvents(
    request: BuildQuery,
    o: {
      archive?: Readable | undefined
      /** Named contexts that are sent, in their order. */
      archives?: readonly Readable[] | undefined
      /** By id; they go in the body, since request lines are logged on many a way. */
      secrets?: ReadonlyMap<string, Uint8Array> | undefined
      /** For the outputs that are sent, by their place in the request. */
      sinks?: ReadonlyMap<number, OutputSink> | undefined
      /** By address of their registries. */
      credentials?: Readonly<Record<string, AuthConfig>> | undefined
      signal?: AbortSignal | undefined
    } = {},
  ): AsyncGenerator<BuildEvent> {
    const headers = credentialsHeader(o.credentials)
    let input: RequestInput = { query: { request: JSON.stringify(request) }, headers, signal: o.signal }
    const { archive, archives = [], secrets = new Map<string, Uint8Array>() } = o
    if (secrets.size > 0 || archives.length > 0) {
      const entries = [...secrets].map(([id, value]) => [id, Buffer.from(value).toString('base64')])
      const head = secrets.size > 0 ? Buffer.from(JSON.stringify(Object.fromEntries(entries))) : undefined
      input = {
        ...input,
        query: { request: JSON.stringify({ ...request, ...(head && { secretBytes: head.length }) }) },
        stream: streams.Readable.from(buildBody(head, archives, archive), { objectMode: false }),
        headers: { ...headers, 'Content-Type': 'application/octet-stream' },
      }
    } else if (archive)
      input = { ...input, stream: archive, headers: { ...headers, 'Content-Type': 'application/x-tar' } }
    return o.sinks && o.sinks.size > 0
      ? buildStream(this.#t, input, o.sinks)
      : this.#t.lines('POST', '/gantry/build', input)
  }

  /** Gantry's own call: what is to be said of a Dockerfile without building it. */
  check(request: CheckRequest): Promise<CheckAnswer> {
    return this.#t.json('POST', '/gantry/build/check', { body: request })
  }

  /** Docker's call: the context goes over as a tar. */
  build(context: Readable, o: TarBuildOptions): AsyncGenerator<ProgressMessage> {
    return this.#t.lines('POST', '/build', {
      query: {
        t: o.tags,
        dockerfile: o.dockerfile,
        buildargs: JSON.stringify(o.buildArgs),
        labels: JSON.stringify(o.labels),
        target: o.target,
        nocache: o.noCache || undefined,
        pull: o.pull || undefined,
        networkmode: o.networkMode,
        cachefrom: o.cacheFrom && JSON.stringify(o.cacheFrom),
        extrahosts: o.addHosts,
        ulimits: o.ulimits && JSON.stringify(o.ulimits),
        shmsize: o.shmSize,
        platform: o.platform,
        memory: o.resources?.Memory,
        memswap: o.resources?.MemorySwap,
        cpushares: o.resources?.CpuShares,
        cpuperiod: o.resources?.CpuPeriod,
        cpuquota: o.resources?.CpuQuota,
        cpusetcpus: o.resources?.CpusetCpus,
        cpusetmems: o.resources?.CpusetMems,
        cgroupparent: o.cgroupParent,
        rm: true,
      },
      stream: context,
      headers: { ...credentialsHeader(o.credentials), 'Content-Type': 'application/x-tar' },
      signal: o.signal,
    })
  }
}

/** As `BuildQuery` says: secrets, named contexts in chunks, the context. */
async function* buildBody(
  head: Buffer | undefined,
  archives: readonly Readable[],
  archive: Readable | undefined,
): AsyncGenerator<Buffer> {
  if (head) yield head
  for (const each of archives) {
    for await (const chunk of each as AsyncIterable<Buffer>) yield* [lengthOf(chunk.length), chunk]
    yield lengthOf(0)
  }
  if (archive) yield* archive as AsyncIterable<Buffer>
}

function lengthOf(size: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(size)
  return bytes
}
