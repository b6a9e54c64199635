import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import type { Op } from '../../lib/op.ts'
import { DetachFilter } from './detach-keys.ts'
import { RelayStream } from '../../runtime/index.ts'
import type { HijackedConnection } from './route.ts'

/** How long a client may keep its half of the connection after ours has ended. Milliseconds. */
const lingerTime = 10_000

export const rawStream = 'application/vnd.docker.raw-stream'
export const multiplexedStream = 'application/vnd.docker.multiplexed-stream'

/** 101: from now on the socket is the stream. */
export function upgradeConnection(
  socket: Duplex,
  head: Buffer,
  headers: readonly string[],
): HijackedConnection {
  socket.write(
    ['HTTP/1.1 101 UPGRADED', 'Connection: Upgrade', 'Upgrade: tcp', ...headers, '', ''].join('\r\n'),
  )
  if (head.length > 0) socket.unshift(head)
  return {
    input: socket,
    output: socket,
    close() {
      // Closed with input unread, the client would see a reset in place of the end.
      socket.end()
      if (socket.destroyed || socket.readableEnded) return
      socket.resume()
      const timer = setTimeout(() => socket.destroy(), lingerTime)
      socket.once('close', () => clearTimeout(timer))
    },
  }
}

/** 101: from now on the connection speaks HTTP/2. */
export function upgradeToHttp2(socket: Duplex, head: Buffer): Duplex {
  socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')
  if (head.length > 0) socket.unshift(head)
  // There is no half of such a connection: without this, a client that was killed would stay.
  socket.once('end', () => socket.destroy())
  return socket
}

/** 200 without a length: output until close; the request's body, where there is one, is stdin. */
export function plainConnection(
  request: IncomingMessage,
  response: ServerResponse,
  contentType: string,
): HijackedConnection {
  response.setHeader('Connection', 'close')
  response.removeHeader('Transfer-Encoding')
  response.writeHead(200, { 'Content-Type': contentType })
  response.flushHeaders()
  return { input: request, output: response, close: () => void response.end() }
}

export interface RelayOptions {
  /** What the end of the client's input means: close stdin, leave the container alone, or nothing (no stdin). */
  readonly inputEnd: 'close-stdin' | 'detach' | 'ignore'
  /** For terminals: typed in a row they detach. */
  readonly detachKeys?: Buffer | undefined
  /** What clients ask for as soon as the output ends, such as an exit code: the end waits for it, but not for long. */
  readonly settled?: Promise<unknown>
}

/** A process may close its output long before it ends. Milliseconds. */
const settleTime = 1_000

/** Joins a client and a container's stdio until the output is over, the client detaches or it vanishes. */
export async function relay(
  op: Op,
  connection: HijackedConnection,
  stream: Duplex,
  o: RelayOptions,
): Promise<void> {
  const { input, output } = connection
  const { promise: over, resolve: finish } = Promise.withResolvers<void>()
  const onError = (error: Error) => op.log.debug('attached stream failed', { error })
  for (const side of [stream, input, output]) side.on('error', onError)
  if (o.inputEnd === 'ignore') input.resume()
  else {
    const source: Readable = o.detachKeys ? input.pipe(new DetachFilter(o.detachKeys, finish)) : input
    source.pipe(stream, { end: o.inputEnd === 'close-stdin' })
    if (o.inputEnd === 'detach') source.once('end', finish)
  }
  stream.once('end', finish)
  stream.once('close', finish)
  output.once('close', finish)
  op.signal.addEventListener('abort', () => finish(), { once: true })
  if (!op.signal.aborted) {
    if (stream instanceof RelayStream) stream.pour(output)
    else stream.pipe(output, { end: false })
    await over
    if (stream instanceof RelayStream) stream.unpour()
    else stream.unpipe(output)
    if (o.settled && stream.readableEnded)
      await Promise.race([o.settled, delay(settleTime, undefined, { ref: false })])
  }
  stream.destroy()
  connection.close()
}
