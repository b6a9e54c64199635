import type { Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import type { Networks } from '../../network/index.ts'
import type { OciMount, Runtime } from '../../runtime/index.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { RunStep } from '../graph/works.ts'
import type { ScanThread } from '../context/scan-thread.ts'
import type { SecretSource, SshSource, StepResources } from '../request.ts'
import type { Web } from '../source/web.ts'
import type { StepSpace } from './workspace.ts'
import type { EarlierCopy } from '../cache/step-cache.ts'
import type { Json } from '../solver/vertex.ts'
import type { CacheMounts } from './cache-mounts.ts'
import type { Times } from './times.ts'

/** What steps work with. */
export interface Tools {
  readonly snapshots: Snapshots
  readonly runtime: Runtime
  readonly networks: Networks
  readonly cacheMounts: CacheMounts
  /** What RUN may mount with type=secret. */
  readonly secrets: SecretSource
  readonly ssh?: SshSource
  readonly web: Web
  /** Ends with the build. */
  readonly undo: AsyncDisposableStack
  readonly scanner: ScanThread
  /** Holds what steps make until a record or an image does. */
  readonly lease: Lease
  /** One directory per running step: its bundle, and how a crash is noticed. */
  readonly runDir: string
  readonly cgroupParent: string
  /** Told of each workspace as it is made. */
  readonly onSpace?: (space: StepSpace) => void
  /** Takes over what a RUN leaves that fails, for people to look at. */
  readonly keepFailed?: (op: Op, failed: FailedRun) => void
  readonly resources: StepResources
  /** Brings layers here that are known, but still elsewhere. */
  readonly ensure: (op: Op, layers: readonly Digest[]) => Promise<void>
  /** The layer of an earlier COPY with the same definition, whatever its files and base were; absent: none is to be used. */
  readonly earlierCopy?: (definition: Json) => EarlierCopy | undefined
  /** Absent: files and layers have the times at which they were made. */
  readonly times?: Times
}

/** A RUN that failed, while all of it is still there. */
export interface FailedRun {
  readonly step: RunStep
  /** What the command wrote in. */
  readonly space: StepSpace
  /** That one, and those that its mounts are in. */
  readonly spaces: readonly StepSpace[]
  readonly mounts: readonly OciMount[]
}
