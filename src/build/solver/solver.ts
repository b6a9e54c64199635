import type { Digest } from '../../lib/digest.ts'
import { isAbort } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { Flight } from './flight.ts'
import type { Progress } from './progress.ts'
import { Reconsider } from './reconsider.ts'
import { Semaphore } from '../../lib/semaphore.ts'
import type { CacheKey, Io, Outcome, Vertex, VertexInfo } from './vertex.ts'

/** Where results are found again. `get` gives only results that are still whole. */
export interface Cache<R> {
  get(key: CacheKey): R | undefined
  put(keys: readonly CacheKey[], result: R, vertex: VertexInfo): void
}

export interface SolveOptions<R> {
  readonly progress: Progress
  /** What runs though its result is known; what comes out is remembered all the same. */
  readonly noCache: boolean | ((vertex: VertexInfo) => boolean)
  /** Absent: results are remembered. */
  readonly remember?: boolean
  /** Called for each result as soon as it is there, to keep it from being collected. */
  onResult(result: R): void
  /** Results that are known elsewhere, asked after our own; their files may still have to come. */
  foreign?(keys: readonly CacheKey[], vertex: VertexInfo): R | undefined
  /** Told of each result that may be found again, with the keys that were made for it. */
  onFound?(keys: readonly CacheKey[], result: R): void
  /** Told how each vertex with keys was looked for, before it runs; gives what people should know of a miss. */
  explain?(vertex: Vertex<R>, looked: { keys: readonly CacheKey[]; hit: boolean }): readonly string[]
}

/** Runs graphs: independent vertices in parallel, equal work of concurrent builds once. */
export class Solver<R> {
  readonly #cache: Cache<R>
  readonly #slots: Semaphore
  readonly #flights = new Map<Digest, Flight<R>>()

  /** `limit`: how many vertices may run at once. */
  constructor(o: { cache: Cache<R>; limit: number }) {
    this.#cache = o.cache
    this.#slots = new Semaphore(o.limit)
  }

  /**
   * Results of the roots, in order, and of everything below them. The first failure stops the rest; all has ended
   * when it is thrown.
   */
  async solve(op: Op, roots: readonly Vertex<R>[], o: SolveOptions<R>): Promise<ReadonlyMap<Digest, R>> {
    const started: Promise<unknown>[] = []
    const controller = new AbortController()
    const inner: Op = { ...op, signal: AbortSignal.any([op.signal, controller.signal]) }
    const running = new Map<Digest, Promise<R>>()
    let failure: { error: unknown } | undefined
    const start = (vertex: Vertex<R>): Promise<R> => {
      const known = running.get(vertex.id)
      if (known) return known
      const inputs = vertex.inputs.map(start)
      // Before anything starts: who follows the build knows how many steps there are.
      o.progress.announce(vertex)
      const promise = this.#vertex(inner, vertex, { inputs, started, ...o }).catch((error: unknown) => {
        failure ??= { error }
        controller.abort(error)
        throw error
      })
      // Failures are rethrown below, also those of vertices that no one waits for any more.
      promise.catch(() => undefined)
      running.set(vertex.id, promise)
      return promise
    }
    for (const root of roots) void start(root)
    await Promise.allSettled(running.values())
    // Another build may still wait for work that this one began: its context and leases have to stay so long.
    await Promise.all(started)
    op.signal.throwIfAborted()
    if (failure) throw failure.error
    const results = new Map<Digest, R>()
    for (const [id, promise] of running) results.set(id, await promise)
    return results
  }

  async #vertex(
    op: Op,
    vertex: Vertex<R>,
    o: SolveOptions<R> & { inputs: readonly Promise<R>[]; started: Promise<unknown>[] },
  ): Promise<R> {
    const { progress, started } = o
    const fresh = typeof o.noCache === 'function' ? o.noCache(vertex) : o.noCache
    const inputs = await Promise.all(o.inputs)
    op.signal.throwIfAborted()
    progress.started(vertex)
    const io = progress.io(vertex)
    try {
      const keys: CacheKey[] = []
      for (const make of vertex.work.keys) {
        const key = await make(op, inputs, io)
        keys.push(key)
        const own = fresh ? undefined : this.#cache.get(key)
        const hit = own ?? (fresh ? undefined : o.foreign?.(keys, vertex))
        if (hit === undefined) continue
        if (own !== undefined && keys.length > 1) this.#cache.put(keys, hit, vertex)
        o.onFound?.(keys, hit)
        o.explain?.(vertex, { keys, hit: true })
        o.onResult(hit)
        progress.completed(vertex, true)
        return hit
      }
      if (keys.length > 0 && o.explain) progress.missed(vertex, o.explain(vertex, { keys, hit: false }))
      const outcome = await this.#run(op, vertex, {
        inputs,
        keys: o.remember === false ? [] : keys,
        io,
        started,
        share: !fresh,
      })
      const { result, cacheable } = outcome
      o.onResult(result)
      if (cacheable && keys.length > 0) o.onFound?.(keys, result)
      progress.completed(vertex, false)
      return result
    } catch (error) {
      // It is tried again: nothing that people need to see.
      if (error instanceof Reconsider || op.signal.reason instanceof Reconsider) throw error
      if (isAbort(error) || op.signal.aborted) progress.failed(vertex, new Error('canceled'))
      else progress.failed(vertex, error)
      throw error
    }
  }

  async #run(
    op: Op,
    vertex: Vertex<R>,
    o: {
      inputs: readonly R[]
      keys: readonly CacheKey[]
      io: Io
      share: boolean
      started: Promise<unknown>[]
    },
  ): Promise<Outcome<R>> {
    const work = async (inner: Op, io: Io): Promise<Outcome<R>> => {
      using _slot = await this.#slots.acquire(inner.signal)
      const outcome = await vertex.work.run(inner, o.inputs, io)
      if (outcome.cacheable && o.keys.length > 0) this.#cache.put(o.keys, outcome.result, vertex)
      return outcome
    }
    const key = o.keys.at(-1)
    // A build without cache wants its steps to run, not to get those of somebody else.
    if (!key || !o.share) {
      const alone = new Flight<R>(op, work)
      o.started.push(alone.ended)
      return await alone.join(op, o.io)
    }
    let flight = this.#flights.get(key.digest)
    if (!flight?.joinable) {
      const mine = new Flight<R>(op, async (inner, io) => {
        try {
          return await work(inner, io)
        } finally {
          if (this.#flights.get(key.digest) === mine) this.#flights.delete(key.digest)
        }
      })
      flight = mine
      o.started.push(mine.ended)
      this.#flights.set(key.digest, mine)
    }
    return await flight.join(op, o.io)
  }
}
