import type { FileMode } from '../../lib/file-mode.ts'
import type { Digest } from '../../lib/digest.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Ulimit } from '../../wire/container.ts'
import type { Sharing } from '../dockerfile/mounts.ts'
import type { Work } from '../solver/vertex.ts'
import type { GitSource } from '../../lib/git-url.ts'
import type { Tree } from './tree.ts'

/** What the graph needs of the machine: work for each kind of vertex. The Dockerfile side knows no more of it. */
export interface Works {
  image(layers: readonly Digest[], createdAt: string): Work<Tree>
  /** `wanted` is complete once the graph is; `name`: of a named context, absent for the build's own. */
  context(wanted: ReadonlySet<string>, name?: string): Work<Tree>
  /** Inputs: the base tree (when `onBase`), then what its mounts take from. */
  run(step: RunStep): Work<Tree>
  /** Inputs: base tree (when `onBase`), then what its sources are taken from. */
  copy(step: CopyStep): Work<Tree>
  http(step: HttpStep): Work<Tree>
  git(step: GitStep): Work<Tree>
  workdir(step: WorkdirStep): Work<Tree>
  /** Inputs: trees, bottom first. The layers of one on those of the other. */
  stack(): Work<Tree>
}

const noWork = (): Work<Tree> => ({
  keys: [],
  run: () => Promise.reject(new EngineError('internal', 'a graph without work is not solved')),
})

/** For graphs of which only the config, or what is wrong with them, counts. */
export const noWorks: Works = {
  image: noWork,
  context: noWork,
  run: noWork,
  copy: noWork,
  http: noWork,
  git: noWork,
  workdir: noWork,
  stack: noWork,
}

/** What brings files here from elsewhere, and unpacks them. */
export type RemoteWorks = Pick<Works, 'http' | 'git' | 'copy'>

export interface RunStep {
  readonly args: readonly string[]
  readonly env: readonly string[]
  /** Not part of the key. */
  readonly proxyEnv: readonly string[]
  readonly cwd: string
  readonly user: string
  readonly network: 'bridge' | 'host' | 'none'
  readonly settings?: StepSettings
  /** Of the stage, where it is not this host's. */
  readonly platform?: string
  /** A script to run in place of a command, mounted at `/dev/pipes/NAME`. */
  readonly script?: { readonly name: string; readonly data: string }
  readonly onBase: boolean
  readonly mounts: readonly RunMount[]
}

/** What a build asks for all its RUN steps. */
export interface StepSettings {
  /** `name:ip`. */
  readonly addHosts?: readonly string[]
  readonly ulimits?: readonly Ulimit[]
  readonly shmSize?: number
}

interface MountBase {
  /** Absolute. */
  readonly target: string
  readonly readonly: boolean
}

/** `input` counts the step's inputs behind its base; absent: an empty tree. */
export type RunMount =
  | {
      readonly type: 'secret'
      readonly id: string
      /** Absolute; absent when only a variable is wanted. */
      readonly target?: string
      readonly env?: string
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  | {
      readonly type: 'ssh'
      readonly id: string
      /** Absolute path of the socket. */
      readonly target: string
      readonly required: boolean
      readonly mode: number
      readonly uid: number
      readonly gid: number
    }
  | (MountBase & { readonly type: 'tmpfs'; readonly size?: number })
  | (MountBase & {
      readonly type: 'bind'
      readonly from: 'context' | 'tree'
      readonly input?: number
      readonly path: string
      /** The pattern by which a scan knows the path. */
      readonly source: string
    })
  | (MountBase & {
      readonly type: 'cache'
      readonly id: string
      readonly sharing: Sharing
      /** Where the first content comes from. */
      readonly input?: number
      readonly path: string
      readonly source: string
      readonly mode?: number
      readonly uid?: number
      readonly gid?: number
    })

export interface CopySource {
  /** As a scan knows it. */
  readonly pattern: string
  /** Counts the step's inputs behind its base. */
  readonly input: number
  /** Files of a context belong to root; those of a tree keep their owners. */
  readonly from: 'context' | 'tree'
  /** Archives are unpacked. */
  readonly extract: boolean
}

export interface CopyStep {
  /** As faults name it. */
  readonly instruction?: 'COPY' | 'ADD'
  readonly sources: readonly CopySource[]
  readonly inline: readonly { readonly name: string; readonly data: string }[]
  /** Absolute; a trailing slash means a directory. */
  readonly target: string
  readonly chown?: string
  readonly mode?: FileMode
  /** Each source keeps its directories: it is written as `below(directory, pattern)`. */
  readonly parents: boolean
  /** Patterns of what is left out, relative to each source; for a file, to its directory. */
  readonly excludes: readonly string[]
  /** The copy is a layer by itself, for any base. */
  readonly link: boolean
  readonly onBase: boolean
}

/** ADD of an URL: a tree of one file. */
export interface HttpStep {
  readonly url: string
  /** Of the file. */
  readonly name: string
  /** `algorithm:hex`. */
  readonly checksum?: string
}

/** ADD of a repository: the tree of a commit. */
export interface GitStep {
  readonly source: GitSource
  /** A commit or its beginning. */
  readonly checksum?: string
  readonly keepGitDir: boolean
}

/** A source of a COPY that is not there; `pattern` is the source as the step has it. */
export class MissingSource extends EngineError {
  readonly pattern: string
  constructor(pattern: string, message: string) {
    super('not-found', message)
    this.name = 'MissingSource'
    this.pattern = pattern
  }
}

export interface WorkdirStep {
  readonly path: string
  readonly user: string
  readonly onBase: boolean
}
