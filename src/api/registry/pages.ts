import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { messageOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { metricsContentType, type Metrics } from '../../lib/metrics.ts'
import { background, type Op } from '../../lib/op.ts'
import type { Access } from './access.ts'
import { answerOf, sendAnswer } from './errors.ts'
import type { TokenEndpoint } from './token-endpoint.ts'

/** How long an answer about the storage counts, and how long it may take. Milliseconds. */
const readyFor = 1000
const readyWithin = 5000

export interface PagesOptions {
  readonly log: Logger
  readonly metrics: Metrics
  /** Rejects when the storage does not work. */
  readonly probe: (op: Op) => Promise<unknown>
  /** Of the registry: whoever may log in there may read the metrics. Undefined: they are elsewhere. */
  readonly metricsAccess: Access | undefined
  readonly tokens: TokenEndpoint | undefined
}

/**
 * What a registry serves besides the distribution API: `/healthz` (the process answers), `/readyz` (so does its storage, and it is
 * not about to stop), `/metrics`, and `/token`. Health pages need no login and tell nothing but yes or no.
 */
export class Pages {
  readonly #o: PagesOptions
  #ready: { at: number; answer: Promise<boolean> } | undefined
  #stopping = false

  constructor(o: PagesOptions) {
    this.#o = o
  }

  /** From now on `/readyz` says no: balancers send their clients elsewhere. */
  stop(): void {
    this.#stopping = true
  }

  /** These pages, and everything else by `next`. */
  before(next: RequestListener): RequestListener {
    return (request, response) => {
      const page = this.#pageOf(request)
      if (page) void this.#serve(page, request, response)
      else next(request, response)
    }
  }

  /** Metrics and health alone, without a login: for a listener of their own. */
  readonly metricsListener: RequestListener = (request, response) => {
    const path = pathOf(request)
    const page: Page | undefined =
      path === '/metrics' ? (_, answer) => this.#sendMetrics(answer) : this.#pageOf(request)
    if (page) void this.#serve(page, request, response)
    else sendText(response, 404, 'page not found\n')
  }

  #pageOf(request: IncomingMessage): Page | undefined {
    switch (pathOf(request)) {
      case '/healthz':
        return (_, response) => sendText(response, 200, 'ok\n')
      case '/readyz':
        return async (_, response) => {
          const isReady = !this.#stopping && (await this.#isReady())
          sendText(response, isReady ? 200 : 503, isReady ? 'ok\n' : 'not ready\n')
        }
      case '/metrics': {
        const access = this.#o.metricsAccess
        if (!access) return undefined
        return async (asked, response, op) => {
          await access.authorize(op, asked, { kind: 'catalog' })
          this.#sendMetrics(response)
        }
      }
      case '/token': {
        const { tokens } = this.#o
        return tokens && ((asked, response, op) => tokens.serve(op, asked, response))
      }
    }
    return undefined
  }

  async #serve(page: Page, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const op = background(this.#o.log)
    try {
      await page(request, response, op)
    } catch (error) {
      const answer = answerOf(error)
      const level = answer.status >= 500 ? 'error' : 'debug'
      op.log[level]('request refused', { path: pathOf(request), status: answer.status, error })
      if (response.headersSent) return void response.destroy()
      // A form that nobody reads on would block the connection.
      if (!request.complete) response.setHeader('Connection', 'close')
      sendAnswer(response, answer, { body: request.method !== 'HEAD' })
      response.end()
    }
  }

  #sendMetrics(response: ServerResponse): void {
    sendText(response, 200, this.#o.metrics.text(), metricsContentType)
  }

  /** Asked by many at the same time, the storage is asked once. */
  #isReady(): Promise<boolean> {
    const now = performance.now()
    if (this.#ready && now - this.#ready.at < readyFor) return this.#ready.answer
    const op = background(this.#o.log, AbortSignal.timeout(readyWithin))
    const answer = this.#o.probe(op).then(
      () => true,
      (error: unknown) => {
        op.log.warn('the storage does not work', { error: messageOf(error) })
        return false
      },
    )
    this.#ready = { at: now, answer }
    return answer
  }
}

type Page = (request: IncomingMessage, response: ServerResponse, op: Op) => void | Promise<void>

function pathOf(request: IncomingMessage): string {
  return (request.url ?? '').split('?', 1)[0] ?? ''
}

function sendText(response: ServerResponse, status: number, text: string, type = 'text/plain'): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) })
  response.end(text)
}
