import { mkdir, readdir, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { ContentStore } from '../content/index.ts'
import type { Distribution, Images } from '../image/index.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError, kindOf, messageOf } from '../lib/errors.ts'
import { parseIgnore } from '../lib/ignore.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Networks } from '../network/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Leases, Store } from '../store/index.ts'
import type { BuildEvent } from '../wire/build.ts'
import type { CheckAnswer, CheckRequest } from '../wire/check.ts'
import type { Emit } from '../wire/system.ts'
import { BuildCache } from './cache/build-cache.ts'
import type { GcConfig } from './cache/gc-config.ts'
import { findBaseImage } from './base-images.ts'
import { answerCheck } from './checks/answer.ts'
import { parseWithChecks, withChecks } from './checks/build-checks.ts'
import { ScanThread } from './context/scan-thread.ts'
import { openContext, openNamedContexts, type ContextHost } from './context/open.ts'
import { ignoreOfArchive, readDockerfile, readIgnore } from './definition.ts'
import { BuildError } from './dockerfile/source.ts'
import { removeRemains } from './exec/remains.ts'
import { stepFailureIn } from './exec/step-failure.ts'
import type { Tools } from './exec/tools.ts'
import { epochText, timesOf } from './exec/times.ts'
import { makeWorks, remoteWorks, type ContextSource } from './exec/works.ts'
import { Attester, wantsAttestations } from './attest/attester.ts'
import { imageOf } from './export.ts'
import { explainGraph } from './explain/dry-run.ts'
import { argNames, Explainer } from './explain/explainer.ts'
import { originOf, StepMemory } from './explain/memory.ts'
import { FailedSteps } from './failed/failed-steps.ts'
import { hintsFor } from './failed/hints.ts'
import { BuildHistory, type HistoryLimits } from './history/history.ts'
import type { Tree } from './graph/tree.ts'
import {
  allowsHostNetwork,
  freshSteps,
  secretsOf,
  stepSettings,
  targetPlatforms,
  type BuildRequest,
} from './request.ts'
import { deliver, type ExporterResponse } from './output/deliver.ts'
import { checkAttestations, parseOutputs } from './output/outputs.ts'
import { RemoteCache } from './remote-cache/remote-cache.ts'
import { Progress } from './solver/progress.ts'
import { readTargets, type Target } from './targets.ts'
import { verifyBuild } from './verify/verify.ts'
import { Solver } from './solver/solver.ts'
import { loadLayout } from './source/oci-layout.ts'
import { fetchFile } from './source/fetched-file.ts'
import { openWeb, type Web, type WebSettings } from './source/web.ts'

export interface BuilderOptions {
  /** Kept data of the builder's own: file hash indexes, contexts on their way in. */
  readonly root: string
  readonly store: Store
  readonly snapshots: Snapshots
  readonly images: Images
  readonly content: ContentStore
  readonly runtime: Runtime
  readonly networks: Networks
  readonly leases: Leases
  readonly runDir: string
  readonly cgroupParent: string
  readonly emit: Emit
  /** When the cache is thrown away by itself. */
  readonly gc: GcConfig
  readonly historyLimits?: HistoryLimits
  /** What counts of the checks in every build, in the words of the `check` directive. */
  readonly checks?: string
  /** Takes away the layers that nothing holds any more. */
  collectLayers(op: Op): Promise<void>
  /** Absent: outputs that push are refused. */
  readonly distribution?: Distribution
  /** How what ADD and contexts name is fetched; absent: directly. */
  readonly web?: WebSettings
}

/** Builds images from Dockerfiles. */
export class Builder {
  /** What builds there were, this daemon's and earlier ones'. */
  readonly history: BuildHistory
  /** What earlier builds left for later ones. */
  readonly cache: BuildCache
  /** What steps left that failed. */
  readonly failed: FailedSteps
  readonly #o: BuilderOptions
  readonly #web: Web
  readonly #memory: StepMemory
  readonly #solver: Solver<Tree>
  readonly #scanner = new ScanThread()
  readonly #running = new Set<AbortController>()
  readonly #settled = new Set<Promise<unknown>>()

  private constructor(
    o: BuilderOptions,
    own: { cache: BuildCache; history: BuildHistory; failed: FailedSteps; web: Web },
  ) {
    const { cache, history, failed, web } = own
    this.#web = web
    this.failed = failed
    this.history = history
    this.cache = cache
    this.#o = o
    this.#memory = new StepMemory(o.store)
    this.#solver = new Solver({ cache: cache.steps, limit: availableParallelism() + 1 })
  }

  /** Cleans up after steps that a crash cut off. */
  static async open(op: Op, o: BuilderOptions): Promise<Builder> {
    await mkdir(join(o.root, 'spool'), { recursive: true, mode: 0o700 })
    await mkdir(o.runDir, { recursive: true, mode: 0o700 })
    for (const name of await readdir(join(o.root, 'spool')))
      await rm(join(o.root, 'spool', name), { recursive: true, force: true })
    for (const id of await readdir(o.runDir)) await removeRemains(op, o, id)
    const failed = await FailedSteps.open(op, o)
    const history = await BuildHistory.open(op, {
      root: join(o.root, 'history'),
      store: o.store,
      ...(o.historyLimits && { limits: o.historyLimits }),
      onRemove: (id) => failed.discard(op, id),
    })
    const cache = await BuildCache.open(op, { ...o, more: [failed] })
    return new Builder(o, { cache, history, failed, web: await openWeb(o.root, o.web) })
  }

  /** A file of the web, as builds fetch them; it goes when it is disposed. */
  async fetch(op: Op, url: string): Promise<{ path: string } & AsyncDisposable> {
    return await fetchFile(op, url, this.#web)
  }

  /**
   * Builds, names and returns an image; reports progress, at last `result` or (before it throws) `error`. A failure
   * in the Dockerfile is a BuildError. Aborted: steps are killed, and nothing is left when this rejects.
   */
  async build(
    op: Op,
    request: BuildRequest,
    report: (event: BuildEvent) => void,
  ): Promise<{ imageId: Digest | ''; response: ExporterResponse }> {
    const controller = new AbortController()
    const inner: Op = { ...op, signal: AbortSignal.any([op.signal, controller.signal]) }
    // What is only explained is no build.
    const recorder = request.explain ? undefined : this.history.begin(op, request)
    const id = recorder && { build: recorder.id }
    const tell = (event: BuildEvent) => {
      recorder?.note(event)
      report(event)
    }
    this.#running.add(controller)
    const work = this.#build(inner, request, { id: recorder?.id, report: tell })
    const settled = work.then(
      () => undefined,
      () => undefined,
    )
    this.#settled.add(settled)
    try {
      const { imageId, tags, response, ...more } = await work
      tell({ type: 'result', imageId, tags, response, ...id, ...more })
      recorder?.end('completed')
      return { imageId, response }
    } catch (error) {
      if (inner.signal.aborted) recorder?.end('canceled')
      inner.signal.throwIfAborted()
      const failure = stepFailureIn(error)
      const hints = failure ? hintsFor(failure) : []
      const shell = recorder !== undefined && this.failed.has(recorder.id)
      tell({
        type: 'error',
        ...id,
        message: messageOf(error),
        kind: kindOf(error),
        ...(error instanceof BuildError && { excerpt: error.excerpt }),
        ...(hints.length > 0 && { hints }),
        ...(shell && { shell }),
      })
      recorder?.end('error')
      // Who asked for it looks at the step now, with the build's secrets.
      if (shell && request.shell) await this.failed.linger(recorder.id, request, inner.signal)
      throw error
    } finally {
      this.#running.delete(controller)
      this.#settled.delete(settled)
      // Nothing holds the layers of a second build that differ.
      if (request.verify) await this.#o.collectLayers(detached(op, 60_000))
      this.cache.buildEnded()
    }
  }

  /** What is to be said of a Dockerfile without building it. */
  check(op: Op, request: CheckRequest): Promise<CheckAnswer> {
    const { checks: daemon } = this.#o
    return answerCheck(op, request, {
      findImage: (ref) => this.#o.images.find(ref),
      ...(daemon !== undefined && { daemon }),
    })
  }

  /** Layers that cache records and failed steps hold, and the workspaces of these. */
  references(): { layers: Set<Digest>; workspaces: Set<string> } {
    const { layers, workspaces } = this.failed.references()
    return { layers: this.cache.steps.layers().union(layers), workspaces }
  }

  /** Stops all builds and waits until nothing of them is left. */
  async close(): Promise<void> {
    for (const controller of this.#running)
      controller.abort(new EngineError('unavailable', 'the daemon is stopping'))
    await Promise.all(this.#settled)
    await this.failed.close()
    await this.history.close()
    await this.cache.close()
    await this.#scanner.close()
  }

  async #build(
    op: Op,
    request: BuildRequest,
    o: { id: string | undefined; report: (event: BuildEvent) => void },
  ) {
    const platforms = targetPlatforms(request)
    const several = platforms.length > 1
    const outputs = parseOutputs(request.outputs, { tags: request.tags, several })
    if (!this.#o.distribution && outputs.some((output) => output.kind === 'store' && output.push))
      throw new EngineError('unsupported', 'push: registries are not supported yet')
    const network = networkOf(request.networkMode)
    const settings = stepSettings(request)
    const allowHostNetwork = allowsHostNetwork(request)
    const times = timesOf({
      sourceDateEpoch: request.buildArgs['SOURCE_DATE_EPOCH'],
      reproducible: request.reproducible ?? false,
    })
    const noCache = freshSteps(request)
    using lease = this.#o.leases.open()
    await using undo = new AsyncDisposableStack()
    const progress = new Progress(o.report)
    const { snapshots, runtime, networks, runDir } = this.#o
    const cgroupParent = request.cgroupParent ?? this.#o.cgroupParent
    const secrets = request.secrets ?? secretsOf(new Map())
    const resources = request.resources ?? {}
    const own = { cacheMounts: this.cache.mounts, scanner: this.#scanner, secrets, resources }
    if (wantsAttestations(request)) checkAttestations(outputs)
    const remote = await RemoteCache.open(op, request, { ...this.#o, auth: request.auth, lease, progress })
    const { ssh } = request
    const tools: Tools = {
      snapshots,
      runtime,
      networks,
      lease,
      runDir,
      cgroupParent,
      ...own,
      ...(ssh && { ssh }),
      ...(times && { times }),
      ...(!request.noCache && { earlierCopy: (definition) => this.cache.steps.earlierCopy(definition) }),
      web: this.#web,
      ensure: remote.ensure,
      undo,
      ...(o.id !== undefined && { keepFailed: this.failed.keeper(o.id, cgroupParent) }),
    }
    const hold = (tree: Tree) => {
      for (const layer of tree.layers) lease.add(`layer:${layer}`)
    }
    const host: ContextHost = {
      tools,
      cache: this.cache,
      progress,
      works: remoteWorks(tools),
      loadLayout: (each, layout) => {
        if (several)
          throw new EngineError('unsupported', 'an OCI layout as a context serves one platform at a time')
        return loadLayout(each, layout, { images: this.#o.images, platform: platforms[0], undo })
      },
      solve: async (each, vertex) => {
        const options = { progress, noCache, onResult: hold }
        const tree = (await this.#solver.solve(each, [vertex], options)).get(vertex.id)
        if (!tree) throw new Error('a vertex was solved without a result')
        return tree
      },
    }
    // In this order they come in the body of a request.
    const others = await openNamedContexts(op, request.contexts ?? {}, host)
    const main = await openContext(op, request.context, host)
    const { root } = main
    const hostPaths = request.context.kind === 'directory'
    const definition = await progress.task(
      `[internal] load build definition from ${request.dockerfile.split('/').at(-1)}`,
      () => {
        const text = request.dockerfileText ?? main.dockerfileText
        return readDockerfile({
          root,
          path: request.dockerfile,
          hostPaths,
          ...(text !== undefined && { text }),
        })
      },
    )
    const { buildArgs, checkOptions } = request
    const checks = {
      progress,
      buildArgs,
      options: {
        ...(this.#o.checks !== undefined && { daemon: this.#o.checks }),
        ...(checkOptions !== undefined && { request: checkOptions }),
      },
      findImage: (ref: string) => this.#o.images.find(ref),
    }
    const program = parseWithChecks(definition, checks)
    const ignore = await progress.task('[internal] load .dockerignore', () => {
      if (request.ignoreText !== undefined) return Promise.resolve(parseIgnore(request.ignoreText))
      const { dockerfile } = request
      const files = {
        all: () => readIgnore(root, dockerfile),
        archive: () => ignoreOfArchive(root, dockerfile),
        nothing: () => [],
      }
      return Promise.resolve(files[main.ignores]())
    })
    const context: ContextSource = {
      root,
      ignore,
      ...(main.fetch && { fetch: main.fetch(ignore) }),
      ...(main.indexFile !== undefined && { indexFile: main.indexFile }),
    }
    const { images, distribution } = this.#o
    const bases = { images, distribution, auth: request.auth, pull: request.pull ?? false }
    const reading = readTargets(op, program, {
      platforms,
      newAttester: () => {
        const made = new Attester(request, { snapshots: this.#o.snapshots, lease, id: o.id ?? '' })
        made.dockerfile = definition
        return made
      },
      buildArgs: request.buildArgs,
      ...(request.target !== undefined && { target: request.target }),
      network,
      allowHostNetwork,
      ...(settings && { settings }),
      progress,
      works: makeWorks(tools, context, others.sources),
      contexts: others.named,
      findImage: (inner, ref, found) => findBaseImage(inner, ref, { ...bases, ...found }),
    })
    const targets = await withChecks(reading, {
      ...checks,
      program,
      root,
      ignore,
      ...(request.target !== undefined && { target: request.target }),
      otherPlatform: request.platform !== undefined,
    })
    const roots = targets.flatMap(({ draft }) => draft.tree ?? [])
    const explainer = new Explainer({
      memory: this.#memory,
      earlier: this.cache.steps,
      origin: originOf(request),
      argNames: argNames(program),
      isFresh: typeof noCache === 'function' ? noCache : () => noCache,
      roots,
    })
    if (request.explain) {
      const isFresh = typeof noCache === 'function' ? noCache : () => noCache
      const explanation = await explainGraph(op, roots, {
        cache: this.cache.steps,
        explainer,
        progress,
        isFresh,
        hold,
      })
      return { imageId: '' as const, tags: [], response: {}, explanation }
    }
    // Steps that ran before one failed are known too.
    undo.defer(() => explainer.finish())
    const layersOf = (solved: ReadonlyMap<Digest, Tree>, { draft }: Target) =>
      draft.tree ? (solved.get(draft.tree.id)?.layers ?? []) : []
    const final = (solved: ReadonlyMap<Digest, Tree>) => [
      ...new Set(targets.flatMap((target) => layersOf(solved, target))),
    ]
    const solve = () =>
      this.#solver.solve(op, roots, {
        progress,
        noCache,
        explain: (vertex, looked) => explainer.explain(vertex, looked),
        onResult: hold,
        foreign: remote.foreign,
        onFound: remote.onFound,
      })
    const results = await remote.settle(op, { solve, final })
    remote.keep(this.cache.steps)
    if (request.verify)
      for (const root of roots)
        await verifyBuild(op, { root, results, solver: this.#solver, snapshots, progress, onResult: hold })
    const now = times ? epochText(times) : new Date().toISOString()
    const delivered = await deliver(op, outputs, {
      built: targets.map((target) => ({
        ...target,
        layers: layersOf(results, target),
        makeConfig: () =>
          remote.withInline(imageOf(target.draft, results, { labels: request.labels, now, times })),
      })),
      images: this.#o.images,
      snapshots,
      lease,
      progress,
      distribution: this.#o.distribution,
      auth: request.auth,
    })
    await remote.export(op, final(results))
    return delivered
  }
}

function networkOf(mode: string | undefined): 'bridge' | 'host' | 'none' {
  switch (mode) {
    case undefined:
    case '':
    case 'default':
    case 'bridge':
      return 'bridge'
    case 'host':
    case 'none':
      return mode
    default:
      throw new EngineError('unsupported', `network mode ${JSON.stringify(mode)} is not supported by build`)
  }
}
