import type { Readable } from 'node:stream'
import type { Builder } from '../build/index.ts'
import type { Container, Containers } from '../container/index.ts'
import type { Distribution, Image, Images } from '../image/index.ts'
import type { Digest } from '../lib/digest.ts'
import { Lock } from '../lib/lock.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Networks } from '../network/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { TrashedVolume, Volume, Volumes } from '../volume/index.ts'
import type { ImageDeleteItem } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { SystemInfo, VersionResponse } from '../wire/system.ts'
import type { Config } from './config.ts'
import { directorySize, diskUsageOf, type DiskUsage } from './disk-usage.ts'
import type { EventLog } from './events.ts'
import { infoOf, versionOf } from './info.ts'
import { reloadAttributes } from './reload-attributes.ts'
import { openParts, type Parts } from './parts.ts'
import { pruneContainers, pruneImages, pruneVolumes, type Pruned } from './prune.ts'
import { removeGroup, stopContainers } from './shutdown.ts'
import {
  exportVolume,
  importVolume,
  planVolumePrune,
  pruneListedVolumes,
  type PruneOutcome,
  type PrunePlan,
} from './volumes.ts'

/** The whole engine, built from its configuration: what every protocol is served from. */
export class Engine {
  readonly id: string
  #config: Config
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
  readonly #collecting = new Lock()

  private constructor(parts: Parts) {
    this.#parts = parts
    this.id = parts.id
    this.#config = parts.config
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
    const collectLayers = (inner: Op): Promise<void> => engine.collect(inner)
    const { parts, undo: opened } = await openParts(op, config, collectLayers)
    await using undo = opened
    const engine: Engine = new Engine(parts)
    await engine.networks.reconcile(op, new Set(engine.containers.live().map((c) => c.id)))
    await engine.#sweep(op)
    engine.containers.resumeRestarts()
    undo.move()
    return engine
  }

  get config(): Config {
    return this.#config
  }

  /**
   * Goes on with another configuration. Only what can change while the engine runs may differ in it: labels, live-restore, the
   * shutdown timeout, the level of the log, registries that are mirrors or insecure, and how many transfers go on at once.
   */
  reconfigure(config: Config): void {
    this.#config = config
    this.distribution.reconfigure({
      registries: config.registries,
      downloads: config.maxDownloads,
      uploads: config.maxUploads,
    })
    this.events.emit({ type: 'daemon', action: 'reload', id: this.id, attributes: reloadAttributes(config) })
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
    using _lock = await this.#collecting.acquire(op.signal)
    await this.images.collect(op, { layers: this.#heldLayers() })
  }

  /**
   * Ends the daemon and its containers, as docker does without live-restore: each by its own stop rules, all within
   * the shutdown timeout, then by SIGKILL.
   */
  async close(op: Op): Promise<void> {
    const { containers, builder } = this.#parts
    await builder.close()
    await containers.endRestarts()
    if (this.#config.liveRestore) return await this.detach(op)
    await stopContainers(op, containers, this.#config.shutdownTimeout)
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
