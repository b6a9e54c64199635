import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Logger } from '../../lib/log.ts'

/** Bytes a second that a client must send or take on average while it is its turn. */
const minRate = 1024
/** Looks at every connection within one timeout. */
const looks = 4

interface Watched {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  /** Since when the client is waited for, and how much had moved by then. */
  since: number
  moved: number
}

/**
 * Ends connections whose client sends or takes nothing, or next to nothing, while it is waited for. How long the server itself
 * needs, for a disk or for S3, is not the client's fault and does not count.
 */
export class SlowClients {
  readonly #timeout: number
  readonly #log: Logger
  readonly #watched = new Set<Watched>()
  readonly #timer: NodeJS.Timeout
  ended = 0

  constructor(o: { timeout: number; log: Logger }) {
    this.#timeout = o.timeout
    this.#log = o.log
    this.#timer = setInterval(() => this.#look(performance.now()), o.timeout / looks).unref()
  }

  /** Watches every request of the server. */
  watch(server: Server): void {
    server.on('request', (request, response) => {
      const watched = { request, response, since: performance.now(), moved: movedBy(request) }
      this.#watched.add(watched)
      response.once('close', () => this.#watched.delete(watched))
    })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }

  #look(now: number): void {
    for (const watched of this.#watched) {
      const moved = movedBy(watched.request)
      const enough = moved - watched.moved >= (minRate * this.#timeout) / 1000
      if (enough || !isWaitedFor(watched)) {
        watched.since = now
        watched.moved = moved
      } else if (now - watched.since >= this.#timeout) this.#end(watched, moved - watched.moved)
    }
  }

  #end({ request, since }: Watched, bytes: number): void {
    this.ended++
    this.#log.info('a client was too slow', {
      client: request.socket.remoteAddress,
      method: request.method,
      path: request.url?.split('?', 1)[0],
      bytes,
      ms: Math.round(performance.now() - since),
    })
    request.socket.destroy()
  }
}

/** Bytes that came, and bytes that the kernel took. */
function movedBy({ socket }: IncomingMessage): number {
  return socket.bytesRead + socket.bytesWritten - socket.writableLength
}

/** For more of its request, or for it to take our answer. */
function isWaitedFor({ request, response }: Watched): boolean {
  const { socket } = request
  if (socket.writableLength > 0 || response.writableLength > 0) return true
  return !request.complete && request.readableLength === 0 && !socket.isPaused()
}
