import type { Networks } from '../../network/index.ts'
import type { Runtime } from '../../runtime/index.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { ScanThread } from '../context/scan-thread.ts'
import type { SecretSource, StepResources } from '../request.ts'
import type { CacheMounts } from './cache-mounts.ts'

/** What steps work with. */
export interface Tools {
  readonly snapshots: Snapshots
  readonly runtime: Runtime
  readonly networks: Networks
  readonly cacheMounts: CacheMounts
  /** What RUN may mount with type=secret. */
  readonly secrets: SecretSource
  readonly scanner: ScanThread
  /** Holds what steps make until a record or an image does. */
  readonly lease: Lease
  /** One directory per running step: its bundle, and how a crash is noticed. */
  readonly runDir: string
  readonly cgroupParent: string
  readonly resources: StepResources
}
