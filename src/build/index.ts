/**
 * Images from Dockerfiles: text → syntax tree (`dockerfile/`) → graph of content-addressed vertices (`graph/`) →
 * solver (`solver/`, knows nothing of Dockerfiles) → layers (`exec/`) → image. A cache record keeps the inputs of its
 * key, so that a miss can be explained. A build that ends, fails or is cancelled leaves nothing but its record
 * (`history/`), layers that a cache record or an image holds, and for a while what a failed step wrote (`failed/`);
 * `Builder.open` removes what a crash left.
 */
export { Builder, type BuilderOptions } from './builder.ts'
export { gcFilter, type GcConfig } from './cache/gc-config.ts'
export { cacheFilterOf, parseCacheFilter } from './cache/filter.ts'
export { lastUseOf, noLimits, type CachePolicy } from './cache/policy.ts'
export type { CacheItem } from './cache/item.ts'
export type { Collected } from './cache/collector.ts'
export {
  secretsOf,
  type BuildRequest,
  type ContextRequest,
  type SecretSource,
  type SshSource,
  type StepResources,
  type SyncSource,
  type SyncWants,
} from './request.ts'
export type { SyncEntry } from './context/tree-sync.ts'
export { BuildError } from './dockerfile/source.ts'
export { parseCheckOptions } from './checks/index.ts'
export { applyChanges } from './changes.ts'
export { BuildHistory, historyLimits, parseEvent, type HistoryLimits } from './history/history.ts'
export type { BuildRecord } from './history/record.ts'
export type { OutputRequest, SendTar } from './output/attrs.ts'
export type { ExporterResponse } from './output/deliver.ts'
export type { AuthSource } from './request.ts'
export type { Attestations } from './attest/attester.ts'
export type { CacheImport } from './remote-cache/sources.ts'
