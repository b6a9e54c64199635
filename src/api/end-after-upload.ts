import type { IncomingMessage, ServerResponse } from 'node:http'

/** How long a client may take to see that its upload was refused. Milliseconds. */
const uploadLinger = 5_000

/**
 * Ends an answer that was given before the request was read in full. Closed at once, its sender would see a broken pipe in
 * place of the answer: what still comes is thrown away for a while.
 */
export function endAfterUpload(request: IncomingMessage, response: ServerResponse): void {
  const timer = setTimeout(() => response.end(), uploadLinger)
  request.once('end', () => response.end())
  response.once('close', () => clearTimeout(timer))
  request.unpipe()
  request.resume()
}
