import { bool, bytesMap, message, messageMap, messages, nested, string, stringMap } from './message.ts'
import { Definition } from './ops.ts'
import { Status } from './status.ts'
import { WorkerRecord } from './worker.ts'

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

export const EvaluateRequest = message({ Ref: string(1) })
