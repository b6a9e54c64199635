import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Digest } from '../../lib/digest.ts'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { proxyFor, type Proxies } from '../../registry/index.ts'
import { shownUrl } from '../../lib/git-url.ts'

export interface DownloadOptions {
  readonly url: string
  /** A file that is not there yet. */
  readonly to: string
  /** What an earlier answer said of itself: `unchanged` comes back when it still holds. */
  readonly etag?: string | undefined
  readonly lastModified?: string | undefined
  /** Another digest to compute besides sha256. */
  readonly algorithm?: 'sha384' | 'sha512'
  readonly proxies?: Proxies
  readonly limits?: Partial<Limits>
}

export interface Download {
  readonly digest: Digest
  /** `algorithm:hex`, when one was asked for. */
  readonly other?: string
  readonly size: number
  readonly etag?: string
  readonly lastModified?: string
}

interface Limits {
  /** For the head of an answer. */
  readonly answerMs: number
  /** Without a byte. */
  readonly idleMs: number
  readonly wholeMs: number
  readonly bytes: number
}

const defaults: Limits = { answerMs: 60_000, idleMs: 60_000, wholeMs: 4 * 3600_000, bytes: 32 * 2 ** 30 }
/** Go's. */
const maxRedirects = 10

/** Fetches an http(s) URL into a file. Throws kind `not-found`, `unavailable` or `invalid` naming the URL, its password and query taken out. */
export async function download(op: Op, o: DownloadOptions): Promise<Download | 'unchanged'> {
  const limits = { ...defaults, ...o.limits }
  const signal = AbortSignal.any([op.signal, AbortSignal.timeout(limits.wholeMs)])
  const what = shownUrl(o.url)
  try {
    const response = await follow({ ...op, signal }, o, limits)
    if (response === 'unchanged') return response
    return await store({ ...op, signal }, response, o, limits)
  } catch (cause) {
    op.signal.throwIfAborted()
    if (cause instanceof EngineError) throw cause
    const why = signal.aborted ? `it took longer than ${limits.wholeMs / 1000} s` : messageOf(cause)
    throw new EngineError('unavailable', `failed to fetch ${what}: ${why}`, { cause })
  }
}

async function follow(
  op: Op,
  o: DownloadOptions,
  limits: Limits,
): Promise<http.IncomingMessage | 'unchanged'> {
  const start = new URL(o.url)
  const login = credentials(start)
  let url = start
  for (let hops = 0; ; hops++) {
    const response = await ask(op, url, {
      answerMs: limits.answerMs,
      proxy: o.proxies && proxyFor(url, o.proxies),
      headers: {
        'User-Agent': 'gantry',
        Accept: '*/*',
        'Accept-Encoding': 'identity',
        ...(o.etag !== undefined && { 'If-None-Match': o.etag }),
        ...(o.etag === undefined && o.lastModified !== undefined && { 'If-Modified-Since': o.lastModified }),
        // Never to another host.
        ...(login !== undefined && url.host === start.host && { Authorization: login }),
      },
    })
    const { statusCode = 0, headers } = response
    if (statusCode === 200) return response
    response.resume()
    response.on('error', () => {})
    if (statusCode === 304 && (o.etag !== undefined || o.lastModified !== undefined)) return 'unchanged'
    if (![301, 302, 303, 307, 308].includes(statusCode) || headers.location === undefined) {
      response.destroy()
      const text = `failed to fetch ${shownUrl(o.url)}: invalid response status ${statusCode}`
      throw new EngineError(statusCode === 404 || statusCode === 410 ? 'not-found' : 'unavailable', text)
    }
    response.destroy()
    if (hops === maxRedirects) throw refused(o.url, `stopped after ${maxRedirects} redirects`)
    url = redirect(o.url, url, headers.location)
  }
}

function redirect(first: string, from: URL, location: string): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined
  if (!next || (next.protocol !== 'http:' && next.protocol !== 'https:'))
    throw refused(first, 'redirected to what is no http(s) URL')
  return next
}

function ask(
  op: Op,
  url: URL,
  o: { answerMs: number; proxy: string | undefined; headers: Record<string, string> },
): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const client = url.protocol === 'https:' ? https : http
    const proxyEnv = { HTTP_PROXY: o.proxy, HTTPS_PROXY: o.proxy }
    const target = new URL(url)
    target.username = ''
    target.password = ''
    // A connection of its own, which ends with the answer.
    const agent = o.proxy === undefined ? false : new client.Agent({ proxyEnv })
    const call = client.request(target, { headers: o.headers, signal: op.signal, agent })
    const timer = setTimeout(() => call.destroy(new Error(`no answer in ${o.answerMs / 1000} s`)), o.answerMs)
    call.once('close', () => clearTimeout(timer))
    call.once('error', reject)
    call.once('response', (response) => {
      clearTimeout(timer)
      resolve(response)
    })
    call.end()
  })
}

async function store(
  op: Op,
  response: http.IncomingMessage,
  o: DownloadOptions,
  limits: Limits,
): Promise<Download> {
  const { etag, 'last-modified': lastModified } = response.headers
  const hash = createHash('sha256')
  const other = o.algorithm && createHash(o.algorithm)
  let size = 0
  response.setTimeout(limits.idleMs, () =>
    response.destroy(new Error(`no data for ${limits.idleMs / 1000} s`)),
  )
  const tooLarge = () => refused(o.url, `it is larger than ${limits.bytes} bytes`)
  if (Number(response.headers['content-length'] ?? 0) > limits.bytes) {
    response.destroy()
    throw tooLarge()
  }
  const count = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length
      hash.update(chunk)
      other?.update(chunk)
      if (size > limits.bytes) done(tooLarge())
      else done(undefined, chunk)
    },
  })
  await pipeline(response, count, createWriteStream(o.to, { flags: 'wx', mode: 0o600 }), {
    signal: op.signal,
  })
  return {
    digest: `sha256:${hash.digest('hex')}`,
    ...(o.algorithm && other && { other: `${o.algorithm}:${other.digest('hex')}` }),
    size,
    ...(etag !== undefined && { etag }),
    ...(lastModified !== undefined && { lastModified }),
  }
}

function credentials(url: URL): string | undefined {
  if (url.username === '' && url.password === '') return undefined
  const text = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`
  return `Basic ${Buffer.from(text).toString('base64')}`
}

const refused = (url: string, why: string) =>
  new EngineError('invalid', `failed to fetch ${shownUrl(url)}: ${why}`)

/** BuildKit: the last part of the path, or a name that nobody would choose. */
export function fileNameOf(url: string): string {
  let path = new URL(url).pathname
  try {
    path = decodeURIComponent(path)
  } catch {
    // As it is written, then.
  }
  const name = path.replace(/\/+$/, '').split('/').at(-1) ?? ''
  return name === '' || name === '.' || name === '..' || name.includes('\0') ? '__unnamed__' : name
}
