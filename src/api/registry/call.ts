import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry, Repository } from '../../distribution/index.ts'
import type { Op } from '../../lib/op.ts'
import type { Identity } from './access.ts'
import type { BodyBudget } from './body-budget.ts'

/** Bounds on what clients may send. */
export interface Limits {
  /** Bytes of one blob. */
  readonly maxBlobSize: number
  /** Bytes of one manifest; the specification asks for 4 MiB at least ("Pushing Manifests"). */
  readonly maxManifestSize: number
  /** Bytes of all manifests that are being received. */
  readonly maxManifestMemory: number
}

/** One request. `op` ends when the client vanishes, `committed` when the server stops. */
export interface Call {
  readonly op: Op
  readonly committed: Op
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly registry: Registry
  readonly limits: Limits
  readonly bodies: BodyBudget
  /** Whom it comes from. */
  readonly identity: Identity
}

/** One request for something in a repository. */
export interface RepositoryCall extends Call {
  readonly repository: Repository
}
