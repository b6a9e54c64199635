/**
 * HTTP/1.1 as a client of one host: kept-alive connections, bodies of known length or chunked both ways, and upgrades
 * to a raw stream. Node's own client needs 12 ms for a process's first request, a third of what a short command takes
 * in all; this needs less than one. See docs/decisions/0004-command-line.md.
 */
import type { Socket } from 'node:net'
import type { Readable as NodeReadable } from 'node:stream'
import { EngineError } from '../lib/errors.ts'
import { abortReason } from '../lib/op.ts'

const { Readable } = process.getBuiltinModule('node:stream')

/** A head longer than this is no answer of a daemon. */
const maxHead = 64 * 1024

export interface HttpRequest {
  readonly method: string
  /** Path and query, encoded. */
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Sent chunked. */
  readonly stream?: NodeReadable | undefined
  readonly signal?: AbortSignal | undefined
}

/** The head of an answer is in; the body may still be on its way. */
export interface HttpResponse {
  readonly status: number
  readonly statusText: string
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Destroyed with an error when the connection is lost before its end. Destroying it closes the connection. */
  readonly body: NodeReadable
}

/** The connection after a 101; nothing of what came behind the head is lost. */
export interface Upgraded {
  readonly headers: ReadonlyMap<string, string>
  readonly socket: Socket
}

/** A kept-alive connection turned out to be closed before any of the answer came: the request may be sent again. */
export class StaleConnectionError extends Error {}

/** The connections to one host. A new one is opened whenever none is idle. */
export class HttpPool {
  readonly #open: () => Socket
  readonly #idle: Connection[] = []
  readonly #all = new Set<Connection>()

  constructor(open: () => Socket) {
    this.#open = open
  }

  /** Resolves with the head of the answer. Rejects with the socket's own error, or the signal's reason. */
  async request(request: HttpRequest): Promise<HttpResponse | Upgraded> {
    request.signal?.throwIfAborted()
    const connection = this.#idle.pop() ?? this.#connect()
    return connection.exchange(request)
  }

  /** Closes what is idle and, when it becomes idle, the rest. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy()
  }

  #connect(): Connection {
    const connection: Connection = new Connection(this.#open(), {
      idle: () => this.#idle.push(connection),
      gone: () => {
        this.#all.delete(connection)
        const index = this.#idle.indexOf(connection)
        if (index >= 0) this.#idle.splice(index, 1)
      },
    })
    this.#all.add(connection)
    return connection
  }
}

interface Exchange {
  readonly method: string
  resolve(answer: HttpResponse | Upgraded): void
  reject(error: Error): void
  /** Set when the head has come. */
  body?: NodeReadable
  release(): void
}

interface Owner {
  idle(): void
  gone(): void
}

type BodyKind = 'none' | 'length' | 'chunked' | 'until-close'
type ChunkPart = 'size' | 'data' | 'data-end' | 'trailer'

class Connection {
  readonly #socket: Socket
  readonly #owner: Owner
  #exchange: Exchange | undefined
  #used = false
  #head: Buffer = Buffer.alloc(0)
  #reading: 'head' | 'body' = 'head'
  #kind: BodyKind = 'none'
  #remaining = 0
  #part: ChunkPart = 'size'
  #line = ''
  #keepAlive = true
  /** Gives up the request's own body, while it is still going out. */
  #stopSending: (() => void) | undefined
  #error: Error | undefined

  constructor(socket: Socket, owner: Owner) {
    this.#socket = socket
    this.#owner = owner
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  exchange(request: HttpRequest): Promise<HttpResponse | Upgraded> {
    this.#socket.ref()
    this.#reading = 'head'
    return new Promise((resolve, reject) => {
      const abort = () => void this.#socket.destroy(abortReason(request.signal))
      request.signal?.addEventListener('abort', abort, { once: true })
      const release = () => request.signal?.removeEventListener('abort', abort)
      this.#exchange = { method: request.method, resolve, reject, release }
      this.#send(request)
    })
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #send({ method, target, headers, body, stream }: HttpRequest): void {
    let head = `${method} ${target} HTTP/1.1\r\n`
    for (const [name, value] of Object.entries(headers))
      head += `${name}: ${value.replaceAll(/[\r\n]/g, ' ')}\r\n`
    if (stream) head += 'Transfer-Encoding: chunked\r\n\r\n'
    else if (body !== undefined) head += `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    else head += method === 'GET' || method === 'HEAD' ? '\r\n' : 'Content-Length: 0\r\n\r\n'
    this.#socket.write(head)
    if (stream) this.#sendStream(stream)
  }

  #sendStream(stream: NodeReadable): void {
    const socket = this.#socket
    const onDrain = () => stream.resume()
    const stop = () => {
      socket.off('drain', onDrain)
      socket.off('close', stop)
      stream.destroy()
    }
    this.#stopSending = stop
    stream.on('data', (data: Buffer | string) => {
      const chunk = typeof data === 'string' ? Buffer.from(data) : data
      if (chunk.length === 0) return
      socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`)
      socket.write(chunk)
      const more = socket.write('\r\n')
      socket.uncork()
      if (!more) stream.pause()
    })
    socket.on('drain', onDrain)
    socket.on('close', stop)
    stream.on('end', () => {
      this.#stopSending = undefined
      socket.write('0\r\n\r\n')
      socket.off('drain', onDrain)
      socket.off('close', stop)
    })
    // What cannot be read in full must not look complete to the daemon.
    stream.on('error', (error) => socket.destroy(error))
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      let rest: Buffer | undefined = chunk
      while (rest !== undefined && rest.length > 0) {
        // Nothing was asked: the daemon says goodbye, or worse.
        if (!this.#exchange) return void this.#socket.destroy()
        rest = this.#reading === 'head' ? this.#readHead(rest) : this.#readBody(rest)
      }
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : new Error(String(error)))
    }
  }

  /** What belongs to the body; nothing while the head is not complete. */
  #readHead(chunk: Buffer): Buffer | undefined {
    this.#head = this.#head.length === 0 ? chunk : Buffer.concat([this.#head, chunk])
    const end = this.#head.indexOf('\r\n\r\n')
    if (end < 0) {
      if (this.#head.length > maxHead) throw malformed('a head without an end')
      return undefined
    }
    const text = this.#head.toString('latin1', 0, end)
    const rest = this.#head.subarray(end + 4)
    this.#head = Buffer.alloc(0)
    const { status, statusText, headers, version } = parseHead(text)
    if (status >= 100 && status < 200 && status !== 101) return rest
    const exchange = this.#exchange
    if (!exchange) return undefined
    if (status === 101) {
      this.#upgrade(exchange, headers, rest)
      return undefined
    }
    // Refused: nobody reads the rest, and a server that closes would break the pipe before we have read its reason.
    if (status >= 400) this.#stopSending?.()
    const connection = (headers.get('connection') ?? '').toLowerCase()
    this.#keepAlive = version === '1.1' ? !connection.includes('close') : connection.includes('keep-alive')
    this.#beginBody(exchange, status, headers)
    const body = new Readable({
      read: () => void this.#socket.resume(),
      destroy: (error, done) => {
        // Given up before its end, what is still to come makes the connection useless.
        if (this.#exchange === exchange) this.#socket.destroy()
        done(error)
      },
    })
    exchange.body = body
    exchange.resolve({ status, statusText, headers, body })
    if (this.#kind === 'none') this.#finish()
    return rest
  }

  #beginBody(exchange: Exchange, status: number, headers: ReadonlyMap<string, string>): void {
    this.#reading = 'body'
    this.#part = 'size'
    this.#line = ''
    const length = headers.get('content-length')
    if (exchange.method === 'HEAD' || status === 204 || status === 304) this.#kind = 'none'
    else if ((headers.get('transfer-encoding') ?? '').toLowerCase().includes('chunked'))
      this.#kind = 'chunked'
    else if (length !== undefined) {
      if (!/^\d+$/.test(length)) throw malformed(`a content length of ${JSON.stringify(length)}`)
      this.#remaining = Number(length)
      this.#kind = this.#remaining === 0 ? 'none' : 'length'
    } else {
      this.#kind = 'until-close'
      this.#keepAlive = false
    }
  }

  #readBody(chunk: Buffer): Buffer | undefined {
    switch (this.#kind) {
      case 'none':
        return undefined
      case 'until-close':
        this.#push(chunk)
        return undefined
      case 'length': {
        const rest = this.#take(chunk)
        if (this.#remaining === 0) this.#finish()
        return rest
      }
      case 'chunked':
        return this.#readChunk(chunk)
    }
  }

  #readChunk(chunk: Buffer): Buffer | undefined {
    if (this.#part === 'data') {
      const rest = this.#take(chunk)
      if (this.#remaining === 0) this.#part = 'data-end'
      return rest
    }
    const newline = chunk.indexOf(10)
    this.#line += chunk.toString('latin1', 0, newline < 0 ? chunk.length : newline)
    if (this.#line.length > maxHead) throw malformed('a chunk without a size')
    if (newline < 0) return undefined
    const line = this.#line.trim()
    this.#line = ''
    if (this.#part === 'data-end') {
      if (line !== '') throw malformed('a chunk longer than its size')
      this.#part = 'size'
    } else if (this.#part === 'trailer') {
      if (line === '') this.#finish()
    } else {
      const size = /^([0-9a-fA-F]{1,12})\s*(?:;.*)?$/.exec(line)?.[1]
      if (size === undefined) throw malformed(`a chunk of size ${JSON.stringify(line.slice(0, 40))}`)
      this.#remaining = Number.parseInt(size, 16)
      this.#part = this.#remaining === 0 ? 'trailer' : 'data'
    }
    return chunk.subarray(newline + 1)
  }

  /** Hands on what belongs to the body, and returns the rest. */
  #take(chunk: Buffer): Buffer {
    const size = Math.min(chunk.length, this.#remaining)
    this.#remaining -= size
    this.#push(size === chunk.length ? chunk : chunk.subarray(0, size))
    return chunk.subarray(size)
  }

  #push(data: Buffer): void {
    if (this.#exchange?.body?.push(data) === false) this.#socket.pause()
  }

  #finish(): void {
    const exchange = this.#exchange
    this.#exchange = undefined
    exchange?.release()
    exchange?.body?.push(null)
    // An answer that did not wait for the whole request leaves a connection that nobody can use.
    if (!this.#keepAlive || this.#stopSending) return void this.#socket.destroy()
    this.#used = true
    // The last body may have been paused before its end was read.
    this.#socket.resume()
    this.#socket.unref()
    this.#owner.idle()
  }

  #upgrade(exchange: Exchange, headers: ReadonlyMap<string, string>, rest: Buffer): void {
    const socket = this.#socket
    this.#exchange = undefined
    exchange.release()
    socket.off('data', this.#onData)
    socket.off('error', this.#onError)
    socket.off('close', this.#onClose)
    socket.pause()
    if (rest.length > 0) socket.unshift(rest)
    this.#owner.gone()
    exchange.resolve({ headers, socket })
  }

  readonly #onError = (error: Error): void => {
    this.#error = error
  }

  readonly #onClose = (): void => {
    this.#owner.gone()
    const exchange = this.#exchange
    if (!exchange) return
    this.#exchange = undefined
    exchange.release()
    if (exchange.body) {
      if (this.#kind === 'until-close' && !this.#error) exchange.body.push(null)
      else exchange.body.destroy(this.#error ?? reset('the connection was closed in the middle of an answer'))
      return
    }
    const cause = this.#error ?? reset('the connection was closed without an answer')
    exchange.reject(
      this.#used && this.#head.length === 0 ? new StaleConnectionError(cause.message, { cause }) : cause,
    )
  }
}

function reset(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}

function malformed(what: string): EngineError {
  return new EngineError('unavailable', `the daemon sent ${what}: this is no HTTP`)
}

function parseHead(text: string): {
  status: number
  statusText: string
  version: string
  headers: ReadonlyMap<string, string>
} {
  const [first = '', ...lines] = text.split('\r\n')
  const match = /^HTTP\/(1\.[01]) (\d{3})(?: (.*))?$/.exec(first)
  if (!match) throw malformed(JSON.stringify(first.slice(0, 60)))
  const headers = new Map<string, string>()
  for (const line of lines) {
    const colon = line.indexOf(':')
    if (colon <= 0) throw malformed(`a header ${JSON.stringify(line.slice(0, 60))}`)
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    const before = headers.get(name)
    headers.set(name, before === undefined ? value : `${before}, ${value}`)
  }
  return { version: match[1] ?? '', status: Number(match[2]), statusText: match[3] ?? '', headers }
}
