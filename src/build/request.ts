import type { Duplex, Readable } from 'node:stream'
import { EngineError } from '../lib/errors.ts'
import { formatPlatform, parsePlatform } from '../image/index.ts'
import type { Op } from '../lib/op.ts'
import type { TreeSync } from './context/tree-sync.ts'
import type { StepSettings } from './graph/works.ts'
import type { Resources, Ulimit } from '../wire/container.ts'
import type { Platform } from '../wire/registry.ts'
import type { AuthConfig } from '../wire/registry.ts'
import type { VertexInfo } from './solver/vertex.ts'
import type { Attestations } from './attest/attester.ts'
import type { OutputRequest } from './output/attrs.ts'
import type { CacheImport } from './remote-cache/sources.ts'

export interface BuildRequest {
  /** The id of the build's record, letters and digits; absent: a new one. */
  readonly ref?: string
  readonly context: ContextRequest
  /** By name as in `FROM name` and `COPY --from=name`, where they stand in for stages and images. */
  readonly contexts?: Readonly<Record<string, ContextRequest>>
  /** Path in the context; absolute on the host only for directory contexts. */
  readonly dockerfile: string
  /** Used in place of the file; `dockerfile` still names it. */
  readonly dockerfileText?: string
  /** With `dockerfileText`: what stands in `NAME.dockerignore` beside it. Absent: the context's own file counts. */
  readonly ignoreText?: string
  /** Names for outputs that are images. */
  readonly tags: readonly string[]
  /** What becomes of the result; none: an image of the local store. */
  readonly outputs?: readonly OutputRequest[]
  /** Caches of other machines, believed as to what steps give. */
  readonly cacheFrom?: readonly CacheImport[]
  /** Said of the image beside it; every output has to carry manifests then. */
  readonly attestations?: Attestations
  /** Where this build's cache is written: `inline`, `local` (with `send`) and `registry`, in BuildKit's words. */
  readonly cacheTo?: readonly OutputRequest[]
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  /** What counts of the checks, in the words of the `check` directive. */
  readonly checkOptions?: string
  readonly noCache: boolean
  /** Nothing is run, and no record kept: the result tells of each step whether it would run, and why. */
  readonly explain?: boolean
  /** A step that fails is looked at before the build ends: it ends with its caller then. */
  readonly shell?: boolean
  /** Ask registries for every base image, also for those that are here. */
  readonly pull?: boolean
  /** Stages of which everything runs, by name in any case or as `stage-N`. */
  readonly noCacheFilter?: readonly string[]
  /** The same image at any time and from any checkout: SOURCE_DATE_EPOCH (a build argument) or a fixed day for all times. */
  readonly reproducible?: boolean
  /** Builds twice, the second time without cache; what differs is an error. */
  readonly verify?: boolean
  readonly labels: Readonly<Record<string, string>>
  /** Of the image, as `linux/arm64/v8`; several, with commas: an image for each. Absent: this host's. */
  readonly platform?: string
  /** `default`, `bridge`, `host` or `none`, for RUN. */
  readonly networkMode?: string
  /** What steps may use if they ask for it: `network.host`. */
  readonly allow?: readonly string[]
  readonly secrets?: SecretSource
  readonly ssh?: SshSource
  /** For pulls and pushes. */
  readonly auth?: AuthSource
  /** `name:ip` for /etc/hosts of RUN steps, `host-gateway` included; part of their cache key, as the two below. */
  readonly addHosts?: readonly string[]
  readonly ulimits?: readonly Ulimit[]
  /** Bytes of /dev/shm in RUN steps. */
  readonly shmSize?: number
  /** Limits of each RUN step; no part of its cache key. */
  readonly resources?: StepResources
  /** Parent of the steps' cgroups in place of the daemon's. */
  readonly cgroupParent?: string
}

/** Where files come from: the build context, or a named one. */
export type ContextRequest =
  /** A directory of this host, read in place: whoever asks has been found entitled to all of it. */
  | { readonly kind: 'directory'; readonly path: string }
  /** A tar, plain or compressed. */
  | { readonly kind: 'tar'; readonly stream: Readable }
  /** No files at all: what a Dockerfile by itself has. */
  | { readonly kind: 'empty' }
  /** A directory of the client's: what is wanted of it is brought here, and kept so that only changes travel again. */
  | { readonly kind: 'synced'; readonly source: SyncSource }
  /** A git repository or what an http(s) URL gives (a tar, or for the context a Dockerfile), as docker writes them. */
  | { readonly kind: 'remote'; readonly url: string }
  /** Named contexts alone: an image by name or ID. */
  | { readonly kind: 'image'; readonly reference: string }
  /** Named contexts alone: an image in a directory in OCI layout; `tag` or `digest` when it has several. */
  | { readonly kind: 'oci-layout'; readonly path: string; readonly tag?: string; readonly digest?: string }

export interface SyncSource {
  /** Names the directory among those of all clients; absent: nothing of it is kept. */
  readonly key?: string
  /** Lists to `tree` what is there, and gives the content that it wants; returns the bytes that travelled. */
  fetch(op: Op, tree: TreeSync, wanted: SyncWants): Promise<number>
  /** One text of it, without the rest: undefined when there is none. */
  readFile(op: Op, path: string): Promise<string | undefined>
}

/** What of a directory is wanted. */
export interface SyncWants {
  /** Paths and wildcards; links in them and at their ends are followed. Absent: all. */
  readonly paths?: readonly string[]
  /** Lines of an ignore file. */
  readonly excludes: readonly string[]
}

/** What `RUN --mount=type=secret` gets: asked when a step needs it, kept in memory alone. */
export interface SecretSource {
  get(op: Op, id: string): Promise<Uint8Array | undefined>
}

/** Credentials for registries. Kept in memory alone. */
export interface AuthSource {
  /** By host name as in references: `docker.io`, `localhost:5000`. */
  of(op: Op, host: string): Promise<AuthConfig | undefined>
}

/** Agents that `RUN --mount=type=ssh` and git use. */
export interface SshSource {
  has(id: string): boolean
  /** A connection of its own to the agent of that id. */
  connect(op: Op, id: string): Promise<Duplex>
}

export type StepResources = Pick<
  Resources,
  'Memory' | 'MemorySwap' | 'CpuShares' | 'CpuPeriod' | 'CpuQuota' | 'CpusetCpus' | 'CpusetMems'
>

export function secretsOf(values: ReadonlyMap<string, Uint8Array>): SecretSource {
  return { get: (_op, id) => Promise.resolve(values.get(id)) }
}

/** What all RUN steps get. Throws kind `invalid` for what could not be given to any. */
export function stepSettings(request: BuildRequest): StepSettings | undefined {
  const { addHosts = [], ulimits = [], shmSize } = request
  for (const entry of addHosts)
    if (!/^[^:=]+[:=](?:host-gateway|\[?[0-9a-fA-F:.]+\]?)$/.test(entry))
      throw new EngineError('invalid', `bad format for add-host: ${JSON.stringify(entry)}`)
  const settings: StepSettings = {
    ...(addHosts.length > 0 && { addHosts }),
    ...(ulimits.length > 0 && { ulimits }),
    ...(shmSize !== undefined && shmSize > 0 && { shmSize }),
  }
  return Object.keys(settings).length > 0 ? settings : undefined
}

/** Which steps run though their results are known. */
export function freshSteps(request: BuildRequest): boolean | ((vertex: VertexInfo) => boolean) {
  const { noCache, noCacheFilter = [] } = request
  if (noCache || noCacheFilter.length === 0) return noCache
  const stages = new Set(noCacheFilter.map((name) => name.toLowerCase()))
  return ({ step }) => step !== undefined && stages.has(step.stage.toLowerCase())
}

/** Whether RUN --network=host is granted. Throws kind `unsupported` or `invalid` for anything else that is to be. */
export function allowsHostNetwork({ allow = [] }: BuildRequest): boolean {
  for (const name of allow) {
    if (name === 'security.insecure')
      throw new EngineError('unsupported', '--allow security.insecure: build steps get no extra privileges')
    if (/^device(?:=|$)/.test(name))
      throw new EngineError('unsupported', `--allow ${name}: build steps get no devices of this host`)
    if (name !== 'network.host') throw new EngineError('invalid', `unknown entitlement ${name}`)
  }
  return allow.includes('network.host')
}

/** What images are for, each once; empty: nobody said. Throws kind `invalid` or `unsupported`. */
export function targetPlatforms({ platform = '' }: BuildRequest): Platform[] {
  const names = platform.split(',').map((name) => name.trim())
  const targets = names.filter((name) => name !== '').map(parsePlatform)
  if (targets.some(({ os }) => os !== 'linux'))
    throw new EngineError('unsupported', `--platform ${platform}: images are built for linux alone`)
  return [...new Map(targets.map((target) => [formatPlatform(target), target])).values()]
}
