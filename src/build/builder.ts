import { createWriteStream } from 'node:fs'
import { mkdir, readdir, realpath, rm, stat } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { ContentStore } from '../content/index.ts'
import { MNT_DETACH, mountsUnder, unmount } from '../host/mount.ts'
import type { Distribution, Image, Images } from '../image/index.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError, hasCode, kindOf, messageOf } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { parseIgnore } from '../lib/ignore.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Networks } from '../network/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Leases, Store } from '../store/index.ts'
import type { BuildEvent } from '../wire/build.ts'
import type { Emit } from '../wire/system.ts'
import { BuildCache } from './cache/build-cache.ts'
import type { GcConfig } from './cache/gc-config.ts'
import { withChecks } from './checks/build-checks.ts'
import { ScanThread } from './context/scan-thread.ts'
import { fetchInto } from './context/synced.ts'
import { readDockerfile, readIgnore } from './definition.ts'
import { BuildError } from './dockerfile/source.ts'
import { parseProgram } from './dockerfile/stages.ts'
import type { Tools } from './exec/tools.ts'
import { makeWorks, type ContextSource } from './exec/works.ts'
import { imageOf } from './export.ts'
import { argNames, Explainer } from './explain/explainer.ts'
import { originOf, StepMemory } from './explain/memory.ts'
import { BuildHistory } from './history/history.ts'
import { convert } from './graph/convert.ts'
import type { Tree } from './graph/tree.ts'
import { refuseUnsupported, secretsOf, stepSettings, type BuildRequest } from './request.ts'
import { deliver, type ExporterResponse } from './output/deliver.ts'
import { parseOutputs } from './output/outputs.ts'
import { Progress } from './solver/progress.ts'
import { Solver } from './solver/solver.ts'

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
  /** Takes away the layers that nothing holds any more. */
  collectLayers(op: Op): Promise<void>
  /** Absent: outputs that push are refused. */
  readonly distribution?: Distribution
}

/** Builds images from Dockerfiles. */
export class Builder {
  /** What builds there were, this daemon's and earlier ones'. */
  readonly history: BuildHistory
  /** What earlier builds left for later ones. */
  readonly cache: BuildCache
  readonly #o: BuilderOptions
  readonly #memory: StepMemory
  readonly #solver: Solver<Tree>
  readonly #scanner = new ScanThread()
  readonly #running = new Set<AbortController>()
  readonly #settled = new Set<Promise<unknown>>()

  private constructor(o: BuilderOptions, cache: BuildCache, history: BuildHistory) {
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
      await rm(join(o.root, 'spool', name), { force: true })
    for (const id of await readdir(o.runDir)) await removeStep(op, o, id)
    const history = await BuildHistory.open(op, { root: join(o.root, 'history'), store: o.store })
    return new Builder(o, await BuildCache.open(op, o), history)
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
    const recorder = this.history.begin(op, request)
    const tell = (event: BuildEvent) => {
      recorder.note(event)
      report(event)
    }
    this.#running.add(controller)
    const work = this.#build(inner, request, tell)
    const settled = work.then(
      () => undefined,
      () => undefined,
    )
    this.#settled.add(settled)
    try {
      const { imageId, tags, response } = await work
      tell({ type: 'result', imageId, tags, response, build: recorder.id })
      recorder.end('completed')
      return { imageId, response }
    } catch (error) {
      if (inner.signal.aborted) recorder.end('canceled')
      inner.signal.throwIfAborted()
      tell({
        type: 'error',
        build: recorder.id,
        message: messageOf(error),
        kind: kindOf(error),
        ...(error instanceof BuildError && { excerpt: error.excerpt }),
      })
      recorder.end('error')
      throw error
    } finally {
      this.#running.delete(controller)
      this.#settled.delete(settled)
      this.cache.buildEnded()
    }
  }

  /** Layers that cache records hold. */
  references(): { layers: Set<Digest> } {
    return { layers: this.cache.steps.layers() }
  }

  /** Stops all builds and waits until nothing of them is left. */
  async close(): Promise<void> {
    for (const controller of this.#running)
      controller.abort(new EngineError('unavailable', 'the daemon is stopping'))
    await Promise.all(this.#settled)
    await this.history.close()
    await this.cache.close()
    await this.#scanner.close()
  }

  async #build(op: Op, request: BuildRequest, report: (event: BuildEvent) => void) {
    refuseUnsupported(request)
    const outputs = parseOutputs(request.outputs, request.tags)
    if (!this.#o.distribution && outputs.some((output) => output.kind === 'store' && output.push))
      throw new EngineError('unsupported', 'push: registries are not supported yet')
    const network = networkOf(request.networkMode)
    const settings = stepSettings(request)
    using lease = this.#o.leases.open()
    await using undo = new AsyncDisposableStack()
    const progress = new Progress(report)
    const { snapshots, runtime, networks, runDir } = this.#o
    const cgroupParent = request.cgroupParent ?? this.#o.cgroupParent
    const secrets = request.secrets ?? secretsOf(new Map())
    const resources = request.resources ?? {}
    const own = { cacheMounts: this.cache.mounts, scanner: this.#scanner, secrets, resources }
    const tools: Tools = { snapshots, runtime, networks, lease, runDir, cgroupParent, ...own }
    const synced = request.context.kind === 'synced' ? request.context.source : undefined
    const kept = synced && undo.use(await this.cache.kept.borrow(synced.key))
    const root = kept?.root ?? (await this.#contextRoot(op, request.context, { undo, tools }))
    const hostPaths = request.context.kind === 'directory'
    const definition = await progress.task(
      `[internal] load build definition from ${request.dockerfile.split('/').at(-1)}`,
      () => {
        const text = request.dockerfileText
        return readDockerfile({
          root,
          path: request.dockerfile,
          hostPaths,
          ...(text !== undefined && { text }),
        })
      },
    )
    const program = parseProgram(definition.name, definition.text)
    const ignore = await progress.task('[internal] load .dockerignore', () =>
      Promise.resolve(
        request.ignoreText === undefined
          ? readIgnore(root, request.dockerfile)
          : parseIgnore(request.ignoreText),
      ),
    )
    const context: ContextSource = {
      root,
      ignore,
      ...(kept && synced && { fetch: fetchInto(kept, synced, ignore) }),
      ...((hostPaths || kept?.stays) && { indexFile: this.cache.contexts.file(root) }),
    }
    const converted = convert(op, program, {
      buildArgs: request.buildArgs,
      ...(request.target !== undefined && { target: request.target }),
      network,
      ...(settings && { settings }),
      progress,
      works: makeWorks(tools, context),
      findImage: (_op, ref) => Promise.resolve(this.#findImage(ref)),
    })
    const draft = await withChecks(converted, {
      program,
      root,
      ignore,
      buildArgs: request.buildArgs,
      ...(request.target !== undefined && { target: request.target }),
      options: request.checkOptions === undefined ? {} : { request: request.checkOptions },
      progress,
      findImage: (ref) => this.#findImage(ref),
    })
    const roots = draft.tree ? [draft.tree] : []
    const explainer = new Explainer({
      memory: this.#memory,
      earlier: this.cache.steps,
      origin: originOf(request),
      argNames: argNames(program),
      silent: request.noCache,
      roots,
    })
    // Steps that ran before one failed are known too.
    undo.defer(() => explainer.finish())
    const results = await this.#solver.solve(op, roots, {
      progress,
      noCache: request.noCache,
      explain: (vertex, looked) => explainer.explain(vertex, looked),
      onResult: (tree) => {
        for (const layer of tree.layers) lease.add(`layer:${layer}`)
      },
    })
    const now = new Date().toISOString()
    return await deliver(op, outputs, {
      layers: draft.tree ? (results.get(draft.tree.id)?.layers ?? []) : [],
      makeConfig: () => imageOf(draft, results, { labels: request.labels, now }),
      images: this.#o.images,
      snapshots,
      lease,
      progress,
      distribution: this.#o.distribution,
      auth: request.auth,
    })
  }

  #findImage(ref: string): Image {
    return this.#o.images.find(ref)
  }

  async #contextRoot(
    op: Op,
    context: BuildRequest['context'],
    o: { undo: AsyncDisposableStack; tools: Tools },
  ): Promise<string> {
    if (context.kind === 'directory') return await contextDirectory(context.path)
    if (context.kind !== 'tar')
      throw new EngineError('unsupported', `a build context of kind ${context.kind} is not supported`)
    const id = `b${newId().slice(0, 12)}`
    const spool = join(this.#o.root, 'spool', id)
    const { snapshots, lease } = o.tools
    o.undo.defer(async () => {
      try {
        await rm(spool, { force: true })
        await snapshots.remove(detached(op, 30_000), id)
      } catch (error) {
        op.log.warn('removing a build context failed', { id, error })
      }
    })
    lease.add(`workspace:${id}`)
    await snapshots.prepare(op, id)
    const root = await snapshots.mount(op, id, [])
    await pipeline(context.stream, createWriteStream(spool, { mode: 0o600, flags: 'wx' }), {
      signal: op.signal,
    })
    if (!(await snapshots.extractInto(op, { workspace: id, archive: spool, target: '/', anySymlinks: true })))
      throw new EngineError('invalid', 'the build context is not a tar archive')
    await rm(spool, { force: true })
    return root
  }
}

async function contextDirectory(path: string): Promise<string> {
  try {
    const real = await realpath(path)
    if ((await stat(real)).isDirectory()) return real
  } catch (cause) {
    if (!hasCode(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) throw cause
    throw new EngineError('not-found', `unable to prepare context: path ${JSON.stringify(path)} not found`, {
      cause,
    })
  }
  throw new EngineError('invalid', `unable to prepare context: ${path} is not a directory`)
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

/** Takes away whatever a step with this id left behind: process, cgroup, namespace, workspace, bundle. */
async function removeStep(op: Op, o: BuilderOptions, id: string): Promise<void> {
  op.log.info('removing a build step that was cut off', { id })
  const remains: [string, () => Promise<unknown>][] = [
    ['process', () => killStep(op, o.runtime, id)],
    ['network', () => o.networks.leave(op, id)],
    ['workspace', () => o.snapshots.remove(op, id)],
    [
      'secrets',
      () => Promise.resolve(mountsUnder(join(o.runDir, id)).forEach((path) => unmount(path, MNT_DETACH))),
    ],
    ['bundle', () => rm(join(o.runDir, id), { recursive: true, force: true })],
  ]
  for (const [what, remove] of remains)
    try {
      await remove()
    } catch (error) {
      op.log.warn('removing what a build step left failed', { id, what, error })
    }
}

async function killStep(op: Op, runtime: Runtime, id: string): Promise<void> {
  const found = await runtime.inspect(op, id)
  if (!found) return
  if (found.status !== 'stopped')
    try {
      await runtime.kill(op, id, 9)
    } catch (error) {
      if (!hasCode(error, 'ESRCH')) op.log.debug('build step: kill', { id, error })
    }
  await runtime.delete(op, id)
}
