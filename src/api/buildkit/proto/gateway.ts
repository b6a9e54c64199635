import {
  bool,
  bytes,
  byteStrings,
  bytesMap,
  int64,
  message,
  messageMap,
  messages,
  nested,
  string,
  stringMap,
} from './message.ts'
import { Definition } from './ops.ts'
import { Stat } from './fsutil.ts'
import { Status } from './status.ts'
import { Platform, Range, WorkerRecord } from './worker.ts'

/** Messages of moby.buildkit.v1.frontend.LLBBridge. */

const Ref = message({ id: string(1), def: nested(2, Definition) })
export const Result = message({
  refDeprecated: string(1),
  ref: nested(3, Ref),
  refs: nested(4, message({ refs: messageMap(1, Ref) })),
  metadata: bytesMap(10),
})

export const SolveRequest = message({
  Definition: nested(1, Definition),
  Frontend: string(2),
  FrontendOpt: stringMap(3),
  allowResultReturn: bool(5),
  allowResultArrayRef: bool(6),
  CacheImports: messages(12, message({ Type: string(1), Attrs: stringMap(2) })),
  FrontendInputs: messageMap(13, Definition),
  Evaluate: bool(14),
})
export const SolveResponse = message({ ref: string(1), result: nested(3, Result) })

export const ReturnRequest = message({ result: nested(1, Result), error: nested(2, Status) })
export const Empty = message({})

const APICap = message({ ID: string(1), Enabled: bool(2) })
export const PongResponse = message({
  FrontendAPICaps: messages(1, APICap),
  LLBCaps: messages(2, APICap),
  Workers: messages(3, WorkerRecord),
})

export const ResolveImageConfigRequest = message({
  Ref: string(1),
  platform: nested(2, Platform),
  ResolveMode: string(3),
})
export const ResolveImageConfigResponse = message({ Digest: string(1), Config: bytes(2), Ref: string(3) })

export const ReadFileRequest = message({
  Ref: string(1),
  FilePath: string(2),
  Range: nested(3, message({ Offset: int64(1), Length: int64(2) })),
})
export const ReadFileResponse = message({ Data: bytes(1) })
export const ReadDirRequest = message({ Ref: string(1), DirPath: string(2), IncludePattern: string(3) })
export const ReadDirResponse = message({ entries: messages(1, Stat) })
export const StatFileRequest = message({ Ref: string(1), Path: string(2) })
export const StatFileResponse = message({ stat: nested(1, Stat) })
export const EvaluateRequest = message({ Ref: string(1) })

export const WarnRequest = message({
  digest: string(1),
  level: int64(2),
  short: bytes(3),
  detail: byteStrings(4),
  url: string(5),
  ranges: messages(7, Range),
})
