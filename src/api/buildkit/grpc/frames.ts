import { Code, GrpcError } from './status.ts'

/** Longest message that we take: BuildKit's own limit. */
const maxMessage = 16 << 20

/** A message as it travels: uncompressed, with its length before it. */
export function frame(message: Uint8Array): Buffer {
  const out = Buffer.allocUnsafe(5 + message.length)
  out[0] = 0
  out.writeUInt32BE(message.length, 1)
  out.set(message, 5)
  return out
}

/** The messages of a body. */
export async function* messagesOf(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  for await (const batch of batchesOf(body)) yield* batch
}

/** The messages of a body, as many at once as came: where they are small and many, a promise for each costs most. */
export async function* batchesOf(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer[], void, undefined> {
  let rest: Buffer[] = []
  let have = 0
  let want = 5
  for await (const chunk of body) {
    rest.push(chunk)
    have += chunk.length
    if (have < want) continue
    let bytes = rest.length === 1 ? chunk : Buffer.concat(rest, have)
    const batch: Buffer[] = []
    for (;;) {
      want = 5
      if (bytes.length < want) break
      const length = lengthOf(bytes)
      want += length
      if (bytes.length < want) break
      batch.push(bytes.subarray(5, want))
      bytes = bytes.subarray(want)
    }
    rest = bytes.length > 0 ? [bytes] : []
    have = bytes.length
    if (batch.length > 0) yield batch
  }
  if (have > 0) throw new GrpcError(Code.internal, 'a call ended inside a message')
}

function lengthOf(head: Buffer): number {
  if (head[0] !== 0) throw new GrpcError(Code.unimplemented, 'compressed messages are not supported')
  const length = head.readUInt32BE(1)
  if (length > maxMessage)
    throw new GrpcError(Code.invalidArgument, `a message of ${length} bytes is longer than ${maxMessage}`)
  return length
}
