import type { Socket } from 'node:net'
import type { Duplex, Readable } from 'node:stream'
import { EngineError, hasCode, messageOf, type ErrorKind } from '../lib/errors.ts'
import { apiVersion } from '../wire/version.ts'
import { parseHost, type Host } from './host.ts'
import { HttpPool, StaleConnectionError, type HttpResponse } from './http.ts'
import { openSshSocket } from './ssh-socket.ts'
import { tlsFault } from './tls-fault.ts'

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
  readonly headers?: Readonly<Record<string, string>>
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

/** A connection that left HTTP behind: the container's stream. It is paused: read it, pipe it, or resume it. */
export interface Hijacked {
  readonly stream: Duplex
  readonly contentType: string
}

/** HTTP to one daemon. Connections are kept alive and shared by the calls of one process. */
export class Transport {
  readonly host: Host
  readonly #options: TransportOptions
  readonly #pool: HttpPool
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
    this.#pool = new HttpPool(() => openSocket(this.host, options.tls))
  }

  /** The answer's headers are in; its body is for the caller to read. Statuses from 400 are thrown as DaemonError. */
  async request(method: string, path: string, input: RequestInput = {}): Promise<HttpResponse> {
    const response = await this.#exchange(method, path, input)
    if ('hijacked' in response) throw new EngineError('internal', `${method} ${path}: unexpected upgrade`)
    return response
  }

  /** The decoded JSON answer; the type is the caller's claim about the daemon's API. */
  async json<T>(method: string, path: string, input: RequestInput = {}): Promise<T> {
    const body = await readAll((await this.request(method, path, input)).body)
    // The daemon's API is the contract here; there is nothing to check it against.
    return JSON.parse(body.toString('utf8')) as T
  }

  /** For calls that answer nothing; false when the daemon says that nothing changed (304). */
  async send(method: string, path: string, input: RequestInput = {}): Promise<boolean> {
    const response = await this.request(method, path, input)
    response.body.resume()
    return response.status !== 304
  }

  /** Lines of JSON, as they come. Breaking the loop closes the connection. */
  async *lines<T>(method: string, path: string, input: RequestInput = {}): AsyncGenerator<T> {
    const response = await this.request(method, path, input)
    yield* decodeLines<T>(response.body)
  }

  /** Turns the connection into the container's stream. Resolves when the daemon has switched. */
  async hijack(method: string, path: string, input: RequestInput = {}): Promise<Hijacked> {
    const response = await this.#exchange(method, path, {
      ...input,
      headers: { ...input.headers, Connection: 'Upgrade', Upgrade: 'tcp' },
    })
    if ('hijacked' in response) return response.hijacked
    response.body.destroy()
    throw new EngineError('unsupported', `the daemon did not switch ${path} to a raw stream`)
  }

  /** Ends idle connections, so that the process can exit. */
  close(): void {
    this.#pool.close()
  }

  async #exchange(method: string, path: string, input: RequestInput): Promise<Answer> {
    if (input.stream && !this.#proven) await this.send('GET', '/_ping')
    for (let attempt = 0; ; attempt++) {
      const version = this.#version
      try {
        const answer = await this.#attempt(method, path, input)
        this.#proven = true
        return answer
      } catch (error) {
        if (input.stream || attempt > 2 || !(await this.#recover(error, { method, version }))) throw error
      }
    }
  }

  /** True when the request may be sent once more. */
  async #recover(error: unknown, tried: { method: string; version: string }): Promise<boolean> {
    if (error instanceof ConnectError && this.#mayStart && this.#options.onUnavailable) {
      this.#mayStart = false
      return this.#options.onUnavailable()
    }
    if (error instanceof DaemonError && error.status === 400 && this.#options.version === undefined) {
      const newest = /Maximum supported API version is (\d+\.\d+)/.exec(error.message)?.[1]
      // Several at once: the first of them may have lowered it already.
      if (newest === undefined || newest === tried.version) return false
      this.#version = newest
      return true
    }
    // The daemon closed an idle connection just as we reused it.
    return error instanceof StaleConnectionError && tried.method === 'GET'
  }

  async #attempt(method: string, path: string, input: RequestInput): Promise<Answer> {
    const { signal, stream } = input
    const body = input.body === undefined ? undefined : JSON.stringify(input.body)
    const target = `/v${this.#version}${path}${encodeQuery(input.query)}`
    const { trace: print } = this.#options
    // Reading the precise clock loads a module: only where somebody looks.
    const started = print ? performance.now() : 0
    const trace = (result: string) =>
      print?.(`${method} ${target} → ${result} in ${(performance.now() - started).toFixed(1)} ms`)
    const headers = {
      Host: hostHeader(this.host),
      'User-Agent': 'gantry-client',
      ...this.#options.headers,
      ...input.headers,
      ...(body !== undefined && { 'Content-Type': 'application/json' }),
    }
    let answer
    try {
      answer = await this.#pool.request({ method, target, headers, body, stream, signal })
    } catch (error) {
      trace(messageOf(error))
      throw signal?.aborted ? error : this.#connectionError(error)
    }
    if ('socket' in answer) {
      trace('101')
      return { hijacked: { stream: answer.socket, contentType: answer.headers.get('content-type') ?? '' } }
    }
    trace(String(answer.status))
    if (answer.status < 400) return answer
    throw new DaemonError(answer.status, errorText(await readAll(answer.body), answer))
  }

  #connectionError(error: unknown): unknown {
    const where = this.host.text
    if (unreachable.some((code) => hasCode(error, code)))
      return new ConnectError(`Cannot connect to the Gantry daemon at ${where}. Is the daemon running?`, {
        cause: error,
      })
    if (hasCode(error, 'EACCES', 'EPERM'))
      return new EngineError(
        'forbidden',
        `permission denied while trying to connect to the Gantry daemon socket at ${where}`,
        { cause: error },
      )
    if (hasCode(error, 'ECONNRESET', 'EPIPE'))
      return new EngineError(
        'unavailable',
        `the daemon at ${where} closed the connection${this.#closedHint()}`,
        {
          cause: error,
        },
      )
    if (error instanceof EngineError || error instanceof StaleConnectionError) return error
    return new EngineError(
      'unavailable',
      `error during connect to ${where}: ${tlsFault(error) ?? messageOf(error)}`,
      {
        cause: error,
      },
    )
  }

  /** A daemon that wants TLS, or another certificate, says no more than that. */
  #closedHint(): string {
    if (this.host.kind !== 'tcp') return ''
    return this.#options.tls
      ? ': it may not accept the client certificate (signed by its CA, not expired, for clients)'
      : ': it may want TLS (--tlsverify)'
  }
}

const unreachable = [
  'ENOENT',
  'ECONNREFUSED',
  'ENOTSOCK',
  'ENOTDIR',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
]

type Answer = HttpResponse | { readonly hijacked: Hijacked }

function openSocket(host: Host, tls: TlsOptions | undefined): Socket {
  if (host.kind === 'ssh') return openSshSocket(host)
  if (host.kind === 'unix') return process.getBuiltinModule('node:net').connect({ path: host.path })
  const { hostname, port } = host
  if (!tls) return process.getBuiltinModule('node:net').connect({ host: hostname, port, noDelay: true })
  return process.getBuiltinModule('node:tls').connect({
    host: hostname,
    port,
    rejectUnauthorized: tls.verify,
    ...(tls.ca !== undefined && { ca: tls.ca }),
    ...(tls.cert !== undefined && { cert: tls.cert }),
    ...(tls.key !== undefined && { key: tls.key }),
    // A name for SNI: addresses are none.
    ...(process.getBuiltinModule('node:net').isIP(hostname) === 0 && { servername: hostname }),
  })
}

function hostHeader(host: Host): string {
  if (host.kind !== 'tcp') return 'gantry'
  return `${host.hostname.includes(':') ? `[${host.hostname}]` : host.hostname}:${host.port}`
}

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

/** The whole of an answer that is known to be small. */
export function readAll(body: Readable): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    body.on('data', (chunk: Buffer) => chunks.push(chunk))
    body.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)))
    body.on('error', reject)
  })
}

function errorText(body: Buffer, answer: HttpResponse): string {
  const text = body.toString('utf8').trim()
  try {
    const decoded: unknown = JSON.parse(text)
    if (typeof decoded === 'object' && decoded !== null && 'message' in decoded)
      return String(decoded.message)
  } catch {
    // Not our daemon, or a proxy before it: its text is the message.
  }
  return text === '' ? `${answer.status} ${answer.statusText}` : text
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
