import { setTimeout as delay } from 'node:timers/promises'
import type { ExporterResponse, OutputRequest } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { Attrs } from './attrs.ts'
import { buildRequestOf } from './build-request.ts'
import { readInput } from './dockerfile-input.ts'
import { buildFailure } from './errors.ts'
import { archiveSender } from './file-send.ts'
import { Code, GrpcError } from './grpc/status.ts'
import type { SolveRequest } from './proto/control.ts'
import type { Of } from './proto/message.ts'
import { pastStatus } from './history.ts'
import { FeedProgress } from './progress.ts'
import type { Sessions } from './session.ts'
import { StatusFeed } from './status-feed.ts'
import { answerSubrequest } from './subrequests.ts'
import { treeSender } from './tree-send.ts'

type Solve = Of<typeof SolveRequest>

/** How long calls wait for the Solve that they belong to: a client makes them all at once. Milliseconds. */
const patience = 5_000

/** A build that a client asked for by Control.Solve, until that is answered. */
class Running {
  readonly ref: string
  readonly feed = new StatusFeed()
  readonly solve: Promise<Solve>
  readonly begin: (solve: Solve) => void
  /** How the client's own part of the build ended, where it has one. */
  readonly returned = Promise.withResolvers<void>()
  response: ExporterResponse = {}

  constructor(ref: string) {
    this.ref = ref
    const { promise, resolve } = Promise.withResolvers<Solve>()
    this.solve = promise
    this.begin = resolve
    // Nobody may be waiting.
    this.returned.promise.catch(() => {})
  }
}

interface Deps {
  readonly engine: Pick<Engine, 'builder' | 'images'>
  readonly sessions: Sessions
  /** Where files wait that are on their way to a client. */
  readonly spool: string
}

/**
 * Builds of BuildKit's clients, by their ref. A client either names a frontend and lets us do the rest, or names none and
 * runs a part of its own, which asks for the frontend through the gateway and says at the end what the result is.
 */
export class Solves {
  readonly #o: Deps
  readonly #running = new Map<string, Running>()

  constructor(o: Deps) {
    this.#o = o
  }

  /** Control.Solve */
  async solve(op: Op, request: Solve): Promise<Record<string, string>> {
    if (request.Ref === '') throw new GrpcError(Code.invalidArgument, 'a build needs a ref')
    const running = this.#of(request.Ref)
    running.begin(request)
    try {
      if ((request.Definition?.def.length ?? 0) > 0) throw refusedGraph()
      if (request.Frontend === '') await orAborted(op, running.returned.promise)
      else await this.#build(op, running, { frontend: request.Frontend, options: request.FrontendAttrs })
      return encodeResponse(running.response)
    } finally {
      running.feed.close()
      // A client asks for the progress at the same time, and its call may come behind a quick end.
      setTimeout(() => this.#running.delete(request.Ref), patience).unref()
    }
  }

  /** Control.Status: ends with the build. */
  async *status(op: Op, ref: string) {
    const past = this.#running.has(ref) ? undefined : pastStatus(this.#o.engine, op, ref)
    yield* past ?? (await this.#started(op, ref)).feed.listen(op)
  }

  /** LLBBridge.Solve */
  async gatewaySolve(
    op: Op,
    ref: string,
    o: { frontend: string; options: Readonly<Record<string, string>> },
  ): Promise<Record<string, Uint8Array>> {
    const running = await this.#started(op, ref)
    checkFrontend(o)
    const subrequest = o.options['requestid']
    if (subrequest !== undefined && subrequest !== '') return await this.#answer(op, running, o.options)
    await this.#build(op, running, o)
    return {}
  }

  /** What is asked of a Dockerfile besides building it. */
  async #answer(op: Op, running: Running, options: Readonly<Record<string, string>>) {
    const session = await this.#o.sessions.get(op, (await running.solve).Session)
    const attrs = new Attrs(options)
    const input = await readInput(op, attrs, session)
    const { dockerfileText, ignoreText = '' } = input
    if (dockerfileText === undefined)
      throw new EngineError('unsupported', 'a Dockerfile in a context that is fetched cannot be checked')
    return answerSubrequest(attrs.take('requestid') ?? '', {
      definition: { name: input.dockerfile, text: dockerfileText, ignore: ignoreText },
      buildArgs: attrs.takeAll('build-arg:'),
      target: attrs.take('target'),
      findImage: (ref) => this.#o.engine.images.find(ref),
    })
  }

  /** LLBBridge.Ping */
  async known(op: Op, ref: string): Promise<void> {
    await this.#started(op, ref)
  }

  /** LLBBridge.Return */
  async gatewayReturn(op: Op, ref: string, error: GrpcError | undefined): Promise<void> {
    const { returned } = await this.#started(op, ref)
    if (error) returned.reject(error)
    else returned.resolve()
  }

  async #build(
    op: Op,
    running: Running,
    o: { frontend: string; options: Readonly<Record<string, string>> },
  ): Promise<void> {
    checkFrontend(o)
    const request = await running.solve
    const session = await this.#o.sessions.get(op, request.Session)
    const exporters =
      request.Exporters.length > 0
        ? request.Exporters
        : request.Exporter === ''
          ? []
          : [{ Type: request.Exporter, Attrs: request.ExporterAttrs }]
    const outputs = exporters.map(({ Type: type, Attrs }, index): OutputRequest => {
      // compose: an image of the local store is loaded there by itself.
      const { load, ...rest } = Attrs
      const attrs = type === 'moby' && load === 'true' ? rest : Attrs
      // BuildKit: how the client tells its receivers apart.
      const metadata = { 'buildkit-attachable-exporter-id': String(index) }
      if (type === 'local')
        return { type, attrs, send: treeSender(session, { metadata, spool: this.#o.spool }) }
      if (type === 'tar' || type === 'oci' || type === 'docker')
        return { type, attrs, send: archiveSender(session, metadata) }
      return { type, attrs }
    })
    // Nothing is wanted but that it is in the cache.
    if (outputs.length === 0) outputs.push({ type: 'cacheonly', attrs: {} })
    const build = await buildRequestOf(op, { ref: running.ref, options: o.options, session, outputs })
    const { dockerfileText } = build
    const progress = new FeedProgress(running.feed, {
      ref: running.ref,
      ...(dockerfileText !== undefined && { dockerfile: dockerfileText }),
    })
    try {
      const { response } = await this.#o.engine.builder.build(op, build, (event) => progress.push(event))
      running.response = response
    } catch (error) {
      throw buildFailure(error)
    }
  }

  #of(ref: string): Running {
    const known = this.#running.get(ref)
    if (known) return known
    const running = new Running(ref)
    this.#running.set(ref, running)
    return running
  }

  /** The build of that name; the call that begins it may still be on its way. */
  async #started(op: Op, ref: string): Promise<Running> {
    const running = this.#of(ref)
    const over = new AbortController()
    try {
      const signal = AbortSignal.any([op.signal, over.signal])
      const solve = await Promise.race([running.solve, delay(patience, undefined, { signal })])
      if (solve) return running
      this.#running.delete(ref)
      throw new GrpcError(Code.notFound, `no such job ${ref}`)
    } finally {
      over.abort()
    }
  }
}

const refusedGraph = () =>
  new EngineError(
    'unsupported',
    'builds from LLB definitions are not supported: only Dockerfiles are built here',
  )

function checkFrontend(o: { frontend: string; options: Readonly<Record<string, string>> }): void {
  const { frontend, options } = o
  if (frontend === 'dockerfile.v0') return
  // `docker/dockerfile` images are what ours is; any other is another language.
  const source = options['source'] ?? ''
  if (frontend === 'gateway.v0' && /^(docker\.io\/)?docker\/dockerfile(-upstream)?([:@]|$)/.test(source))
    return
  const name = frontend === '' ? 'an LLB definition' : frontend === 'gateway.v0' ? source : frontend
  throw new EngineError('unsupported', `frontend ${name} is not supported: only Dockerfiles are built here`)
}

async function orAborted<T>(op: Op, promise: Promise<T>): Promise<T> {
  op.signal.throwIfAborted()
  const aborted = new Promise<never>((_resolve, reject) =>
    op.signal.addEventListener('abort', () => reject(abortReason(op)), { once: true }),
  )
  return await Promise.race([promise, aborted])
}

function abortReason(op: Op): Error {
  const reason: unknown = op.signal.reason
  return reason instanceof Error ? reason : new Error('aborted', { cause: reason })
}

/** BuildKit: texts as they are, anything else as JSON in base64. */
function encodeResponse(response: ExporterResponse): Record<string, string> {
  return Object.fromEntries(
    Object.entries(response).map(([key, value]) => [
      key,
      typeof value === 'string' ? value : Buffer.from(JSON.stringify(value)).toString('base64'),
    ]),
  )
}
