import { bytes, int32, message, messages, string } from './message.ts'

export const Any = message({ typeUrl: string(1), value: bytes(2) })
/** google.rpc.Status */
export const Status = message({ code: int32(1), message: string(2), details: messages(3, Any) })
