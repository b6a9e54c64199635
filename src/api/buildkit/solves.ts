import { setTimeout as delay } from 'node:timers/promises'
import type { ExporterResponse, OutputRequest } from '../../build/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { abortReason, detached, type Op } from '../../lib/op.ts'
import { Attrs } from './attrs.ts'
import { buildRequestOf } from './build-request.ts'
import { readInput, type Directories } from './dockerfile-input.ts'
import { cacheExports } from './cache-options.ts'
import { buildFailure } from './errors.ts'
import { archiveSender } from './file-send.ts'
import type { Call } from './grpc/server.ts'
import { Code, GrpcError } from './grpc/status.ts'
import type { SolveRequest } from './proto/control.ts'
import type { Of } from './proto/message.ts'
import { pastStatus } from './history.ts'
import { FeedProgress } from './progress.ts'
import type { Session, Sessions } from './session.ts'
import { StatusFeed } from './status-feed.ts'
import { refusedGraph } from './result-ref.ts'
import { answerSubrequest } from './subrequests.ts'
import { treeSender } from './tree-send.ts'

type Solve = Of<typeof SolveRequest>

/** How long calls wait for the Solve that they belong to: a client makes them all at once. Milliseconds. */
const patience = 5_000
/** How long before a build is looked for among those that have ended. Milliseconds. */
const haste = 250

/** A build that a client asked for by Control.Solve, until that is answered. */
class Running {
  readonly ref: string
  readonly feed = new StatusFeed()
  readonly solve: Promise<Solve>
  hasBegun = false
  /** Calls that wait for the beginning. */
  waiting = 0
  readonly #begin: (solve: Solve) => void
  /** How the client's own part of the build ended, where it has one. */
  readonly returned = Promise.withResolvers<void>()
  response: ExporterResponse = {}
  isPassing = false
  /** How often the client's part has asked for a build. */
  builds = 0

  constructor(ref: string) {
    this.ref = ref
    const { promise, resolve } = Promise.withResolvers<Solve>()
    this.solve = promise
    this.#begin = resolve
    // Nobody may be waiting.
    this.returned.promise.catch(() => {})
  }

  begin(solve: Solve): void {
    this.hasBegun = true
    this.#begin(solve)
  }
}

/** What a client asks of a frontend. */
interface Asked {
  readonly frontend: string
  readonly options: Readonly<Record<string, string>>
  /** Results of other builds, by the name that options call them by. */
  readonly inputs: Readonly<Record<string, string>>
}

interface Deps {
  readonly engine: Pick<Engine, 'builder' | 'images' | 'removeImage'>
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
      const { Definition: definition, FrontendInputs: inputs } = request
      if ((definition?.def.length ?? 0) > 0 || Object.keys(inputs).length > 0) throw refusedGraph()
      if (request.Frontend === '') await orAborted(op, running.returned.promise)
      else
        await this.#build(op, running, {
          frontend: request.Frontend,
          options: request.FrontendAttrs,
          inputs: {},
        })
      return encodeResponse(running.response)
    } finally {
      running.feed.close()
      // A client asks for the progress at the same time, and its call may come behind a quick end.
      setTimeout(() => this.#running.delete(request.Ref), patience).unref()
    }
  }

  /** Control.Status: ends with the build. One that has ended is told from its record. */
  async *status(op: Op, ref: string) {
    const running = await this.#find(op, ref, haste)
    const past = running ? undefined : pastStatus(this.#o.engine, op, ref)
    yield* past ?? (running ?? (await this.#started(op, ref))).feed.listen(op)
  }

  /** LLBBridge.Solve. What came of it stays at hand as long as the connection does. */
  async gatewaySolve(
    call: Pick<Call, 'op' | 'connection'>,
    ref: string,
    o: Asked,
  ): Promise<{ imageId: string; metadata: Record<string, Uint8Array> }> {
    const { op } = call
    const running = await this.#started(op, ref)
    checkFrontend(o)
    const subrequest = o.options['requestid']
    if (subrequest !== undefined && subrequest !== '')
      return { imageId: '', metadata: await this.#answer(op, running, o.options) }
    const { images } = this.#o.engine
    const before = new Set<string>(images.list().map(({ id }) => id))
    const imageId = await this.#build(op, running, o)
    if (running.isPassing && !before.has(imageId))
      call.connection.defer(() => this.#forget(detached(op, 60_000), imageId))
    return { imageId, metadata: {} }
  }

  /** Removes an image that nobody asked to be kept, unless somebody has taken to it. */
  async #forget(op: Op, imageId: string): Promise<void> {
    const { engine } = this.#o
    try {
      const { refs } = engine.images.find(imageId)
      if (refs.length === 0) await engine.removeImage(op, imageId, { force: false, noPrune: true })
    } catch (error) {
      op.log.debug('an image that passed from build to build stays', { imageId, error })
    }
  }

  /** A graph that the client got from us: whether its image is still there. */
  async gatewayLookUp(op: Op, ref: string, imageId: string): Promise<void> {
    await this.#started(op, ref)
    this.#o.engine.images.find(imageId)
  }

  /** What is asked of a Dockerfile besides building it. */
  async #answer(op: Op, running: Running, options: Readonly<Record<string, string>>) {
    const session = await this.#o.sessions.get(op, (await running.solve).Session)
    const attrs = new Attrs(options)
    const input = await readInput(op, attrs, this.#directories(op, session, attrs))
    const { dockerfileText, ignoreText = '' } = input
    if (dockerfileText === undefined)
      throw new EngineError('unsupported', 'a Dockerfile in a context that is fetched cannot be checked')
    return await answerSubrequest(attrs.take('requestid') ?? '', {
      definition: { name: input.dockerfile, text: dockerfileText, ignore: ignoreText },
      buildArgs: attrs.takeAll('build-arg:'),
      target: attrs.take('target'),
      check: (request) => this.#o.engine.builder.check(op, request),
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

  /** Returns the id of the image; empty when none was wanted. */
  async #build(op: Op, running: Running, o: Asked): Promise<string> {
    checkFrontend(o)
    const request = await running.solve
    if (request.SourcePolicy) throw new EngineError('unsupported', 'build: source policies are not supported')
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
    // Nobody wants to keep it. Another build may be made on it, if the client asks for that one itself.
    running.isPassing = outputs.length === 0 && request.Frontend === ''
    if (outputs.length === 0) outputs.push({ type: running.isPassing ? 'image' : 'cacheonly', attrs: {} })
    const attrs = new Attrs(o.options)
    await using undo = new AsyncDisposableStack()
    const { kept } = this.#o.engine.builder.cache
    const build = await buildRequestOf(op, attrs, {
      ...this.#directories(op, session, attrs),
      ...(running.builds++ === 0 && { ref: running.ref }),
      emptyDirectory: async () => undo.use(await kept.borrow(undefined)).root,
      inputs: o.inputs,
      allow: request.Entitlements,
      outputs,
      cacheTo: cacheExports(request.Cache?.Exports ?? []),
    })
    const { dockerfileText } = build
    const progress = new FeedProgress(running.feed, {
      ref: running.ref,
      ...(dockerfileText !== undefined && { dockerfile: dockerfileText }),
    })
    try {
      const { imageId, response } = await this.#o.engine.builder.build(op, build, (event) =>
        progress.push(event),
      )
      running.response = response
      return imageId
    } catch (error) {
      throw buildFailure(error)
    }
  }

  #directories(op: Op, session: Session, attrs: Attrs): Directories {
    const ids = attrs.takeAll('local-sessionid:')
    return {
      session,
      directory: async (name) => {
        const id = Object.hasOwn(ids, name) ? ids[name] : undefined
        return { name, session: id === undefined ? session : await this.#o.sessions.get(op, id) }
      },
    }
  }

  #of(ref: string): Running {
    const known = this.#running.get(ref)
    if (known) return known
    const running = new Running(ref)
    this.#running.set(ref, running)
    return running
  }

  async #started(op: Op, ref: string): Promise<Running> {
    const running = await this.#find(op, ref, patience)
    if (!running) throw new GrpcError(Code.notFound, `no such job ${ref}`)
    return running
  }

  /** The build of that name; the call that begins it may still be on its way. */
  async #find(op: Op, ref: string, ms: number): Promise<Running | undefined> {
    const running = this.#of(ref)
    const over = new AbortController()
    running.waiting++
    try {
      const timeout = delay(ms, undefined, { signal: AbortSignal.any([op.signal, over.signal]) })
      const solve = await Promise.race([running.solve, timeout])
      return solve && running
    } finally {
      over.abort()
      running.waiting--
      if (running.waiting === 0 && !running.hasBegun) this.#running.delete(ref)
    }
  }
}

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
    op.signal.addEventListener('abort', () => reject(abortReason(op.signal)), { once: true }),
  )
  return await Promise.race([promise, aborted])
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
