import type { Agent, ClientRequest, IncomingMessage, OutgoingHttpHeaders, RequestOptions } from 'node:http'
import type { Duplex, Readable } from 'node:stream'
import { EngineError, hasCode, messageOf, type ErrorKind } from '../lib/errors.ts'
import { apiVersion } from '../wire/version.ts'
import { parseHost, type Host } from './host.ts'

// An ESM import of node:http loads undici through the module's facade, 45 ms; this does not.
const http = process.getBuiltinModule('node:http')

export interface TlsOptions {
  /** PEM texts. */
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** False accepts any server certificate (docker's `--tls` without `--tlsverify`). */
  readonly verify: boolean
}

export interface TransportOptions {
  readonly host: string
  readonly tls?: TlsOptions | undefined
  readonly headers?: Readonly<Record<string, string>>
  /** API version to speak; without it the newest, lowered to what the daemon says it has. */
  readonly version?: string | undefined
  /** Called once when nobody listens; when it resolves to true the request is tried again. */
  readonly onUnavailable?: (() => Promise<boolean>) | undefined
  /** Told each finished exchange (`--debug`). */
  readonly trace?: ((line: string) => void) | undefined
}

/** A list becomes one parameter for each value; undefined is left out. */
type Query = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

export interface RequestInput {
  readonly query?: Query
  /** Sent as JSON. */
  readonly body?: unknown
  /** Sent as it is, chunked. */
  readonly stream?: Readable
  readonly headers?: OutgoingHttpHeaders
  readonly signal?: AbortSignal | undefined
}

/** A failure that the daemon reported; the message is the daemon's own. */
export class DaemonError extends EngineError {
  readonly status: number
  constructor(status: number, message: string) {
    super(kindOfStatus(status), message)
    this.name = 'DaemonError'
    this.status = status
  }
}

/** Nobody answers at the host. */
export class ConnectError extends EngineError {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', message, options)
    this.name = 'ConnectError'
  }
}

/** A connection that left HTTP behind: the container's stream. */
export interface Hijacked {
  readonly stream: Duplex
  readonly contentType: string
}

/** HTTP to one daemon. Connections are kept alive and shared by the calls of one process. */
export class Transport {
  readonly host: Host
  readonly #options: TransportOptions
  readonly #agent: Agent
  #version: string
  /** True once the daemon has answered: a request whose body can be sent only once may go out. */
  #proven: boolean
  #mayStart: boolean

  constructor(options: TransportOptions) {
    this.#options = options
    this.host = parseHost(options.host)
    this.#version = options.version ?? apiVersion
    this.#proven = options.onUnavailable === undefined && options.version !== undefined
    this.#mayStart = options.onUnavailable !== undefined
    const settings = { keepAlive: true, maxSockets: Infinity, ...tlsSettings(options.tls) }
    this.#agent = options.tls
      ? new (process.getBuiltinModule('node:https').Agent)(settings)
      : new http.Agent(settings)
  }

  /** The answer's headers are in; its body is for the caller to read. Statuses from 400 are thrown as DaemonError. */
  async request(method: string, path: string, input: RequestInput = {}): Promise<IncomingMessage> {
    const response = await this.#exchange(method, path, input)
    if ('hijacked' in response) throw new EngineError('internal', `${method} ${path}: unexpected upgrade`)
    return response.message
  }

  /** The decoded JSON answer; the type is the caller's claim about the daemon's API. */
  async json<T>(method: string, path: string, input: RequestInput = {}): Promise<T> {
    const body = await readAll(await this.request(method, path, input))
    // The daemon's API is the contract here; there is nothing to check it against.
    return JSON.parse(body.toString('utf8')) as T
  }

  /** For calls that answer nothing; false when the daemon says that nothing changed (304). */
  async send(method: string, path: string, input: RequestInput = {}): Promise<boolean> {
    const response = await this.request(method, path, input)
    response.resume()
    return response.statusCode !== 304
  }

  /** Lines of JSON, as they come. Breaking the loop closes the connection. */
  async *lines<T>(method: string, path: string, input: RequestInput = {}): AsyncGenerator<T> {
    const response = await this.request(method, path, input)
    yield* decodeLines<T>(response)
  }

  /** Turns the connection into the container's stream. Resolves when the daemon has switched. */
  async hijack(method: string, path: string, input: RequestInput = {}): Promise<Hijacked> {
    const response = await this.#exchange(method, path, {
      ...input,
      headers: { ...input.headers, Connection: 'Upgrade', Upgrade: 'tcp' },
    })
    if ('hijacked' in response) return response.hijacked
    response.message.destroy()
    throw new EngineError('unsupported', `the daemon did not switch ${path} to a raw stream`)
  }

  /** Ends idle connections, so that the process can exit. */
  close(): void {
    this.#agent.destroy()
  }

  async #exchange(method: string, path: string, input: RequestInput): Promise<Answer> {
    if (input.stream && !this.#proven) await this.send('GET', '/_ping')
    for (let attempt = 0; ; attempt++) {
      try {
        const answer = await this.#attempt(method, path, input)
        this.#proven = true
        return answer
      } catch (error) {
        if (input.stream || attempt > 2 || !(await this.#recover(error, method))) throw error
      }
    }
  }

  /** True when the request may be sent once more. */
  async #recover(error: unknown, method: string): Promise<boolean> {
    if (error instanceof ConnectError && this.#mayStart && this.#options.onUnavailable) {
      this.#mayStart = false
      return this.#options.onUnavailable()
    }
    if (error instanceof DaemonError && error.status === 400 && this.#options.version === undefined) {
      const newest = /Maximum supported API version is (\d+\.\d+)/.exec(error.message)?.[1]
      if (newest === undefined || newest === this.#version) return false
      this.#version = newest
      return true
    }
    // The daemon closed an idle connection just as we reused it.
    return error instanceof StaleConnection && method === 'GET'
  }

  #attempt(method: string, path: string, input: RequestInput): Promise<Answer> {
    const { signal } = input
    const body = input.body === undefined ? undefined : JSON.stringify(input.body)
    const headers: OutgoingHttpHeaders = { ...this.#options.headers, ...input.headers }
    headers['User-Agent'] = 'gantry-client'
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json'
      headers['Content-Length'] = Buffer.byteLength(body)
    } else if (!input.stream && method !== 'GET' && method !== 'HEAD') headers['Content-Length'] = 0
    const target = `/v${this.#version}${path}${encodeQuery(input.query)}`
    const started = performance.now()
    const trace = (result: string) =>
      this.#options.trace?.(
        `${method} ${target} → ${result} in ${(performance.now() - started).toFixed(1)} ms`,
      )
    const options: RequestOptions = {
      ...(this.host.kind === 'unix'
        ? { socketPath: this.host.path }
        : { host: this.host.hostname, port: this.host.port }),
      agent: this.#agent,
      method,
      path: target,
      headers: this.host.kind === 'unix' ? { Host: 'gantry', ...headers } : headers,
      ...(signal && { signal }),
    }
    return new Promise((resolve, reject) => {
      const request = this.#options.tls
        ? process.getBuiltinModule('node:https').request(options)
        : http.request(options)
      request.on('response', (message) => {
        trace(String(message.statusCode))
        const status = message.statusCode ?? 0
        if (status < 400) resolve({ message })
        else
          readAll(message).then((text) => reject(new DaemonError(status, errorText(text, message))), reject)
      })
      request.on('upgrade', (message, stream, head) => {
        trace('101')
        if (head.length > 0) stream.unshift(head)
        resolve({ hijacked: { stream, contentType: message.headers['content-type'] ?? '' } })
      })
      request.on('error', (error) => {
        trace(messageOf(error))
        reject(this.#connectionError(error, request, signal))
      })
      if (!input.stream) request.end(body)
      else
        process.getBuiltinModule('node:stream').pipeline(input.stream, request, (error) => {
          // A daemon that answers before it has read everything closes the connection: its answer counts.
          if (error && !request.destroyed) request.destroy(error)
        })
    })
  }

  #connectionError(error: NodeJS.ErrnoException, request: ClientRequest, signal?: AbortSignal): Error {
    if (signal?.aborted) return error
    const where = this.host.text
    switch (error.code) {
      case 'ENOENT':
      case 'ECONNREFUSED':
      case 'ENOTSOCK':
      case 'ENOTDIR':
      case 'ENOTFOUND':
      case 'EHOSTUNREACH':
      case 'ETIMEDOUT':
        return new ConnectError(`Cannot connect to the Gantry daemon at ${where}. Is the daemon running?`, {
          cause: error,
        })
      case 'EACCES':
      case 'EPERM':
        return new EngineError(
          'forbidden',
          `permission denied while trying to connect to the Gantry daemon socket at ${where}`,
          { cause: error },
        )
      case 'ECONNRESET':
      case 'EPIPE':
        return request.reusedSocket
          ? new StaleConnection(`error during connect: ${error.message}`, { cause: error })
          : new EngineError('unavailable', `the daemon at ${where} closed the connection`, { cause: error })
      default:
        return new EngineError('unavailable', `error during connect to ${where}: ${error.message}`, {
          cause: error,
        })
    }
  }
}

type Answer = { readonly message: IncomingMessage } | { readonly hijacked: Hijacked }

class StaleConnection extends Error {}

/** Decodes a stream of JSON values separated by newlines; blank lines are skipped. Cut off, it throws kind `unavailable`. */
export async function* decodeLines<T>(source: AsyncIterable<Buffer>): AsyncGenerator<T> {
  const lost = (cause?: unknown) =>
    new EngineError('unavailable', 'the connection to the daemon was lost', { cause })
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for await (const chunk of source) {
      rest += decoder.decode(chunk, { stream: true })
      let start = 0
      for (let end = rest.indexOf('\n', start); end >= 0; end = rest.indexOf('\n', start)) {
        const line = rest.slice(start, end).trim()
        start = end + 1
        // The caller says what the daemon sends here.
        if (line !== '') yield JSON.parse(line) as T
      }
      rest = rest.slice(start)
    }
  } catch (error) {
    throw hasCode(error, 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE') ? lost(error) : error
  }
  if (rest.trim() === '') return
  let last: T
  try {
    last = JSON.parse(rest) as T
  } catch (error) {
    throw lost(error)
  }
  yield last
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

function errorText(body: Buffer, message: IncomingMessage): string {
  const text = body.toString('utf8').trim()
  try {
    const decoded: unknown = JSON.parse(text)
    if (typeof decoded === 'object' && decoded !== null && 'message' in decoded)
      return String(decoded.message)
  } catch {
    // Not our daemon, or a proxy before it: its text is the message.
  }
  return text === '' ? `${message.statusCode} ${message.statusMessage}` : text
}

function encodeQuery(query: Query | undefined): string {
  let text = ''
  for (const [key, value] of Object.entries(query ?? {})) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)])
      text += `${text === '' ? '?' : '&'}${key}=${encodeURIComponent(one)}`
  }
  return text
}

function tlsSettings(tls: TlsOptions | undefined): object {
  return tls ? { ca: tls.ca, cert: tls.cert, key: tls.key, rejectUnauthorized: tls.verify } : {}
}

function kindOfStatus(status: number): ErrorKind {
  switch (status) {
    case 304:
      return 'not-modified'
    case 400:
      return 'invalid'
    case 401:
      return 'unauthorized'
    case 403:
      return 'forbidden'
    case 404:
      return 'not-found'
    case 409:
      return 'conflict'
    case 501:
      return 'unsupported'
    case 503:
      return 'unavailable'
    default:
      return 'internal'
  }
}
