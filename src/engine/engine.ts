import { createHash } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { Builder } from '../build/index.ts'
import { Containers, decodeContainer, type Container } from '../container/index.ts'
import { ContentStore } from '../content/index.ts'
import * as cgroup from '../host/cgroup.ts'
import { Distribution, Images, type Image } from '../image/index.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { KeyedLock } from '../lib/lock.ts'
import { detached, type Op } from '../lib/op.ts'
import { Networks } from '../network/index.ts'
import { Registries } from '../registry/index.ts'
import { Runtime } from '../runtime/index.ts'
import { Snapshots } from '../snapshot/index.ts'
import { Leases, Store } from '../store/index.ts'
import { Volumes, type TrashedVolume, type Volume } from '../volume/index.ts'
import type { ImageDeleteItem } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { SystemInfo, VersionResponse } from '../wire/system.ts'
import type { Config } from './config.ts'
import { directorySize, diskUsageOf, type DiskUsage } from './disk-usage.ts'
import { EventLog } from './events.ts'
import { infoOf, versionOf } from './info.ts'
import { pruneContainers, pruneImages, pruneVolumes, type Pruned } from './prune.ts'
import {
  exportVolume,
  importVolume,
  planVolumePrune,
  pruneListedVolumes,
  type PruneOutcome,
  type PrunePlan,
} from './volumes.ts'

interface Parts {
  readonly id: string
  readonly config: Config
  readonly store: Store
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly images: Images
  readonly distribution: Distribution
  readonly runtime: Runtime
  readonly networks: Networks
  readonly volumes: Volumes
  readonly containers: Containers
  readonly builder: Builder
  readonly events: EventLog
}

/** The whole engine, built from its configuration: what every protocol is served from. */
export class Engine {
  readonly id: string
  readonly config: Config
  readonly images: Images
  readonly distribution: Distribution
  readonly runtime: Runtime
  readonly networks: Networks
  readonly volumes: Volumes
  readonly containers: Containers
  readonly builder: Builder
  readonly events: EventLog
  readonly snapshots: Snapshots
  readonly #parts: Parts
  readonly #collecting = new KeyedLock()

  private constructor(parts: Parts) {
    this.#parts = parts
    this.id = parts.id
    this.config = parts.config
    this.images = parts.images
    this.distribution = parts.distribution
    this.runtime = parts.runtime
    this.networks = parts.networks
    this.volumes = parts.volumes
    this.containers = parts.containers
    this.builder = parts.builder
    this.events = parts.events
    this.snapshots = parts.snapshots
  }

  /** Builds everything and brings records and kernel in line: half-made things of an earlier daemon go. */
  static async open(op: Op, config: Config): Promise<Engine> {
    const { dataRoot, execRoot } = config
    await mkdir(dataRoot, { recursive: true, mode: 0o710 })
    await mkdir(execRoot, { recursive: true, mode: 0o711 })
    const events = new EventLog()
    const { emit } = events
    const store = Store.open(join(dataRoot, 'gantry.db'))
    await using undo = new AsyncDisposableStack()
    undo.defer(() => store.close())
    const leases = new Leases()
    // Several daemons may share a host: what they make outside their own folders carries this tag.
    const instance = createHash('sha256').update(execRoot).digest('hex').slice(0, 6)

    const [content, snapshots, volumes] = await Promise.all([
      ContentStore.open(join(dataRoot, 'content')),
      Snapshots.open(op, { root: join(dataRoot, 'overlay'), store, leases }),
      Volumes.open(op, { root: join(dataRoot, 'volumes'), store, emit }),
    ])
    const parts = [
      Images.open(op, { store, content, snapshots, leases, emit }),
      Runtime.probe(op, {
        ...(config.runtime.name === '' ? {} : { name: config.runtime.name }),
        ...(config.runtime.path === '' ? {} : { path: config.runtime.path }),
        others: config.runtime.others,
        stateDir: join(execRoot, 'runtime'),
        exitDir: join(execRoot, 'exits'),
      }).then((made) => {
        undo.defer(() => made.close())
        return made
      }),
      Networks.open(op, {
        store,
        runDir: execRoot,
        bridge: {
          name: config.bridge.name,
          mtu: config.bridge.mtu,
          ...(config.bridge.address === '' ? {} : { address: config.bridge.address }),
          range: config.bridge.range,
          icc: config.bridge.icc,
          masquerade: config.bridge.masquerade,
          hostBinding: config.bridge.hostBinding,
        },
        respectHostFirewall: config.respectHostFirewall,
        ipForward: config.ipForward,
        relay: config.relay,
        hostGateway: config.hostGateway,
        defaultOptions: config.networkOptions,
        addressPools: config.addressPools,
        instance,
        emit,
      }).then((made) => {
        undo.defer(() => made.close(detached(op, 10_000)))
        return made
      }),
    ] as const
    // When one fails, what the others make is there to be undone.
    await Promise.allSettled(parts)
    const [images, runtime, networks] = await Promise.all(parts)
    const containers = await Containers.open(
      op,
      {
        table: store.table('containers', decodeContainer),
        images,
        snapshots,
        runtime,
        networks,
        volumes,
        emit,
        log: op.log,
        defaults: {
          cgroupParent: config.cgroupParent,
          dns: config.dns,
          dnsSearch: config.dnsSearch,
          dnsOptions: config.dnsOptions,
          init: config.init,
          initPath: config.initPath,
          seccompProfile: await readSeccompProfile(config.seccompProfile),
          cdiDirectories: config.cdiDirectories,
          ipcMode: config.defaultIpcMode,
          cgroupnsMode: config.defaultCgroupnsMode,
          logDriver: config.logDriver,
          logOptions: config.logOptions,
          noNewPrivileges: config.noNewPrivileges,
          shmSize: config.defaultShmSize,
          ulimits: config.defaultUlimits,
        },
      },
      { data: join(dataRoot, 'containers'), bundles: join(execRoot, 'c') },
    )
    const distribution = new Distribution({
      registries: new Registries(config.registries),
      images,
      content,
      snapshots,
      leases,
      store,
      downloads: config.maxDownloads,
      uploads: config.maxUploads,
    })
    const collectLayers = (inner: Op): Promise<void> => engine.collect(inner)
    const builder = await Builder.open(op, {
      store,
      snapshots,
      images,
      content,
      runtime,
      networks,
      leases,
      root: join(dataRoot, 'build'),
      runDir: join(execRoot, 'build'),
      cgroupParent: config.cgroupParent,
      emit,
      gc: config.builderGc,
      historyLimits: config.builderHistory,
      checks: config.builderChecks,
      collectLayers,
      distribution,
      web: config.registries,
    })
    const id = engineId(store)
    const engine: Engine = new Engine({
      id,
      config,
      store,
      content,
      snapshots,
      images,
      distribution,
      runtime,
      networks,
      volumes,
      containers,
      builder,
      events,
    })
    await networks.reconcile(op, new Set(containers.live().map((c) => c.id)))
    await engine.#sweep(op)
    containers.resumeRestarts()
    undo.move()
    return engine
  }

  version(): VersionResponse {
    return versionOf(this)
  }

  info(): Promise<SystemInfo> {
    return infoOf(this)
  }

  /** Removes a name or an image, by docker's rules, and then what no image, container or cache record needs. */
  async removeImage(
    op: Op,
    ref: string,
    o: { force: boolean; noPrune: boolean; platforms?: readonly Platform[] },
  ): Promise<ImageDeleteItem[]> {
    const removed = await this.images.remove(op, ref, { ...o, usedBy: (id) => this.imageUser(id) })
    await this.collect(detached(op, 60_000))
    return removed
  }

  /** A container made of the image, a running one first. */
  imageUser(id: Digest): { id: string; name: string; running: boolean } | undefined {
    const users = this.containers
      .list()
      .filter((c) => c.imageId === id || c.record.mounts.some((mount) => mount.image?.id === id))
    const user = users.find((c) => c.status === 'running') ?? users[0]
    return user && { id: user.id, name: user.name, running: user.status === 'running' }
  }

  /** Ids of the containers that mount the volume. */
  volumeUsers(name: string): string[] {
    return [...this.volumes.users(name)]
  }

  pruneContainers(op: Op, chosen: (c: Container) => boolean): Promise<Pruned<string>> {
    return pruneContainers(op, this, chosen)
  }
  pruneImages(op: Op, chosen: (image: Image) => boolean): Promise<Pruned<ImageDeleteItem>> {
    return pruneImages(op, this, chosen)
  }
  pruneVolumes(op: Op, chosen: (volume: Volume) => boolean): Promise<Pruned<string>> {
    return pruneVolumes(op, this, chosen)
  }
  planVolumePrune(chosen: (volume: Volume) => boolean): Promise<PrunePlan[]> {
    return planVolumePrune(this, chosen)
  }
  pruneListedVolumes(
    op: Op,
    o: { list: readonly { name: string; createdAt: string }[]; keep: number },
  ): Promise<PruneOutcome> {
    return pruneListedVolumes(op, this, o)
  }
  volumeTrash(): Promise<(TrashedVolume & { bytes: number })[]> {
    return Promise.all(
      this.volumes.trash().map(async (one) => ({ ...one, bytes: await directorySize(one.path) })),
    )
  }
  exportVolume(op: Op, name: string, send: (tar: Readable) => Promise<void>): Promise<void> {
    return exportVolume(op, this, { name, send })
  }
  importVolume(op: Op, o: { name: string; archive: Readable; force: boolean }): Promise<Volume> {
    return importVolume(op, this, o)
  }
  diskUsage(op: Op): Promise<DiskUsage> {
    return diskUsageOf(op, this)
  }

  /** Removes layers and blobs that nothing reaches any more. */
  async collect(op: Op): Promise<void> {
    using _lock = await this.#collecting.acquire('collect', op.signal)
    await this.images.collect(op, { layers: this.#heldLayers() })
  }

  /**
   * Ends the daemon and its containers, as docker does without live-restore: each by its own stop rules, all within
   * the shutdown timeout, then by SIGKILL.
   */
  async close(op: Op): Promise<void> {
    const { containers, builder, config } = this.#parts
    await builder.close()
    await containers.endRestarts()
    if (config.liveRestore) return await this.detach(op)
    const deadline =
      config.shutdownTimeout < 0 ? op.signal : AbortSignal.timeout(config.shutdownTimeout * 1000)
    await Promise.all(
      containers.live().map(async (c) => {
        const graceful: Op = { ...op, signal: AbortSignal.any([op.signal, deadline]) }
        try {
          await containers.stop(graceful, c.id, { by: 'shutdown' }).catch((error: unknown) => {
            if (!deadline.aborted) throw error
            return containers.kill(detached(op, 15_000), c.id, { signal: 'SIGKILL', by: 'shutdown' })
          })
        } catch (error) {
          // It ended by itself meanwhile, or it hangs: the next daemon finds it.
          op.log.warn('shutdown: container not stopped', { id: c.id, error })
        }
      }),
    )
    await this.detach(op)
  }

  /** Ends the daemon's part alone: containers go on, and the next daemon finds them. */
  async detach(op: Op): Promise<void> {
    const { containers, networks, runtime, builder, snapshots, store, config, volumes } = this.#parts
    await builder.close()
    this.distribution.close()
    await containers.close()
    await networks.close(op)
    await runtime.close()
    await removeGroup(op, config.cgroupParent)
    await snapshots.close()
    volumes.close()
    store.close()
  }

  #heldLayers(): Set<Digest> {
    return new Set([...this.containers.references().layers, ...this.builder.references().layers])
  }

  /** At boot: everything on disk that no record reaches is garbage. */
  async #sweep(op: Op): Promise<void> {
    const { images, containers, snapshots, content } = this.#parts
    const held = images.references()
    for (const layer of this.#heldLayers()) held.layers.add(layer)
    const workspaces = containers.references().workspaces.union(this.builder.references().workspaces)
    await snapshots.reconcile(op, { layers: held.layers, workspaces })
    await content.reconcile(op, (digest) => held.blobs.has(digest))
  }
}

/** The parent of all containers' cgroups goes with the last of them; another daemon may still have some in it. */
async function removeGroup(op: Op, path: string): Promise<void> {
  try {
    await cgroup.removeTree(path)
  } catch (error) {
    if (!hasCode(error, 'EBUSY', 'ENOTEMPTY')) throw error
    op.log.debug('cgroup parent stays: it is in use', { path })
  }
}

/** The profile's text, or the word that stands for one. */
async function readSeccompProfile(choice: string): Promise<string> {
  if (choice === '' || choice === 'builtin' || choice === 'unconfined') return choice
  try {
    return await readFile(choice, 'utf8')
  } catch (cause) {
    throw new EngineError('invalid', `opening seccomp profile (${choice}) failed: ${messageOf(cause)}`, {
      cause,
    })
  }
}

/** Made once, kept for the life of the data root. */
function engineId(store: Store): string {
  const table = store.table('meta', (value) => {
    if (typeof value !== 'string') throw new EngineError('internal', 'the engine id is not a string')
    return value
  })
  const known = table.get('engine-id')
  if (known !== undefined) return known
  const id = newId()
  table.put('engine-id', id)
  return id
}
