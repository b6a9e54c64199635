import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import findMyWay from 'find-my-way'
import { EngineError, isAbort, kindOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { background, type Op } from '../../lib/op.ts'
import { apiVersion } from '../../wire/version.ts'
import { endAfterUpload } from '../end-after-upload.ts'
import { readJson, readLeadingJson } from './body.ts'
import { plainConnection, rawStream, upgradeConnection, upgradeToHttp2 } from './hijack.ts'
import { Query } from './query.ts'
import { errorAnswer, sendEmpty } from './respond.ts'
import type { HijackCall, HijackedConnection, Route } from './route.ts'
import { parseTarget } from './target.ts'
import { upgradeToWebsocket } from './websocket.ts'

// `import 'node:http'` loads undici too, which costs 40 ms at start.
const http = process.getBuiltinModule('node:http')
const https = () => process.getBuiltinModule('node:https')

/** PEM texts; `ca` present: clients must show a certificate that it signed. */
export interface TlsIdentity {
  readonly cert: string
  readonly key: string
  readonly ca: string | undefined
}

interface Match {
  readonly route: Route
  readonly params: Readonly<Record<string, string>>
  readonly query: Query
  readonly minor: number
}

/** Serves a table of routes over any number of HTTP servers. */
export class ApiServer {
  readonly #router = findMyWay({ maxParamLength: 4096, ignoreTrailingSlash: false })
  readonly #log: Logger
  readonly #headers: Readonly<Record<string, string>>
  readonly #open = new Set<AbortController>()
  readonly #stop = new AbortController()
  #idle: (() => void) | undefined

  constructor(routes: readonly Route[], o: { log: Logger; version: string }) {
    this.#log = o.log
    this.#headers = {
      'Api-Version': apiVersion,
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `Gantry/${o.version} (linux)`,
    }
    for (const route of routes) this.#router.on(route.method, route.path, () => {}, route)
  }

  /** One more HTTP server for these routes; the caller lets it listen and closes it. */
  httpServer(tls?: TlsIdentity): Server {
    const options = {
      // Uploads (load, build) and streams may take any time.
      requestTimeout: 0,
      // As Go's server: build arguments and filters stand in the URL.
      maxHeaderSize: 1 << 20,
      keepAliveTimeout: 75_000,
      shouldUpgradeCallback: (request: IncomingMessage) => this.#isHijack(request),
    }
    const server = tls
      ? https().createServer({
          ...options,
          // node:http has it by itself; a TLS socket would answer the end of the client's input with our own end.
          allowHalfOpen: true,
          cert: tls.cert,
          key: tls.key,
          minVersion: 'TLSv1.2',
          // Never a look at `authorized` in its place, for the sake of a better answer: Node takes a session that is resumed
          // in TLS 1.3 for authorized even where no certificate was shown.
          ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true, rejectUnauthorized: true }),
        })
      : http.createServer(options)
    server.on('request', (request, response) => void this.#serve(request, response))
    server.on('upgrade', (request, socket, head) => void this.#serveUpgrade(request, socket, head))
    return server
  }

  /** Ends every request still under way, and resolves when their handlers are done. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const controller of this.#open) controller.abort()
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  #isHijack(request: IncomingMessage): boolean {
    const protocol = (request.headers.upgrade ?? '').toLowerCase()
    if (!['tcp', 'websocket', 'h2c'].includes(protocol)) return false
    try {
      const { route } = this.#match(request)
      if (protocol === 'h2c') return 'http2' in route
      return 'hijack' in route || (protocol === 'websocket' && 'websocket' in route)
    } catch {
      // The plain path finds the same fault and answers it.
      return false
    }
  }

  #match(request: IncomingMessage): Match {
    const { path, search, minor } = parseTarget(request.url ?? '/')
    const method = request.method as Route['method']
    const found = this.#router.find(method, path)
    if (!found) throw new EngineError('not-found', 'page not found')
    // Stored beside the route by the constructor.
    const route = found.store as Route
    const params = Object.fromEntries(
      Object.entries(found.params).map(([name, value]) => [name, value ?? '']),
    )
    return { route, params, query: new Query(search), minor }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [name, value] of Object.entries(this.#headers)) response.setHeader(name, value)
    const started = performance.now()
    await this.#run(response, async (op) => {
      try {
        const match = this.#match(request)
        const { route, ...rest } = match
        const common = { op, committed: this.#committed(), request, ...rest }
        if ('refusal' in route) throw new EngineError('unsupported', route.refusal)
        if ('handler' in route) await route.handler({ ...common, response })
        else if ('http2' in route)
          throw new EngineError('invalid', `${route.path} wants an upgrade of the connection to h2c`)
        else if ('websocket' in route)
          throw new EngineError('invalid', `${route.path} wants an upgrade of the connection to a websocket`)
        else {
          const accept = (type: string) =>
            // Docker: the newer content type is for upgraded connections.
            plainConnection(request, response, type === '' ? rawStream : type)
          const answer = (status: number) => sendEmpty(response, status)
          await route.hijack({ ...common, body: () => readLeadingJson(request), accept, answer })
        }
      } catch (error) {
        this.#fail(error, { op, request, response })
      }
    })
    this.#log.debug('request', {
      method: request.method,
      path: pathOf(request),
      status: response.statusCode,
      ms: Math.round(performance.now() - started),
    })
  }

  async #serveUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const started = performance.now()
    socket.on('error', (error) =>
      this.#log.debug('upgraded connection failed', { path: pathOf(request), error }),
    )
    let connection: Pick<HijackedConnection, 'close'> | undefined
    await this.#run(socket, async (op) => {
      try {
        const { route, ...rest } = this.#match(request)
        if ('http2' in route) {
          const accept = () => {
            connection = { close: () => socket.destroy() }
            return upgradeToHttp2(socket, head)
          }
          return await route.http2({ op, committed: this.#committed(), request, ...rest, accept })
        }
        if ('websocket' in route) {
          const accept = async (o: { framed: boolean }) =>
            (connection = await upgradeToWebsocket(request, socket, head, o))
          return await route.websocket({ op, committed: this.#committed(), request, ...rest, accept })
        }
        if (!('hijack' in route)) throw new EngineError('internal', 'not a route to upgrade')
        const call: HijackCall = {
          op,
          committed: this.#committed(),
          request,
          ...rest,
          body: () => readJson(request),
          accept: (type) => {
            const lines = [`Content-Type: ${type}`, ...this.#headerLines()]
            const accepted = upgradeConnection(socket, head, lines)
            connection = accepted
            return accepted
          },
          answer: (status) => this.#answerRaw(socket, { status, body: '' }),
        }
        await route.hijack(call)
      } catch (error) {
        this.#failUpgrade(error, { op, request, socket, connection })
      }
    })
    this.#log.debug('request', {
      method: request.method,
      path: pathOf(request),
      status: connection ? 101 : 0,
      ms: Math.round(performance.now() - started),
    })
  }

  /** Runs one request under an op that ends when its connection does. */
  async #run(connection: ServerResponse | Duplex, work: (op: Op) => Promise<void>): Promise<void> {
    const controller = new AbortController()
    const onClose = () => controller.abort()
    connection.once('close', onClose)
    this.#open.add(controller)
    try {
      await work({ signal: controller.signal, log: this.#log })
    } finally {
      connection.off('close', onClose)
      this.#open.delete(controller)
      if (this.#open.size === 0) this.#idle?.()
    }
  }

  #committed(): Op {
    return background(this.#log, this.#stop.signal)
  }

  #fail(error: unknown, o: { op: Op; request: IncomingMessage; response: ServerResponse }): void {
    const { request, response } = o
    if (o.op.signal.aborted) {
      this.#log.debug('client vanished', {
        method: request.method,
        path: pathOf(request),
        ...(isAbort(error) ? {} : { error }),
      })
      response.destroy()
      return
    }
    this.#report(error, request)
    if (response.headersSent) {
      response.destroy()
      return
    }
    const { status, body } = errorAnswer(error)
    response.writeHead(status, {
      ...(body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      // An upload that nobody reads any more would block the connection.
      ...(request.complete ? {} : { Connection: 'close' }),
    })
    if (request.complete || body === undefined)
      return void response.end(request.method === 'HEAD' ? undefined : body)
    response.write(body)
    endAfterUpload(request, response)
  }

  #failUpgrade(
    error: unknown,
    o: {
      op: Op
      request: IncomingMessage
      socket: Duplex
      connection: Pick<HijackedConnection, 'close'> | undefined
    },
  ): void {
    const { request, socket, connection } = o
    if (o.op.signal.aborted)
      this.#log.debug('client vanished', { method: request.method, path: pathOf(request) })
    else this.#report(error, request)
    if (connection) return connection.close()
    const { status, body = '' } = errorAnswer(error)
    this.#answerRaw(socket, { status, body })
  }

  /** A whole answer on a connection that Node has already handed over. */
  #answerRaw(socket: Duplex, o: { status: number; body: string }): void {
    socket.end(
      [
        `HTTP/1.1 ${o.status} ${http.STATUS_CODES[o.status] ?? ''}`,
        'Connection: close',
        'Content-Type: application/json',
        `Content-Length: ${Buffer.byteLength(o.body)}`,
        ...this.#headerLines(),
        '',
        o.body,
      ].join('\r\n'),
    )
    socket.resume()
  }

  #headerLines(): string[] {
    return Object.entries(this.#headers).map(([name, value]) => `${name}: ${value}`)
  }

  #report(error: unknown, request: IncomingMessage): void {
    const where = { method: request.method, path: pathOf(request) }
    if (kindOf(error) === 'internal') this.#log.error('request failed', { ...where, error })
    else this.#log.debug('request refused', { ...where, error })
  }
}

/** For the log: the query may hold build arguments and other secrets. */
function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}
