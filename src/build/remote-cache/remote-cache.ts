import type { ContentStore } from '../../content/index.ts'
import type { Distribution, Images, OciImage } from '../../image/index.ts'
import type { Digest } from '../../lib/digest.ts'
import { EngineError, messageOf } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Snapshots } from '../../snapshot/index.ts'
import type { Lease } from '../../store/index.ts'
import type { Tree } from '../graph/tree.ts'
import type { AuthSource, BuildRequest } from '../request.ts'
import type { Progress } from '../solver/progress.ts'
import { Reconsider } from '../solver/reconsider.ts'
import type { Cache } from '../solver/solver.ts'
import type { CacheKey, VertexInfo } from '../solver/vertex.ts'
import { documentOfFindings, inlineField, type Finding } from './document.ts'
import { exportCache, parseCacheExport, type CacheExport } from './export.ts'
import { ImportedCache, type CacheSource } from './imported.ts'
import { openCacheSource, type CacheImport } from './sources.ts'

interface Host {
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly images: Images
  readonly distribution?: Distribution | undefined
  readonly auth: AuthSource | undefined
  readonly lease: Lease
  readonly progress: Progress
}

/** What one build takes from caches of other machines and gives to them. */
export class RemoteCache {
  readonly #host: Host
  readonly #exports: readonly CacheExport[]
  readonly #imported: ImportedCache
  /** What this build found or made, by its first key. */
  readonly #findings = new Map<Digest, Finding>()

  private constructor(host: Host, exports: readonly CacheExport[], imported: ImportedCache) {
    this.#host = host
    this.#exports = exports
    this.#imported = imported
  }

  /** A source that cannot be read is told of and left out. Throws for exports that cannot be. */
  static async open(op: Op, request: BuildRequest, host: Host): Promise<RemoteCache> {
    const exports = (request.cacheTo ?? []).map(parseCacheExport)
    const sources = await Promise.all((request.cacheFrom ?? []).map((from) => openSource(op, from, host)))
    const imported = new ImportedCache(
      sources.filter((source) => source !== undefined),
      host,
    )
    return new RemoteCache(host, exports, imported)
  }

  /** For the solver. */
  readonly foreign = (keys: readonly CacheKey[], vertex: VertexInfo): Tree | undefined =>
    this.#imported.find(keys, vertex)

  /** For the solver. */
  readonly onFound = (keys: readonly CacheKey[], { layers, createdAt }: Tree): void => {
    const [first] = keys
    if (!first || this.#exports.length === 0) return
    this.#findings.set(first.digest, { keys: keys.map((key) => key.digest), layers, createdAt })
  }

  /** Makes sure that these layers are here; for steps that are about to look at files. */
  readonly ensure = (op: Op, layers: readonly Digest[]): Promise<void> => this.#imported.ensure(op, layers)

  /** Solves, again where something found elsewhere turns out to be of no use. `final`: the layers that are wanted whole. */
  async settle<T>(
    op: Op,
    o: { solve: () => Promise<T>; final: (solved: T) => readonly Digest[] },
  ): Promise<T> {
    for (;;) {
      try {
        const solved = await o.solve()
        await this.ensure(op, o.final(solved))
        return solved
      } catch (error) {
        // Each time fewer results are known elsewhere: it comes to an end.
        if (!(error instanceof Reconsider)) throw error
        op.log.info('build: solving again without a result from elsewhere', { reason: error.message })
      }
    }
  }

  /** What was found elsewhere and is whole here is known here from now on. */
  keep(cache: Cache<Tree>): void {
    for (const { keys, tree, vertex } of this.#imported.complete()) cache.put(keys, tree, vertex)
  }

  /** The configuration with the cache in it, where that is asked for. */
  withInline(config: OciImage): OciImage {
    if (!this.#exports.some((each) => each.kind === 'inline')) return config
    return Object.assign(config, { [inlineField]: documentOfFindings(this.#findings.values()) })
  }

  /** Writes all caches that are asked for. `result`: layers of the image that was built. */
  async export(op: Op, result: readonly Digest[]): Promise<void> {
    const { progress } = this.#host
    const findings = [...this.#findings.values()]
    for (const to of this.#exports) {
      if (to.kind === 'inline') continue
      const title = to.kind === 'local' ? 'client directory' : 'registry'
      try {
        await progress.task(`exporting cache to ${title}`, async (io) => {
          const layers = await this.#layersFor(op, to.mode, { findings, result })
          await exportCache(op, to, { ...this.#host, findings, layers, io })
        })
      } catch (error) {
        op.signal.throwIfAborted()
        if (!to.ignoreErrors) throw withContext(error, `exporting cache to ${title} failed`)
        progress.warn({ message: `exporting cache to ${title} failed: ${messageOf(error)}` })
      }
    }
  }

  /** Layers that steps made: those of the base are found where the base is. */
  async #layersFor(
    op: Op,
    mode: 'min' | 'max',
    o: { findings: readonly Finding[]; result: readonly Digest[] },
  ): Promise<Set<Digest>> {
    const made = new Set(o.findings.map(({ layers }) => layers.at(-1)).filter((layer) => layer !== undefined))
    const wanted = mode === 'max' ? made : new Set(o.result.filter((layer) => made.has(layer)))
    const here = new Set<Digest>()
    for (const layer of wanted) {
      try {
        await this.ensure(op, [layer])
        here.add(layer)
      } catch (error) {
        // Its bytes are nowhere: the record still tells what stands on it.
        if (!(error instanceof Reconsider)) throw error
      }
    }
    return here
  }
}

async function openSource(op: Op, from: CacheImport, host: Host): Promise<CacheSource | undefined> {
  const what = from.kind === 'local' ? from.path : from.reference
  try {
    return await host.progress.task(`importing cache manifest from ${what}`, () =>
      openCacheSource(op, from, host),
    )
  } catch (error) {
    op.signal.throwIfAborted()
    // As BuildKit: a cache that is not there makes a build slow, not wrong.
    op.log.info('a build cache cannot be imported', { from: what, error: messageOf(error) })
    return undefined
  }
}

function withContext(error: unknown, what: string): Error {
  const kind = error instanceof EngineError ? error.kind : 'internal'
  return new EngineError(kind, `${what}: ${messageOf(error)}`, { cause: error })
}
