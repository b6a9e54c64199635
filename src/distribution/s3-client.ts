import { hash } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import aws4 from 'aws4'
import { abortReason, type Op } from '../lib/op.ts'
import { readStart } from '../lib/read-start.ts'
import { errorOfAnswer, errorOfConnection, S3Error } from './s3-errors.ts'
import type { S3Settings } from './s3-settings.ts'

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Undefined: of the bucket. */
  readonly key?: string
  readonly query?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: S3Body
  /** Statuses that are answers; others are thrown as S3Error. */
  readonly ok: readonly number[]
  /** Milliseconds for the head of the answer, where the usual ones are not enough. */
  readonly answerMs?: number
}

/** The server compares the bytes with the hash (it is part of what is signed), so that what is stored is what was sent. */
export interface S3Body {
  readonly size: number
  /** In hex. */
  readonly sha256: string
  /** Called for each try. */
  open(): Buffer | Readable
}

export interface S3Response {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  /** Must be read or destroyed. */
  readonly body: Readable
}

const maxErrorBody = 64 << 10
const emptyHash = hash('sha256', '')
const maxPauseMs = 10_000

export function bodyOf(data: Uint8Array): S3Body {
  const buffer = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  return { size: buffer.length, sha256: hash('sha256', buffer), open: () => buffer }
}

/** Signed requests to one bucket. Credentials are in the headers alone: no error and no log line has them. */
export class S3Client {
  readonly #settings: S3Settings
  readonly #base: URL
  readonly #agent: http.Agent

  constructor(settings: S3Settings) {
    this.#settings = settings
    this.#base = new URL(settings.endpoint)
    if (!settings.pathStyle) this.#base.host = `${settings.bucket}.${settings.endpoint.host}`
    const { Agent } = this.#base.protocol === 'https:' ? https : http
    this.#agent = new Agent({ keepAlive: true, maxSockets: settings.connections, timeout: settings.idleMs })
  }

  /** The head of an answer with one of the statuses `ok`; what may pass is tried again. */
  async send(op: Op, request: S3Request): Promise<S3Response> {
    const { attempts, pauseMs } = this.#settings
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#try(op, request)
      } catch (error) {
        op.signal.throwIfAborted()
        if (!(error instanceof S3Error) || !error.temporary || attempt >= attempts) throw error
        // Spread, so that a crowd does not come back at once.
        const pause = Math.min(maxPauseMs, pauseMs * 2 ** (attempt - 1)) * (0.5 + Math.random())
        op.log.debug('a request to S3 is tried again', { attempt, pause, error: error.message })
        await sleep(pause, undefined, { signal: op.signal })
      }
    }
  }

  /** As `send()`, with the answer's body as text: at most `max` bytes. */
  async text(op: Op, request: S3Request, max = 16 << 20): Promise<{ text: string; response: S3Response }> {
    const { attempts } = this.#settings
    for (let attempt = 1; ; attempt++) {
      const response = await this.send(op, request)
      try {
        const { data, whole } = await readStart(response.body, max)
        if (whole) return { text: data.toString(), response }
      } catch (error) {
        op.signal.throwIfAborted()
        if (attempt >= attempts) throw errorOfConnection(this.nameOf(request), error)
        continue
      }
      throw new S3Error(`${this.nameOf(request)}: the answer is larger than ${max} bytes`, {
        temporary: false,
      })
    }
  }

  /** For errors: never with a query, a header or a credential. */
  nameOf(request: Pick<S3Request, 'method' | 'key'>): string {
    return `${request.method} ${this.#base.origin}${this.#path(request.key)}`
  }

  /** Where the storage is, for people. */
  get place(): string {
    return `${this.#base.origin}${this.#path('')}`
  }

  close(): void {
    this.#agent.destroy()
  }

  #path(key: string | undefined): string {
    const bucket = this.#settings.pathStyle ? `/${this.#settings.bucket}` : ''
    return `${bucket}/${key === undefined ? '' : this.#settings.prefix + key}`
  }

  async #try(op: Op, request: S3Request): Promise<S3Response> {
    const credentials = await this.#settings.credentials()
    const query = new URLSearchParams(request.query).toString()
    const signed = aws4.sign(
      {
        service: 's3',
        region: this.#settings.region,
        method: request.method,
        path: this.#path(request.key) + (query === '' ? '' : `?${query}`),
        headers: {
          ...request.headers,
          Host: this.#base.host,
          'X-Amz-Content-Sha256': request.body?.sha256 ?? emptyHash,
          ...(request.body && { 'Content-Type': 'application/octet-stream' }),
          ...(['PUT', 'POST'].includes(request.method) && {
            'Content-Length': String(request.body?.size ?? 0),
          }),
        },
      },
      credentials,
    )
    const response = await this.#exchange(op, request, {
      path: signed.path ?? '/',
      headers: signed.headers ?? {},
    })
    if (request.ok.includes(response.status)) return response
    // Without an answer that can be read the status says enough.
    const { data } = await readStart(response.body, maxErrorBody).catch(() => ({ data: '' }))
    throw errorOfAnswer(this.nameOf(request), response.status, data.toString())
  }

  #exchange(
    op: Op,
    request: S3Request,
    o: { path: string; headers: http.OutgoingHttpHeaders },
  ): Promise<S3Response> {
    const { connectMs, idleMs } = this.#settings
    const answerMs = request.answerMs ?? this.#settings.answerMs
    const { promise, resolve, reject } = Promise.withResolvers<S3Response>()
    op.signal.throwIfAborted()
    const call = (this.#base.protocol === 'https:' ? https : http).request({
      ...urlParts(this.#base),
      method: request.method,
      path: o.path,
      headers: o.headers,
      agent: this.#agent,
    })
    const dead = () =>
      void call.destroy(Object.assign(new Error('no byte for too long'), { code: 'ETIMEDOUT' }))
    let timer: NodeJS.Timeout | undefined
    const patience = (ms: number) => {
      clearTimeout(timer)
      timer = setTimeout(dead, ms).unref()
    }
    const source = request.body?.open()
    const stream = source === undefined || Buffer.isBuffer(source) ? undefined : source
    const onAbort = () => void call.destroy(abortReason(op.signal))
    const end = () => {
      clearTimeout(timer)
      op.signal.removeEventListener('abort', onAbort)
      stream?.destroy()
    }
    op.signal.addEventListener('abort', onAbort, { once: true })
    call.on('socket', (socket) => {
      // Waiting for one of the connections is no sign of a dead one.
      if (!socket.connecting) return patience(stream ? idleMs : answerMs)
      patience(connectMs)
      const ready = this.#base.protocol === 'https:' ? 'secureConnect' : 'connect'
      socket.once(ready, () => patience(stream ? idleMs : answerMs))
    })
    call.on('error', (error) => {
      end()
      reject(op.signal.aborted ? abortReason(op.signal) : errorOfConnection(this.nameOf(request), error))
    })
    call.on('response', (response) => {
      clearTimeout(timer)
      response.setTimeout(
        idleMs,
        () => void response.destroy(Object.assign(new Error('no byte for too long'), { code: 'ETIMEDOUT' })),
      )
      response.once('close', end)
      // Whoever reads it sees the failure; one that nobody reads must not end the process.
      response.on('error', () => {})
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response })
    })
    if (!stream) call.end(source)
    else {
      stream.on('data', () => patience(idleMs))
      stream.once('end', () => patience(answerMs))
      stream.once('error', (error) => void call.destroy(error))
      stream.pipe(call)
    }
    return promise
  }
}

function urlParts(url: URL): http.RequestOptions {
  const name = url.hostname.replace(/^\[|\]$/g, '')
  return {
    protocol: url.protocol,
    // RFC 6761 6.3: names below localhost are loopback, and not asked for; the buckets of a local server are such names.
    hostname: name.endsWith('.localhost') ? 'localhost' : name,
    ...(url.port !== '' && { port: Number(url.port) }),
  }
}
