import { createHash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import { isIP } from 'node:net'
import type { Readable } from 'node:stream'
import { createSecureContext } from 'node:tls'
import { EngineError } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { readStart } from '../lib/read-start.ts'
import { release } from '../lib/release.ts'
import { errorOfSocket, errorOfStatus, maxErrorBody, RegistryError } from './errors.ts'
import { proxyFor } from './proxy.ts'
import type { RegistrySettings } from './settings.ts'
import { readTlsFiles, systemAuthorities, type TlsFiles } from './tls-files.ts'

export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** A stream goes chunked unless `Content-Length` is among the headers; the memory of what it gives is used again. */
  readonly body?: Buffer | Readable
  /** Accept any certificate. */
  readonly insecure: boolean
  /** Milliseconds for the head of the answer once the body is sent. */
  readonly patience?: number
}

export interface HttpResponse {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Where it came from after redirects. */
  readonly url: URL
  /** Must be read or destroyed. */
  readonly body: Readable
}

/** Docker's (Go's) limit. */
const maxRedirects = 10
const connectMs = 20_000
const answerMs = 60_000
/** No byte for so long: the connection is dead. */
const idleMs = 60_000
/** What JSON answers may have; docker's limit for manifests. */
export const maxJson = 4 << 20

/** Connections to registries: kept alive, with each host's own certificates, through proxies where told. */
export class Http {
  readonly #settings: RegistrySettings
  /** With a digest of the files that its TLS uses. */
  readonly #agents = new Map<string, { agent: http.Agent; state: string }>()

  constructor(settings: RegistrySettings) {
    this.#settings = settings
  }

  /**
   * The answer's head is in, whatever its status; redirects of GET and HEAD are followed, without credentials when they
   * lead to another host. Rejects with a RegistryError when no answer came.
   */
  async send(op: Op, request: HttpRequest): Promise<HttpResponse> {
    if (this.#settings.offline)
      throw new EngineError('unavailable', `${nameOf(request)}: the daemon is offline (--offline)`)
    let { url } = request
    let headers = { ...request.headers }
    for (let hops = 0; ; hops++) {
      const response = await this.#exchange(op, { ...request, url, headers })
      const location = response.headers.location
      const redirected = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined
      if (!redirected || (request.method !== 'GET' && request.method !== 'HEAD')) return response
      response.body.resume()
      if (hops >= maxRedirects)
        throw new RegistryError('invalid', `${nameOf(request)}: stopped after ${maxRedirects} redirects`)
      const next = this.#redirect(request, { from: url, location })
      if (next.host !== url.host) headers = without(headers, 'authorization', 'cookie')
      url = next
    }
  }

  close(): void {
    for (const { agent } of this.#agents.values()) agent.destroy()
    this.#agents.clear()
  }

  #redirect(request: HttpRequest, o: { from: URL; location: string }): URL {
    let next: URL
    try {
      next = new URL(o.location, o.from)
    } catch (cause) {
      throw new RegistryError('invalid', `${nameOf(request)}: redirected to what is no URL`, { cause })
    }
    if (next.protocol !== 'https:' && next.protocol !== 'http:')
      throw new RegistryError(
        'invalid',
        `${nameOf(request)}: refused to follow a redirect to ${next.protocol}`,
      )
    // What TLS protected must not go on in the clear.
    if (o.from.protocol === 'https:' && next.protocol === 'http:' && !request.insecure)
      throw new RegistryError(
        'invalid',
        `${nameOf(request)}: refused to follow a redirect from https to http`,
      )
    return next
  }

  #exchange(op: Op, o: HttpRequest & { headers: Record<string, string> }): Promise<HttpResponse> {
    const { url, method, body } = o
    return new Promise((resolve, reject) => {
      if (op.signal.aborted) return reject(abortReason(op.signal))
      let settled = false
      const secure = url.protocol === 'https:'
      const host = url.hostname.replace(/^\[|\]$/g, '')
      let call: http.ClientRequest
      try {
        call = (secure ? https : http).request(url, {
          method,
          agent: this.#agent(url, o.insecure),
          headers: {
            'User-Agent': 'gantry',
            ...o.headers,
            ...(Buffer.isBuffer(body) && { 'Content-Length': String(body.length) }),
          },
          ...(secure && isIP(host) === 0 && { servername: host }),
        })
      } catch (error) {
        return reject(error instanceof Error ? error : new Error(String(error)))
      }
      const timer = new Deadline(() =>
        call.destroy(Object.assign(new Error('no answer in time'), { code: 'ETIMEDOUT' })),
      )
      const source = body !== undefined && !Buffer.isBuffer(body) ? body : undefined
      const onAbort = () => {
        source?.destroy()
        call.destroy(abortReason(op.signal))
      }
      const finish = () => {
        timer.stop()
        op.signal.removeEventListener('abort', onAbort)
      }
      const fail = (error: Error) => {
        finish()
        source?.destroy()
        if (settled) return
        settled = true
        call.destroy()
        if (op.signal.aborted) reject(abortReason(op.signal))
        else reject(error instanceof EngineError ? error : errorOfSocket(error, nameOf(o)))
      }
      op.signal.addEventListener('abort', onAbort, { once: true })
      timer.set(connectMs)
      call.on('socket', (socket) => {
        const connected = () => timer.set(source ? idleMs : (o.patience ?? answerMs))
        socket.on('data', releaseSoon)
        call.once('close', () => socket.off('data', releaseSoon))
        if (socket.connecting) socket.once(secure ? 'secureConnect' : 'connect', connected)
        else connected()
      })
      call.on('error', fail)
      call.on('response', (response) => {
        settled = true
        timer.stop()
        response.setTimeout(idleMs, () =>
          response.destroy(Object.assign(new Error('no data for too long'), { code: 'ETIMEDOUT' })),
        )
        response.once('close', finish)
        // Whoever reads it sees the failure; one that nobody reads must not end the process.
        response.on('error', () => {})
        resolve({ status: response.statusCode ?? 0, headers: response.headers, url, body: response })
      })
      if (!source) return void call.end(body)
      // A body of any length: what counts is that it moves.
      source.on('data', (chunk: Buffer) => {
        timer.set(idleMs)
        if (!call.write(chunk, () => release(chunk))) source.pause()
      })
      call.on('drain', () => source.resume())
      source.once('end', () => {
        timer.set(o.patience ?? answerMs)
        call.end()
      })
      source.once('error', fail)
    })
  }

  #agent(url: URL, insecure: boolean): http.Agent {
    const proxy = proxyFor(url, this.#settings.proxies)
    const key = `${url.protocol} ${url.host} ${insecure} ${proxy ?? ''}`
    // Docker: read for every request, so that certificates can be put there and renewed at any time.
    const files = url.protocol === 'https:' ? readTlsFiles(this.#settings.certsDirs, url.host) : undefined
    const state = createHash('sha256')
      .update(JSON.stringify(files ?? {}))
      .digest('hex')
    const known = this.#agents.get(key)
    if (known?.state === state) return known.agent
    const common = {
      keepAlive: true,
      // Registries close idle connections after a minute or more.
      timeout: idleMs,
      maxSockets: 16,
      ...(proxy !== undefined && { proxyEnv: { HTTP_PROXY: proxy, HTTPS_PROXY: proxy } }),
    }
    const agent = files
      ? new https.Agent({ ...common, ...tlsOf(files), rejectUnauthorized: !insecure })
      : new http.Agent(common)
    // What is under way by the one before it comes to its end.
    this.#agents.set(key, { agent, state })
    return agent
  }
}

function tlsOf({ ca, pairs }: TlsFiles): https.AgentOptions {
  const secureContext = createSecureContext({
    ca: [...systemAuthorities(), ...ca],
    cert: pairs.map((pair) => pair.cert),
    key: pairs.map((pair) => pair.key),
    minVersion: 'TLSv1.2',
  })
  return { secureContext }
}

/** One timer that is moved on. */
class Deadline {
  readonly #fire: () => void
  #timer: NodeJS.Timeout | undefined
  #ms = 0

  constructor(fire: () => void) {
    this.#fire = fire
  }

  set(ms: number): void {
    if (this.#timer && this.#ms === ms) return void this.#timer.refresh()
    this.stop()
    this.#ms = ms
    this.#timer = setTimeout(this.#fire, ms).unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}

/** The parser has made its own copy of what came, once all who listen have had it. */
function releaseSoon(chunk: Buffer): void {
  process.nextTick(release, chunk)
}

/** As Go writes it, without query and user: those may be secrets. */
export function nameOf(request: { method: string; url: URL }): string {
  const { protocol, host, pathname } = request.url
  const verb = `${request.method[0]}${request.method.slice(1).toLowerCase()}`
  return `${verb} ${JSON.stringify(`${protocol}//${host}${pathname}`)}`
}

function without(headers: Record<string, string>, ...names: string[]): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !names.includes(name.toLowerCase())))
}

/** A small body whole. Throws kind `invalid` when it is larger than `max`. */
export async function readBody(response: HttpResponse, what: string, max = maxJson): Promise<Buffer> {
  try {
    const { data, whole } = await readStart(response.body, max)
    if (whole) return data
  } catch (cause) {
    throw errorOfSocket(cause, what)
  }
  throw new RegistryError('invalid', `${what}: the answer is larger than the ${max} bytes allowed`)
}

/** The error that an answer with a status of failure stands for. */
export async function failureOf(request: HttpRequest, response: HttpResponse): Promise<RegistryError> {
  let text = ''
  try {
    text = (await readStart(response.body, maxErrorBody)).data.toString()
  } catch {
    // The status says enough.
  }
  return errorOfStatus({
    status: response.status,
    text,
    what: nameOf(request),
    retryAfter: response.headers['retry-after'],
  })
}
