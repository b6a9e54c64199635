import {
  bool,
  bytes,
  byteStrings,
  int32,
  int64,
  message,
  messageMap,
  messages,
  nested,
  string,
  stringMap,
  strings,
  timestamp,
} from './message.ts'
import { Definition, SourceInfo } from './ops.ts'
import { Status } from './status.ts'
import { BuildkitVersion, Range, WorkerRecord } from './worker.ts'

/** Messages of moby.buildkit.v1.Control. */

const CacheOptionsEntry = message({ Type: string(1), Attrs: stringMap(2) })
const Exporter = message({ Type: string(1), Attrs: stringMap(2) })

export const SolveRequest = message({
  Ref: string(1),
  Definition: nested(2, Definition),
  Exporter: string(3),
  ExporterAttrs: stringMap(4),
  Session: string(5),
  Frontend: string(6),
  FrontendAttrs: stringMap(7),
  Cache: nested(
    8,
    message({
      exportRef: string(1),
      importRefs: strings(2),
      exportAttrs: stringMap(3),
      Exports: messages(4, CacheOptionsEntry),
      Imports: messages(5, CacheOptionsEntry),
    }),
  ),
  Entitlements: strings(9),
  FrontendInputs: messageMap(10, Definition),
  Internal: bool(11),
  SourcePolicy: nested(12, message({ version: int64(1) })),
  Exporters: messages(13, Exporter),
  EnableSessionExporter: bool(14),
})
export const SolveResponse = message({ ExporterResponse: stringMap(1) })

export const StatusRequest = message({ Ref: string(1) })

const Vertex = message({
  digest: string(1),
  inputs: strings(2),
  name: string(3),
  cached: bool(4),
  started: timestamp(5),
  completed: timestamp(6),
  error: string(7),
})
const VertexStatus = message({
  ID: string(1),
  vertex: string(2),
  name: string(3),
  current: int64(4),
  total: int64(5),
  timestamp: timestamp(6),
  started: timestamp(7),
  completed: timestamp(8),
})
const VertexLog = message({ vertex: string(1), timestamp: timestamp(2), stream: int64(3), msg: bytes(4) })
const VertexWarning = message({
  vertex: string(1),
  level: int64(2),
  short: bytes(3),
  detail: byteStrings(4),
  url: string(5),
  info: nested(6, SourceInfo),
  ranges: messages(7, Range),
})
export const StatusResponse = message({
  vertexes: messages(1, Vertex),
  statuses: messages(2, VertexStatus),
  logs: messages(3, VertexLog),
  warnings: messages(4, VertexWarning),
})

export const BytesMessage = message({ data: bytes(1) })

export const ListWorkersRequest = message({ filter: strings(1) })
export const ListWorkersResponse = message({ record: messages(1, WorkerRecord) })

export const InfoRequest = message({})
export const InfoResponse = message({ buildkitVersion: nested(1, BuildkitVersion) })

export const UsageRecord = message({
  ID: string(1),
  Mutable: bool(2),
  InUse: bool(3),
  Size: int64(4),
  CreatedAt: timestamp(6),
  LastUsedAt: timestamp(7),
  UsageCount: int64(8),
  Description: string(9),
  RecordType: string(10),
  Shared: bool(11),
  Parents: strings(12),
})
export const DiskUsageRequest = message({ filter: strings(1), ageLimit: int64(2) })
export const DiskUsageResponse = message({ record: messages(1, UsageRecord) })
export const PruneRequest = message({
  filter: strings(1),
  all: bool(2),
  keepDuration: int64(3),
  /** Once `keepBytes`. */
  reservedSpace: int64(4),
  maxUsedSpace: int64(5),
  minFreeSpace: int64(6),
})

export const BuildHistoryRequest = message({
  ActiveOnly: bool(1),
  Ref: string(2),
  EarlyExit: bool(3),
  Filter: strings(4),
  Limit: int32(5),
})
const BuildHistoryRecord = message({
  Ref: string(1),
  Frontend: string(2),
  FrontendAttrs: stringMap(3),
  Exporters: messages(4, Exporter),
  error: nested(5, Status),
  CreatedAt: timestamp(6),
  CompletedAt: timestamp(7),
  ExporterResponse: stringMap(9),
  numCachedSteps: int32(15),
  numTotalSteps: int32(16),
  numCompletedSteps: int32(17),
  numWarnings: int32(19),
})
export const BuildHistoryEvent = message({ type: int32(1), record: nested(2, BuildHistoryRecord) })
export const UpdateBuildHistoryRequest = message({
  Ref: string(1),
  Pinned: bool(2),
  Delete: bool(3),
  Finalize: bool(4),
})
export const UpdateBuildHistoryResponse = message({})
