import {
  connect,
  type ClientHttp2Session,
  type ClientHttp2Stream,
  type IncomingHttpHeaders,
} from 'node:http2'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import type { Op } from '../../../lib/op.ts'
import type { Message } from '../proto/message.ts'
import { batchesOf, frame } from './frames.ts'
import { decode } from './server.ts'
import { Code, errorFromTrailers, GrpcError } from './status.ts'

export type Metadata = Readonly<Record<string, string | readonly string[]>>

/** A call under way: messages both ways. */
export interface ClientCall<In, Out> {
  /** Ends when the other side is done; throws its GrpcError. */
  readonly messages: AsyncIterable<Out>
  /** The same in larger pieces, in place of `messages`. */
  readonly batches: AsyncIterable<readonly Out[]>
  send(value: In): Promise<void>
  /** No more from here. */
  end(): void
  cancel(): void
}

interface Shapes<In, Out> {
  readonly request: Message<unknown, In>
  readonly response: Message<Out, never>
}

/** The calling side of gRPC on a connection that the other side opened. */
export class GrpcClient {
  readonly #session: ClientHttp2Session
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>

  constructor(op: Op, socket: Duplex) {
    this.#session = connect('http://session', {
      createConnection: () => socket,
      settings: { enablePush: false, initialWindowSize: 4 << 20 },
    })
    this.#session.on('error', (error) => op.log.debug('session connection failed', { error }))
    this.#session.once('remoteSettings', () => this.#session.setLocalWindowSize(16 << 20))
    this.closed = new Promise((resolve) => this.#session.once('close', resolve))
  }

  close(): void {
    this.#session.destroy()
  }

  open<In, Out>(op: Op, path: string, o: Shapes<In, Out> & { metadata?: Metadata }): ClientCall<In, Out> {
    op.signal.throwIfAborted()
    if (this.#session.destroyed || this.#session.closed)
      throw new GrpcError(Code.unavailable, 'the client’s session has ended')
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...o.metadata,
    })
    const onAbort = () => stream.close(8 /* CANCEL */)
    op.signal.addEventListener('abort', onAbort, { once: true })
    stream.once('close', () => op.signal.removeEventListener('abort', onAbort))
    const status = statusOf(stream)
    const batches = received(op, { stream, status, shape: o.response })
    return {
      messages: one(batches),
      batches,
      send: async (value) => {
        if (stream.destroyed || !stream.writable) throw (await status) ?? gone()
        if (!stream.write(frame(o.request.encode(value)))) await writable(op, stream)
      },
      end: () => stream.end(),
      cancel: onAbort,
    }
  }

  /** One message each way. */
  async unary<In, Out>(
    op: Op,
    path: string,
    o: Shapes<In, Out> & { request: Message<unknown, In>; value: In; metadata?: Metadata },
  ): Promise<Out> {
    const call = this.open(op, path, o)
    await call.send(o.value)
    call.end()
    let answer: Out | undefined
    for await (const message of call.messages) answer ??= message
    if (answer === undefined) throw new GrpcError(Code.internal, `${path} gave no answer`)
    return answer
  }
}

const gone = () => new GrpcError(Code.unavailable, 'the client’s session has ended')

async function writable(op: Op, stream: ClientHttp2Stream): Promise<void> {
  const over = new AbortController()
  const onClose = () => over.abort(gone())
  stream.once('close', onClose)
  try {
    await once(stream, 'drain', { signal: AbortSignal.any([op.signal, over.signal]) })
  } catch (error) {
    op.signal.throwIfAborted()
    throw over.signal.aborted ? gone() : error
  } finally {
    stream.off('close', onClose)
  }
}

/** How the call ended: undefined is well. */
function statusOf(stream: ClientHttp2Stream): Promise<GrpcError | undefined> {
  return new Promise((resolve) => {
    stream.on('response', (headers: IncomingHttpHeaders) => {
      if (headers[':status'] !== undefined && Number(headers[':status']) !== 200)
        resolve(
          new GrpcError(Code.unavailable, `the client answered with status ${String(headers[':status'])}`),
        )
      else if ('grpc-status' in headers) resolve(errorFromTrailers(headers))
    })
    stream.on('trailers', (headers: IncomingHttpHeaders) => resolve(errorFromTrailers(headers)))
    stream.on('error', (error) => resolve(new GrpcError(Code.unavailable, error.message)))
    stream.on('close', () => resolve(gone()))
  })
}

async function* one<T>(batches: AsyncIterable<T[]>): AsyncGenerator<T, void, undefined> {
  for await (const batch of batches) yield* batch
}

async function* received<Out>(
  op: Op,
  o: { stream: ClientHttp2Stream; status: Promise<GrpcError | undefined>; shape: Message<Out, never> },
): AsyncGenerator<Out[], void, undefined> {
  try {
    for await (const batch of batchesOf(o.stream)) yield batch.map((bytes) => decode(o.shape, bytes))
  } catch (error) {
    op.signal.throwIfAborted()
    // What the other side says about its end is more than that the stream broke.
    if (error instanceof GrpcError) throw error
    throw (await o.status) ?? error
  }
  const failure = await o.status
  op.signal.throwIfAborted()
  if (failure) throw failure
}
