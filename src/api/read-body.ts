import type { IncomingMessage } from 'node:http'

/**
 * The body of a request, whole. Throws what `tooLarge` makes as soon as more than `max` bytes have come; the request is not
 * destroyed then, so that its sender can see the answer (`endAfterUpload`).
 */
export async function readBody(
  request: IncomingMessage,
  o: { max: number; tooLarge: () => Error },
): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > o.max) throw o.tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
