import type { Resources, Ulimit } from './container.ts'

/**
 * Progress of a build, as NDJSON of `POST /gantry/build`: BuildKit's model in small. A build is a set of vertices;
 * each is announced, may be started, and ends completed, cached or failed. The last line of a stream is `result` or `error`.
 * Times are Unix milliseconds.
 */
export type BuildEvent =
  | VertexEvent
  | LogEvent
  | StatusEvent
  | WarningEvent
  | BuildErrorEvent
  | BuildResultEvent

/** The whole state of one vertex: each event replaces the last one of the same id. */
export interface VertexEvent {
  type: 'vertex'
  /** Names the vertex within this build, in order of first appearance: `1`, `2`, … */
  id: string
  /** As people read it: `[builder 2/4] RUN make`, `[internal] load .dockerignore`, `exporting to image`. */
  name: string
  started?: number
  completed?: number
  cached: boolean
  error?: string
  /** Names the vertex's work, the same in every build of it; those that it builds on, by digest. */
  digest?: string
  inputs?: string[]
  /** Why no earlier result served although one was close, a sentence part each: `src/app.ts (content)`. */
  miss?: string[]
  /** Present for instructions of the Dockerfile. */
  step?: BuildStep
}

export interface BuildStep {
  /** Stage name, or `stage-N`. */
  stage: string
  /** 1-based index of the step in its stage and how many it has. */
  index: number
  total: number
  /** First and last line in the Dockerfile, 1-based. */
  startLine: number
  endLine: number
  /** The instruction as written, on one line: `RUN make`. */
  text: string
}

/** Output of a step. */
export interface LogEvent {
  type: 'log'
  vertex: string
  stream: 1 | 2
  /** UTF-8 text, not split at lines. */
  data: string
  /** When it was written; absent: now. */
  time?: number
}

/** A line below a vertex: `writing image sha256:…`, `naming to docker.io/library/app:latest`, `transferring context: 3.2kB`. */
export interface StatusEvent {
  type: 'status'
  vertex: string
  text: string
  started: number
  completed?: number
}

export interface WarningEvent {
  type: 'warning'
  /** One sentence. */
  message: string
  /** Rule name as docker's build checks call it (`UndefinedVar`), when it has one. */
  rule?: string
  /** Absent: `warning`. */
  level?: 'warning' | 'error'
  /** What the rule is about, and where more is said. */
  description?: string
  url?: string
  /** How it is better written: lines of a Dockerfile. */
  better?: string
  file?: string
  startLine?: number
  endLine?: number
}

export interface BuildErrorEvent {
  type: 'error'
  /** One sentence, docker's text where docker has one. */
  message: string
  kind: string
  /** The Dockerfile lines with a caret, ready to print; ends with a newline. */
  excerpt?: string
  /** Id of the build's record. */
  build?: string
  /** What may help, one sentence each. */
  hints?: string[]
  /** The failed step is kept: `POST /gantry/builds/ID/shell` looks into it. */
  shell?: boolean
}

export interface BuildResultEvent {
  type: 'result'
  /** Digest of the image's config; empty when the build gave files and no image. */
  imageId: string
  /** Familiar names given to the image. */
  tags: string[]
  /** What exporters say, under BuildKit's keys: `containerimage.digest`, `image.name`, … */
  response?: Readonly<Record<string, unknown>>
  /** Id of the build's record. */
  build?: string
  /** Nothing was built: this is what would have been. */
  explanation?: StepExplanation[]
}

/** What a build would do with a step. `follows`: it depends on what a step before it gives, which would run. */
export interface StepExplanation {
  name: string
  step: BuildStep
  state: 'hit' | 'miss' | 'follows'
  why: string[]
}

/** An absolute path on the host of both sides; device and inode (decimal) prove that both mean the same. */
export interface HostPath {
  path: string
  dev: string
  ino: string
}

export type NamedContextQuery =
  | ({ kind: 'directory' } & HostPath)
  /** Its place among the tars that come before the context: see `BuildQuery.sent`. */
  | { kind: 'sent'; index: number }
  | { kind: 'remote'; url: string }
  | { kind: 'image'; reference: string }
  | ({ kind: 'oci-layout'; tag?: string; digest?: string } & HostPath)

/** Body-less parameters of `POST /gantry/build`, sent as one JSON query parameter `request`. */
export interface BuildQuery {
  /** The context directory, when the daemon can read it in place. */
  context?: HostPath
  /** In place of a directory or a tar: an URL of a repository, an archive or a Dockerfile. */
  remote?: string
  /** Neither: there are no files but the Dockerfile. */
  empty?: boolean
  /** By name, for FROM and `--from`. */
  contexts?: Record<string, NamedContextQuery>
  /** Sockets of SSH agents on the host of both sides, by id. */
  ssh?: Record<string, HostPath>
  /** As `linux/arm64`. */
  platform?: string
  /** Path inside the context, or an absolute path on the host (directory contexts only). */
  dockerfile: string
  /** The Dockerfile's text, when the client read it itself (`-f -`). */
  dockerfileText?: string
  tags: string[]
  buildArgs: Record<string, string>
  target?: string
  /** What counts of the checks: `skip=RULE;error=true`. */
  checkOptions?: string
  noCache: boolean
  /** Nothing is run: the result tells of each step whether it would be. */
  explain?: boolean
  /** A step that fails is looked at: the stream stays open behind an `error` with `shell`, and secrets stay in memory so long. */
  shell?: boolean
  /** Ask registries for every base image, also for those that are here. */
  pull?: boolean
  /** Stages of which everything runs. */
  noCacheFilter?: string[]
  reproducible?: boolean
  verify?: boolean
  labels: Record<string, string>
  networkMode?: string
  /** What steps may use if they ask for it: `network.host`. */
  allow?: string[]
  /** `name:ip`, for /etc/hosts of RUN. */
  addHosts?: string[]
  ulimits?: Ulimit[]
  /** Bytes. */
  shmSize?: number
  resources?: Pick<
    Resources,
    'Memory' | 'MemorySwap' | 'CpuShares' | 'CpuPeriod' | 'CpuQuota' | 'CpusetCpus' | 'CpusetMems'
  >
  cgroupParent?: string
  /** Exporters and their attributes. One that is `sent` comes back as a tar: see build-stream.ts. */
  outputs?: { type: string; attrs: Record<string, string>; sent: boolean }[]
  /** Directories are of this host, with dev and ino as for the context. */
  cacheFrom?: (
    | { kind: 'local'; path: string; dev: string; ino: string; tag?: string; digest?: string }
    | { kind: 'registry'; reference: string }
  )[]
  attestations?: { sbom?: boolean; provenance?: 'min' | 'max' }
  /** As outputs; their channels follow those of the outputs. */
  cacheTo?: { type: string; attrs: Record<string, string>; sent: boolean }[]
  /** The body begins with so many bytes of JSON: secrets by id, in base64. A context that is sent follows. */
  secretBytes?: number
  /** So many tars of named contexts follow the secrets, each as chunks: four bytes of length (big-endian), data; a length of 0 ends it. */
  sent?: number
}
