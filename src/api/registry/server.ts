import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Registry } from '../../distribution/index.ts'
import { isAbort } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { background, type Op } from '../../lib/op.ts'
import { BodyBudget } from './body-budget.ts'
import { endAfterUpload } from '../end-after-upload.ts'
import { openAccess, type Access } from './access.ts'
import { AnswerError, answerOf, sendAnswer } from './errors.ts'
import type { Call, Limits } from './call.ts'
import { handle, methodsOf, needOf } from './routes.ts'
import { parseTarget, type Target } from './target.ts'

/** What an observer learns when a request is over. */
export interface Observation {
  readonly method: string
  /** What the path meant; undefined for one that is none of the API's. */
  readonly target: Target['kind'] | undefined
  readonly repository: string | undefined
  readonly status: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly ms: number
}

export interface RegistryApiOptions {
  readonly registry: Registry
  readonly log: Logger
  readonly limits?: Partial<Limits>
  readonly access?: Access
  readonly observe?: (request: IncomingMessage, observation: Observation) => void
}

const defaultLimits: Limits = {
  maxBlobSize: Number.MAX_SAFE_INTEGER,
  maxManifestSize: 4 << 20,
  maxManifestMemory: 256 << 20,
}

/** The distribution API over a registry: a listener for any number of HTTP servers, which its caller makes, limits and closes. */
export class RegistryApi {
  readonly #o: RegistryApiOptions
  readonly #limits: Limits
  readonly #bodies: BodyBudget
  readonly #access: Access
  readonly #open = new Map<AbortController, ServerResponse>()
  readonly #stop = new AbortController()
  #idle: (() => void) | undefined

  constructor(o: RegistryApiOptions) {
    this.#o = o
    this.#limits = { ...defaultLimits, ...o.limits }
    this.#bodies = new BodyBudget(this.#limits.maxManifestMemory)
    this.#access = o.access ?? openAccess
  }

  /** For `server.on('request', …)`. */
  readonly listener = (request: IncomingMessage, response: ServerResponse): void => {
    void this.#serve(request, response)
  }

  /** Ends every request under way, and resolves when their handlers are done. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const [controller, response] of this.#open) {
      controller.abort()
      // Handlers may be waiting for more of a body.
      response.destroy()
    }
    if (this.#open.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const started = performance.now()
    const { socket } = request
    const before = { in: socket.bytesRead, out: socket.bytesWritten }
    const controller = new AbortController()
    const onClose = () => controller.abort()
    response.once('close', onClose)
    this.#open.set(controller, response)
    const op: Op = { signal: controller.signal, log: this.#o.log }
    response.setHeader('Docker-Distribution-Api-Version', 'registry/2.0')
    let target: Target | undefined
    try {
      const { path, query } = split(request.url ?? '/')
      target = parseTarget(path)
      await this.#answer({ op, request, response, target, query })
    } catch (error) {
      this.#fail(error, { op, request, response })
    } finally {
      response.off('close', onClose)
      this.#open.delete(controller)
      if (this.#open.size === 0) this.#idle?.()
    }
    const observation: Observation = {
      method: request.method ?? '',
      target: target?.kind,
      repository: target && 'name' in target ? target.name : undefined,
      status: response.statusCode,
      bytesIn: socket.bytesRead - before.in,
      bytesOut: socket.bytesWritten - before.out,
      ms: performance.now() - started,
    }
    this.#o.log.debug('request', { ...observation, ms: Math.round(observation.ms) })
    this.#o.observe?.(request, observation)
  }

  async #answer(o: {
    op: Op
    request: IncomingMessage
    response: ServerResponse
    target: Target | undefined
    query: URLSearchParams
  }): Promise<void> {
    const { request, target } = o
    if (!target)
      throw new AnswerError({ status: 404, errors: [{ code: 'NAME_UNKNOWN', message: 'no such page' }] })
    const methods = methodsOf(target)
    const method = methods.find((one) => one === request.method)
    if (!method)
      throw new AnswerError({
        status: 405,
        headers: { Allow: methods.join(', ') },
        errors: [{ code: 'UNSUPPORTED', message: `${request.method} is not for this path` }],
      })
    const identity = await this.#access.authorize(o.op, request, needOf(target, method))
    const call: Call = {
      op: o.op,
      committed: background(this.#o.log, this.#stop.signal),
      request,
      response: o.response,
      query: o.query,
      registry: this.#o.registry,
      limits: this.#limits,
      bodies: this.#bodies,
      identity,
    }
    await handle(call, target, method)
  }

  #fail(error: unknown, o: { op: Op; request: IncomingMessage; response: ServerResponse }): void {
    const { request, response } = o
    const where = { method: request.method, path: split(request.url ?? '/').path }
    if (o.op.signal.aborted) {
      this.#o.log.debug('client vanished', { ...where, ...(isAbort(error) ? {} : { error }) })
      response.destroy()
      return
    }
    const answer = answerOf(error)
    if (answer.status >= 500) this.#o.log.error('request failed', { ...where, error })
    else this.#o.log.debug('request refused', { ...where, status: answer.status, error })
    if (response.headersSent) return void response.destroy()
    // An upload that nobody reads any more would block the connection.
    if (!request.complete) response.setHeader('Connection', 'close')
    sendAnswer(response, answer, { body: request.method !== 'HEAD' })
    if (request.complete) response.end()
    else endAfterUpload(request, response)
  }
}

function split(text: string): { path: string; query: URLSearchParams } {
  // RFC 9112, 3.2.2: the absolute form has to be taken, too.
  const url = text.replace(/^https?:\/\/[^/?]*/i, '')
  const question = url.indexOf('?')
  return {
    path: question < 0 ? url : url.slice(0, question),
    query: new URLSearchParams(question < 0 ? '' : url.slice(question + 1)),
  }
}
