import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { Broadcast } from '../lib/broadcast.ts'
import type { Digest } from '../lib/digest.ts'
import { Lock } from '../lib/lock.ts'
import type {
  ContainerConfig,
  ContainerStatus,
  EndpointSettings,
  HostConfig,
  MountPoint,
} from '../wire/container.ts'
import type { ContainerRecord } from './record.ts'
import { isLive, type Ended, type State } from './state.ts'

/** Where containers keep their files. */
export interface ContainerPaths {
  /** Persistent: log, hostname, hosts, resolv.conf. One folder a container. */
  readonly data: string
  /** Run-time: OCI bundles with conmon's sockets. Short, because socket paths are limited to 107 bytes. */
  readonly bundles: string
}

/** Where the files of containers are shown for a while to calls from outside; see file-view.ts. */
export const viewsFolder = (paths: ContainerPaths): string => join(dirname(paths.bundles), 'v')

/** Beside the bundles, which are deleted recursively. */
export const mountsFolder = (paths: ContainerPaths): string => join(dirname(paths.bundles), 'm')

/**
 * A container in memory: its record and the people waiting for it. Read by everyone; changed only under `lock`,
 * and only through the functions of this folder, which write the record before they answer.
 */
export class Container {
  readonly lock = new Lock()
  readonly #paths: ContainerPaths
  #record: ContainerRecord
  #ended = new AbortController()
  /** Each end of the process, in order. */
  readonly exits = new Broadcast<Ended>()
  /** Fires once, when nothing of the container is left. */
  readonly removals = new Broadcast<void>()
  /** Each successful start (true), and each failed one (false), before anybody else hears of it. */
  readonly starts = new Broadcast<boolean>()
  /** Attaches that came before the start: connected between create and start, so that no output is missed. */
  readonly pendingAttaches = new Set<() => Promise<void>>()
  /** Somebody removes it already: its end is no reason to remove it once more. */
  removalRequested = false
  /** Logs that somebody follows; each leaves when it is sent. */
  readonly followed = new Set<Readable>()
  /** A restart that somebody asked for is under way. */
  beingRestarted = false

  constructor(record: ContainerRecord, paths: ContainerPaths) {
    this.#record = record
    this.#paths = paths
    if (!isLive(record.state)) this.#ended.abort()
  }

  get record(): ContainerRecord {
    return this.#record
  }
  /** For `save()`: memory follows the database. What a health check finds may be ahead of it, as long as it is no news. */
  replace(record: ContainerRecord): void {
    const wasLive = isLive(this.#record.state)
    this.#record = record
    const live = isLive(record.state)
    if (live && !wasLive) this.#ended = new AbortController()
    else if (!live && !this.#ended.signal.aborted) this.#ended.abort()
  }

  get id(): string {
    return this.#record.id
  }
  /** Without docker's leading slash. */
  get name(): string {
    return this.#record.name
  }
  get createdAt(): string {
    return this.#record.createdAt
  }
  get config(): ContainerConfig {
    return this.#record.config
  }
  get hostConfig(): HostConfig {
    return this.#record.hostConfig
  }
  get imageId(): Digest {
    return this.#record.imageId
  }
  get layers(): readonly Digest[] {
    return this.#record.layers
  }
  get state(): State {
    return this.#record.state
  }
  /** Docker: while it is restarted, it has not ended for those who look; compose asks just then whether to go on. */
  get shownState(): State {
    const { state } = this
    return this.beingRestarted && state.status === 'exited' ? { ...state, status: 'restarting' } : state
  }
  get restartCount(): number {
    return this.#record.restartCount
  }
  get tty(): boolean {
    return this.config.Tty === true
  }
  /** Aborted while no process runs; a new signal with each start. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }
  /** Its process is gone and has said all; the state follows when everything has been given back. */
  endOutput(): void {
    this.#ended.abort()
  }

  /** What docker calls path and args: the command line split at its first word. */
  get path(): string {
    return this.command[0] ?? ''
  }
  get args(): string[] {
    return this.command.slice(1)
  }
  get command(): string[] {
    return [...(this.config.Entrypoint ?? []), ...(this.config.Cmd ?? [])]
  }

  get directory(): string {
    return join(this.#paths.data, this.id)
  }
  get bundle(): string {
    return join(this.#paths.bundles, this.id.slice(0, 32))
  }
  /** Mounts that the runtime binds from; see mount-setup.ts. Never deleted recursively. */
  get mountsDirectory(): string {
    return join(mountsFolder(this.#paths), this.id.slice(0, 32))
  }
  get viewsFolder(): string {
    return viewsFolder(this.#paths)
  }
  get logPath(): string {
    return join(this.directory, 'log')
  }
  get hostnamePath(): string {
    return join(this.directory, 'hostname')
  }
  get hostsPath(): string {
    return join(this.directory, 'hosts')
  }
  get resolvConfPath(): string {
    return join(this.directory, 'resolv.conf')
  }

  /** Docker's word for the state. */
  get status(): ContainerStatus {
    return this.state.status
  }

  get mounts(): MountPoint[] {
    return this.#record.mounts
      .filter((mount) => mount.type !== 'tmpfs' || this.hostConfig.Tmpfs?.[mount.destination] === undefined)
      .map((mount) => ({
        Type: mount.type,
        ...(mount.volume === undefined ? {} : { Name: mount.volume }),
        // Docker: an image by its id.
        Source: mount.image?.id ?? mount.source,
        Destination: mount.destination,
        ...(mount.volume === undefined ? {} : { Driver: 'local' }),
        Mode: mount.mode,
        RW: !mount.readOnly,
        Propagation: mount.propagation,
      }))
  }

  /**
   * What it asks of each of its networks, by name. Docker: a container that was taken off all of them comes back on that of its
   * mode. None when it shares another container's.
   */
  get endpoints(): Record<string, EndpointSettings | null> {
    if (sharedWith(this.networkMode) !== undefined) return {}
    const { EndpointsConfig: endpoints } = this.#record.networking
    if (endpoints && Object.keys(endpoints).length > 0) return endpoints
    return this.#record.networking.EndpointsConfig === undefined || !isLive(this.state)
      ? { [this.networkMode]: {} }
      : {}
  }

  /** The network that the user asked for: `bridge`, `host`, `none`, … */
  get networkMode(): string {
    const mode = this.hostConfig.NetworkMode ?? 'default'
    return mode === '' || mode === 'default' ? 'bridge' : mode
  }
}

/** The container whose network namespace is shared: `container:ID`. */
export function sharedWith(mode: string | undefined): string | undefined {
  return mode?.startsWith('container:') ? mode.slice('container:'.length) : undefined
}
