import { mkdir } from 'node:fs/promises'
import type { Duplex, Readable } from 'node:stream'
import { EngineError, kindOf } from '../lib/errors.ts'
import { background, detached, type Op } from '../lib/op.ts'
import type {
  ContainerCreateResponse,
  EndpointSettings,
  ExecConfig,
  ExecStartBody,
  ResourceUpdate,
  TopResponse,
} from '../wire/container.ts'
import type { Sandbox } from '../network/index.ts'
import type { Digest } from '../lib/digest.ts'
import { changes } from './changes.ts'
import { archivePath, extractTo, statPath, type ExtractOptions, type PathStat } from './archive.ts'
import { attach, logs, type AttachOptions, type LogOptions } from './attach.ts'
import { commit, type CommitRequest } from './commit.ts'
import type { Image } from '../image/index.ts'
import { Container, mountsFolder, viewsFolder, type ContainerPaths } from './container.ts'
import { ContainerIndex } from './container-index.ts'
import { create, type CreateRequest } from './create.ts'
import { recordEnd, type Exit } from './end.ts'
import { Execs, type ExecSession } from './exec.ts'
import { sweepViews } from './file-view.ts'
import { HealthChecks } from './health-checks.ts'
import { cgroupOf, emit, save, type Host } from './host.ts'
import { checkName, checkNewName, randomName } from './names.ts'
import { connectionsOf, handOver } from './hand-over.ts'
import { connectNetwork, disconnectNetwork, renameOnNetworks } from './networking.ts'
import { settleMounts, sweepFolders } from './left-over.ts'
import { imageWorkspaces } from './mount-setup.ts'
import { reconcile } from './reconcile.ts'
import { remove, type RemoveOptions } from './remove.ts'
import { start } from './start.ts'
import { Restarts } from './restarts.ts'
import { isLive, isUp } from './state.ts'
import { sampleOf, stats, type Sample, type Stats } from './stats.ts'
import { watchUnseenEnds } from './unseen-ends.ts'
import { kill, pause, stop, unpause, type StopOptions } from './stop.ts'
import { top } from './top.ts'
import { createWarnings } from './warnings.ts'
import { update } from './update.ts'
import { wait, type WaitCondition, type WaitResult } from './wait.ts'

/** All containers of the daemon. */
export class Containers {
  readonly #host: Host
  readonly #paths: ContainerPaths
  readonly #index = new ContainerIndex()
  readonly #execs: Execs
  readonly #healthChecks: HealthChecks
  readonly #restarts: Restarts
  readonly #op: Op
  readonly #exits: Disposable
  readonly #unseen: Disposable
  /** Ends and automatic removals under way: awaited by close(). */
  readonly #background = new Set<Promise<void>>()

  private constructor(op: Op, host: Omit<Host, 'find' | 'all'>, paths: ContainerPaths) {
    this.#op = background(op.log)
    this.#host = { ...host, find: (ref) => this.find(ref), all: () => this.list() }
    this.#paths = paths
    this.#execs = new Execs(this.#host)
    this.#healthChecks = new HealthChecks(this.#host)
    this.#restarts = new Restarts(this.#host, (c) =>
      this.#start(detached(this.#op, 60_000), c, { by: 'policy' }),
    )
    this.#exits = host.runtime.onExit(({ id, ...exit }) => {
      const c = this.#index.get(id)
      if (c) this.#track(this.#onExit(c, exit))
    })
    this.#unseen = watchUnseenEnds({
      list: () => this.#index.values(),
      exitOf: (c) => host.runtime.exitOf(c.id, c.bundle),
      isMonitored: (c) => host.runtime.isMonitored(c.bundle),
      report: (c, exit) => {
        if (exit.unseen)
          op.log.warn('a container ended unseen: its conmon was killed', { id: c.id, name: c.name })
        this.#track(this.#onExit(c, exit))
      },
    })
  }

  /** Reads the records and brings them in line with what the kernel and conmon say. */
  static async open(op: Op, host: Omit<Host, 'find' | 'all'>, paths: ContainerPaths): Promise<Containers> {
    await mkdir(paths.data, { recursive: true, mode: 0o710 })
    await mkdir(paths.bundles, { recursive: true, mode: 0o700 })
    await mkdir(mountsFolder(paths), { recursive: true, mode: 0o700 })
    await mkdir(viewsFolder(paths), { recursive: true, mode: 0o700 })
    await sweepViews(viewsFolder(paths))
    const containers = new Containers(op, host, paths)
    for (const { record } of host.table.all()) containers.#index.add(new Container(record, paths))
    await sweepFolders(paths, containers.#index)
    host.volumes.askUsers((name) => containers.#mounting(name).map((c) => c.id))
    for (const c of containers.list()) {
      const outcome = await reconcile(op, containers.#host, c)
      if (outcome === 'removed') containers.#drop(c)
      else if (outcome === 'ended' && c.hostConfig.AutoRemove)
        await containers.#autoRemove(c).catch((error: unknown) =>
          op.log.error('automatic removal failed', { id: c.id, error }),
        )
    }
    await settleMounts(containers.#host, containers.live(), paths)
    for (const c of containers.live()) await containers.#healthChecks.resume(op, c)
    return containers
  }

  /** Newest first. */
  list(): Container[] {
    return this.#index.list()
  }

  /** By id, name, or a prefix of an id that only one container has. */
  find(ref: string): Container {
    return this.#index.find(ref)
  }

  async create(
    op: Op,
    request: CreateRequest,
  ): Promise<{ id: string; warnings: ContainerCreateResponse['Warnings'] }> {
    const name = request.name
      ? checkName(request.name)
      : randomName((candidate) => this.#index.hasName(candidate))
    this.#index.claim(name)
    try {
      using claims = new DisposableStack()
      const find = (ref: string) => this.find(ref)
      const c = await create(op, this.#host, { ...request, name, paths: this.#paths, find, claims })
      this.#index.add(c)
      const image = this.#host.images.find(c.imageId)
      const { platform } = request
      return { id: c.id, warnings: createWarnings(image, { hostConfig: c.hostConfig, platform }) }
    } catch (error) {
      this.#index.release(name)
      throw error
    }
  }

  async start(op: Op, ref: string): Promise<void> {
    const c = this.find(ref)
    try {
      await this.#start(op, c, { by: 'user' })
      this.#restarts.forget(c)
    } catch (error) {
      if (c.hostConfig.AutoRemove && kindOf(error) !== 'not-modified') await this.#autoRemove(c)
      throw error
    }
  }

  async #start(op: Op, c: Container, o: { by: 'user' | 'policy' }): Promise<void> {
    await start(op, this.#host, c, o)
    this.#healthChecks.follow(c)
    // A process that was gone before we listened has left its exit file.
    const exit = this.#host.runtime.exitOf(c.id, c.bundle)
    if (exit) this.#track(this.#onExit(c, exit))
  }

  stop(op: Op, ref: string, o: StopOptions): Promise<void> {
    return stop(op, this.#host, this.find(ref), o)
  }

  kill(op: Op, ref: string, o: Parameters<typeof kill>[3]): Promise<void> {
    return kill(op, this.#host, this.find(ref), o)
  }

  async restart(op: Op, ref: string, o: StopOptions): Promise<void> {
    const c = this.find(ref)
    c.beingRestarted = true
    try {
      if (isUp(c.state)) await stop(op, this.#host, c, { ...o, by: 'restart' })
      await this.start(op, c.id)
    } finally {
      c.beingRestarted = false
    }
    emit(this.#host, c, { action: 'restart' })
  }

  async pause(op: Op, ref: string): Promise<void> {
    const c = this.find(ref)
    await pause(op, this.#host, c)
    this.#healthChecks.leave(c)
  }

  async unpause(op: Op, ref: string): Promise<void> {
    const c = this.find(ref)
    await unpause(op, this.#host, c)
    this.#healthChecks.follow(c)
  }

  async rename(op: Op, ref: string, newName: string): Promise<void> {
    const c = this.find(ref)
    using _lock = await c.lock.acquire(op.signal)
    if (!newName) throw new EngineError('invalid', 'Neither old nor new names may be empty')
    const name = checkNewName(newName)
    const oldName = c.name
    this.#index.rename(c, name)
    save(this.#host, c, { name })
    renameOnNetworks(this.#host, c)
    emit(this.#host, c, { action: 'rename', attributes: { oldName: `/${oldName}` } })
  }

  /** Ports and names go from one running container to another; see standby.ts. */
  async handOver(op: Op, o: { from: string; to: string }): Promise<void> {
    await handOver(op, this.#host, { from: this.find(o.from), to: this.find(o.to) })
  }

  /** Connections of clients that it serves at the moment. */
  connections(ref: string): number {
    return connectionsOf(this.find(ref))
  }

  async remove(op: Op, ref: string, o: RemoveOptions): Promise<void> {
    const c = this.find(ref)
    c.removalRequested = true
    try {
      await remove(op, this.#host, c, o)
    } catch (error) {
      c.removalRequested = false
      throw error
    }
    this.#drop(c)
  }

  /** Connects a container to a network; a running one at once. */
  connect(op: Op, ref: string, o: { network: string; settings: EndpointSettings }): Promise<void> {
    return connectNetwork(op, this.#host, this.find(ref), o)
  }

  /** Takes a container off a network. */
  disconnect(op: Op, ref: string, o: { network: string; force: boolean }): Promise<void> {
    return disconnectNetwork(op, this.#host, this.find(ref), o)
  }

  /** Registered when this returns, before anything can happen to the container. */
  wait(op: Op, ref: string, condition: WaitCondition): Promise<WaitResult> {
    return wait(op, this.find(ref), condition)
  }

  /** Registered when this returns. See `attach()` for when the stream settles. */
  attach(op: Op, ref: string, o: AttachOptions): { tty: boolean; stream: Promise<Duplex> } {
    const c = this.find(ref)
    return { tty: c.tty, stream: attach(op, this.#host, c, o) }
  }

  logs(op: Op, ref: string, o: LogOptions): { tty: boolean; stream: Readable } {
    const c = this.find(ref)
    return { tty: c.tty, stream: logs(op, c, o) }
  }

  async resize(op: Op, ref: string, size: { rows: number; columns: number }): Promise<void> {
    const c = this.find(ref)
    if (!isLive(c.state)) throw new EngineError('conflict', `Container ${c.id} is not running`)
    await this.#host.runtime.resize(op, { bundle: c.bundle, ...size })
  }

  async top(op: Op, ref: string, psArgs: string): Promise<TopResponse> {
    const c = this.find(ref)
    if (!isLive(c.state)) throw new EngineError('conflict', `container ${c.id} is not running`)
    return top(op, this.cgroupOf(c), psArgs)
  }

  createExec(ref: string, config: ExecConfig): string {
    return this.#execs.create(this.find(ref), config)
  }
  startExec(op: Op, id: string, o: ExecStartBody): Promise<{ tty: boolean; stream?: Duplex }> {
    return this.#execs.start(op, id, o)
  }
  exec(id: string): ExecSession {
    return this.#execs.find(id)
  }
  resizeExec(id: string, size: { rows: number; columns: number }): void {
    this.#execs.resize(id, size.rows, size.columns)
  }
  execIds(c: Container): string[] {
    return this.#execs.idsOf(c)
  }

  /** Addresses and ports while it runs on a network of ours. */
  sandbox(c: Container): Sandbox | undefined {
    return this.#host.networks.sandbox(c.id)
  }

  cgroupOf(c: Container): string {
    return cgroupOf(this.#host, c)
  }

  /** Bytes that the container wrote to its own layer. */
  size(op: Op, c: Container): Promise<number> {
    return this.#host.snapshots.usage(op, c.id)
  }

  changes(op: Op, ref: string): Promise<{ path: string; kind: 'added' | 'modified' | 'deleted' }[]> {
    return changes(op, this.#host, this.find(ref))
  }

  /** Makes an image of it. */
  commit(op: Op, ref: string, o: CommitRequest): Promise<Image> {
    return commit(op, this.#host, this.find(ref), o)
  }

  /** What it uses at this moment. */
  sample(c: Container): Sample {
    return sampleOf(this.#host, c)
  }

  /** What it uses, each second or once. */
  stats(op: Op, c: Container, o: { once: boolean }): AsyncGenerator<Stats> {
    return stats(op, this.#host, c, o)
  }

  /** Changes limits and the restart policy. */
  update(op: Op, ref: string, change: ResourceUpdate): Promise<void> {
    return update(op, this.#host, this.find(ref), change)
  }

  /** What is at a path of its file system. */
  statPath(op: Op, ref: string, path: string): Promise<PathStat> {
    return statPath(op, this.#host, this.find(ref), path)
  }

  /** A tar of what is at a path. */
  archivePath(op: Op, ref: string, path: string): Promise<{ stat: PathStat; tar: Readable }> {
    return archivePath(op, this.#host, this.find(ref), path)
  }

  /** Unpacks a tar over a directory of it. */
  extractTo(op: Op, ref: string, o: ExtractOptions): Promise<void> {
    return extractTo(op, this.#host, this.find(ref), o)
  }

  /** What must not be collected: layers of all containers. */
  references(): { layers: Set<Digest>; workspaces: Set<string> } {
    const layers = new Set<Digest>()
    const workspaces = new Set<string>()
    for (const c of this.#index.values()) {
      for (const layer of c.layers) layers.add(layer)
      for (const { image } of c.record.mounts) for (const layer of image?.layers ?? []) layers.add(layer)
      for (const id of [c.id, ...imageWorkspaces(c)]) workspaces.add(id)
    }
    return { layers, workspaces }
  }

  /** Those with a process. */
  live(): Container[] {
    return this.list().filter((c) => isLive(c.state))
  }

  /** At boot, once all that containers need is there: starts those whose policy says so. Returns before they run. */
  resumeRestarts(): void {
    this.#restarts.resume(this.list().toReversed())
  }

  /** Restart policies start nothing any more: for a daemon that is about to end its containers. */
  async endRestarts(): Promise<void> {
    await this.#restarts.close()
  }

  /** Waits for ends and removals under way, then listens no more. Containers that run go on. */
  async close(): Promise<void> {
    this.#healthChecks.close()
    await this.#restarts.close()
    await Promise.allSettled(this.#background)
    this.#exits[Symbol.dispose]()
    this.#unseen[Symbol.dispose]()
  }

  #mounting(volume: string): Container[] {
    return this.list().filter((c) => c.record.mounts.some((mount) => mount.volume === volume))
  }

  async #onExit(c: Container, exit: Exit): Promise<void> {
    const outcome = await recordEnd(this.#op, this.#host, c, exit)
    if (outcome === 'restarting') this.#restarts.schedule(c)
    else if (outcome === 'exited' && c.hostConfig.AutoRemove && !c.removalRequested) await this.#autoRemove(c)
  }

  async #autoRemove(c: Container): Promise<void> {
    await remove(detached(this.#op, 60_000), this.#host, c, { force: true, volumes: true })
    this.#drop(c)
  }

  #track(work: Promise<void>): void {
    const tracked = work.catch((error: unknown) => this.#op.log.error('end of a container', { error }))
    this.#background.add(tracked)
    void tracked.then(() => this.#background.delete(tracked))
  }

  #drop(c: Container): void {
    this.#index.drop(c)
    this.#execs.forget(c)
    c.removals.publish()
  }
}
