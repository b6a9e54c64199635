import {
  bytes,
  byteStrings,
  message,
  messageMap,
  messages,
  nested,
  string,
  stringMap,
  int64,
} from './message.ts'

/** pb.Definition: a graph of operations (LLB), each encoded by itself; about each, by its digest, what clients want to know. */
export const Definition = message({ def: byteStrings(1), metadata: messageMap(2, message({})) })

/** pb.SourceInfo: a Dockerfile's text. */
export const SourceInfo = message({ filename: string(1), data: bytes(2), language: string(4) })

const Input = message({ digest: string(1), index: int64(2) })
const SourceOp = message({ identifier: string(1), attrs: stringMap(2) })
/** pb.Op, as far as we read it. */
export const Op = message({ inputs: messages(1, Input), source: nested(3, SourceOp) })
