/** Records of builds, as `GET /gantry/builds` gives them. Times are ISO 8601. */
import type { StatusEvent, VertexEvent, WarningEvent } from './build.ts'

/** `interrupted`: the daemon ended before the build did. */
export type BuildStatus = 'running' | 'completed' | 'error' | 'canceled' | 'interrupted'

export interface BuildSummary {
  id: string
  status: BuildStatus
  tags: string[]
  /** A path, a URL, or `-` for what was sent as an archive. */
  context: string
  dockerfile: string
  target?: string
  startedAt: string
  endedAt?: string
  /** Steps of the Dockerfile but FROM: all, those that have ended well, and those of them that came from the cache. */
  steps: { total: number; done: number; cached: number }
  warnings: number
  /** Size of the log. */
  logBytes: number
  imageId?: string
  /** A failed step is kept: `POST /gantry/builds/ID/shell` looks into it. */
  shell?: boolean
}

export interface BuildDetail extends BuildSummary {
  /** Values that look like secrets are `***`. */
  buildArgs: Record<string, string>
  labels: Record<string, string>
  noCache: boolean
  networkMode?: string
  platform?: string
  /** Final state of each vertex, in the order of their ids. */
  vertices: VertexEvent[]
  /** Lines below vertices that took time of their own. */
  statuses: StatusEvent[]
  warningList: WarningEvent[]
  error?: { message: string; kind: string; excerpt?: string; hints?: string[] }
}

export interface BuildRemoval {
  removed: string[]
}

/** Body of `POST /gantry/builds/ID/shell`, whose connection becomes the shell's stream as that of an exec. */
export interface BuildShellRequest {
  /** In place of a shell. */
  command?: string[]
  tty: boolean
  consoleSize?: [rows: number, columns: number]
}

export interface BuildShellState {
  running: boolean
  /** Of the last shell that ended. */
  exitCode: number | null
}
