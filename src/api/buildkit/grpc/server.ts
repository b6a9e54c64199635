import { performServerHandshake, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import { isAbort } from '../../../lib/errors.ts'
import type { Op } from '../../../lib/op.ts'
import type { Message } from '../proto/message.ts'
import { frame, messagesOf } from './frames.ts'
import { asGrpcError, Code, GrpcError, statusTrailers } from './status.ts'

/** What a call brings. `op` ends when the caller gives up or the connection breaks. */
export interface Call {
  readonly op: Op
  readonly metadata: IncomingHttpHeaders
  /** What is to be done when the connection has ended, and all calls on it. */
  readonly connection: AsyncDisposableStack
}

/** Both directions of a call, in encoded messages. */
interface Wire {
  readonly messages: AsyncIterable<Buffer>
  send(message: Uint8Array): Promise<void>
}

/** A method of a service, by its path `/package.Service/Method`. */
export interface Method {
  readonly path: string
  run(call: Call, wire: Wire): Promise<void>
}

interface Shapes<In, Out> {
  readonly request: Message<In, never>
  readonly response: Message<unknown, Out>
}

/** One message in, one out. */
export function unary<In, Out>(
  path: string,
  shapes: Shapes<In, Out>,
  handler: (call: Call, request: In) => Promise<Out> | Out,
): Method {
  return {
    path,
    run: async (call, wire) => {
      const request = await only(wire.messages, shapes.request)
      await wire.send(shapes.response.encode(await handler(call, request)))
    },
  }
}

/** One message in, any number out. */
export function serverStream<In, Out>(
  path: string,
  shapes: Shapes<In, Out>,
  handler: (call: Call, request: In) => AsyncIterable<Out>,
): Method {
  return {
    path,
    run: async (call, wire) => {
      const request = await only(wire.messages, shapes.request)
      for await (const value of handler(call, request)) await wire.send(shapes.response.encode(value))
    },
  }
}

/** Any number both ways, at any time. */
export function bidirectional<In, Out>(
  path: string,
  shapes: Shapes<In, Out>,
  handler: (call: Call, o: { messages: AsyncIterable<In>; send(value: Out): Promise<void> }) => Promise<void>,
): Method {
  return {
    path,
    run: (call, wire) =>
      handler(call, {
        messages: decoded(wire.messages, shapes.request),
        send: (value) => wire.send(shapes.response.encode(value)),
      }),
  }
}

/** Serves the methods on one connection until it ends. */
export async function serveGrpc(op: Op, socket: Duplex, methods: readonly Method[]): Promise<void> {
  const table = new Map(methods.map((method) => [method.path, method]))
  await using connection = new AsyncDisposableStack()
  const session = performServerHandshake(socket, {
    settings: { initialWindowSize: 1 << 20 },
    maxSessionMemory: 64,
  })
  const running = new Set<Promise<void>>()
  const closed = new Promise<void>((resolve) => session.once('close', resolve))
  session.on('error', (error) => op.log.debug('gRPC connection failed', { error }))
  session.on('stream', (stream, headers) => {
    const work = serveCall(op, { stream, headers, table, connection })
    running.add(work)
    void work.finally(() => running.delete(work))
  })
  const onAbort = () => session.destroy()
  op.signal.addEventListener('abort', onAbort, { once: true })
  if (op.signal.aborted) onAbort()
  await closed
  op.signal.removeEventListener('abort', onAbort)
  await Promise.all(running)
}

async function serveCall(
  op: Op,
  o: {
    stream: ServerHttp2Stream
    headers: IncomingHttpHeaders
    table: ReadonlyMap<string, Method>
    connection: AsyncDisposableStack
  },
): Promise<void> {
  const { stream, headers, table, connection } = o
  const path = headers[':path'] ?? ''
  const over = new AbortController()
  stream.on('error', (error) => op.log.debug('gRPC call failed', { path, error }))
  stream.once('close', () => over.abort())
  const signals = [op.signal, over.signal, ...deadline(headers['grpc-timeout'])]
  const inner: Op = { ...op, signal: AbortSignal.any(signals) }
  let failure: GrpcError | undefined
  stream.once('wantTrailers', () => stream.sendTrailers(statusTrailers(failure)))
  try {
    const method = table.get(path)
    if (!method) throw new GrpcError(Code.unimplemented, `unknown method ${path}`)
    await method.run(
      { op: inner, metadata: headers, connection },
      {
        // Left after the first message of several, a stream must still be able to answer.
        messages: messagesOf(stream.iterator({ destroyOnReturn: false })),
        send: async (message) => {
          inner.signal.throwIfAborted()
          if (!stream.headersSent) stream.respond(answer, { waitForTrailers: true })
          if (!stream.write(frame(message))) await once(stream, 'drain', { signal: inner.signal })
        },
      },
    )
    if (stream.destroyed) return
    if (!stream.headersSent) stream.respond(answer, { waitForTrailers: true })
  } catch (error) {
    // The caller has gone: nobody is there to be told.
    if (stream.destroyed) {
      if (!isAbort(error)) op.log.debug('gRPC call ended without its caller', { path, error })
      return
    }
    failure = asGrpcError(error)
    op.log.debug('gRPC call refused', { path, code: failure.code, message: failure.message })
    if (!stream.headersSent) {
      stream.respond({ ...answer, ...statusTrailers(failure) }, { endStream: true })
      stream.resume()
      return
    }
  }
  stream.end()
  // A message that nobody reads would keep the stream open.
  stream.resume()
}

const answer = { ':status': 200, 'content-type': 'application/grpc' }

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** The caller's patience. */
function deadline(header: string | string[] | undefined): AbortSignal[] {
  const [, value, unit] = /^(\d{1,8})([HMSmun])$/.exec(String(header)) ?? []
  const ms = Number(value) * (units[unit ?? ''] ?? Number.NaN)
  return Number.isFinite(ms) && ms < 2 ** 31 ? [AbortSignal.timeout(Math.ceil(ms))] : []
}

async function only<In>(messages: AsyncIterable<Buffer>, shape: Message<In, never>): Promise<In> {
  for await (const value of decoded(messages, shape)) return value
  throw new GrpcError(Code.invalidArgument, 'a call without its message')
}

async function* decoded<In>(
  messages: AsyncIterable<Buffer>,
  shape: Message<In, never>,
): AsyncGenerator<In, void, undefined> {
  for await (const bytes of messages) yield decode(shape, bytes)
}

export function decode<In>(shape: Message<In, never>, bytes: Uint8Array): In {
  try {
    return shape.decode(bytes)
  } catch (cause) {
    throw new GrpcError(Code.invalidArgument, `a message that cannot be read: ${String(cause)}`)
  }
}
