import type { Readable } from 'node:stream'

/** The first `max` bytes of a stream, and whether they are all; what is longer is given up with the stream. */
export async function readStart(body: Readable, max: number): Promise<{ data: Buffer; whole: boolean }> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    size += chunk.length
    if (size > max) return { data: Buffer.concat(chunks).subarray(0, max), whole: false }
  }
  return { data: Buffer.concat(chunks), whole: true }
}
