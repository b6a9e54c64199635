/**
 * A typed client of the Docker Engine API, over a unix socket, TCP or TLS.
 *
 *     const gantry = connect()                                  // unix:///run/gantry/gantry.sock
 *     const { Id } = await gantry.containers.create({ Image: 'busybox', Cmd: ['true'] })
 *     const exit = await gantry.containers.wait(Id, 'next-exit')  // registered: no exit is missed
 *     await gantry.containers.start(Id)
 *     console.log((await exit.result).StatusCode)
 *     gantry.close()
 *
 * Nothing is sent before the first call. Connections are kept alive and shared by the calls of one client until
 * `close()`. What the daemon reports is thrown as DaemonError with its text; when nobody answers, ConnectError.
 */
import { BuildCache } from './build-cache.ts'
import { Builds } from './builds.ts'
import { Containers } from './containers.ts'
import { defaultHost } from './host.ts'
import { ImageFiles } from './image-files.ts'
import { Images } from './images.ts'
import { RegistryCalls } from './registry.ts'
import { Networks, System } from './system.ts'
import { Transport, type TransportOptions } from './transport.ts'
import { Volumes } from './volumes.ts'

export interface Client extends Disposable {
  /** As given: `unix:///run/gantry/gantry.sock`. */
  readonly host: string
  readonly containers: Containers
  readonly images: Images
  readonly imageFiles: ImageFiles
  readonly registry: RegistryCalls
  readonly builds: Builds
  readonly buildCache: BuildCache
  readonly volumes: Volumes
  readonly networks: Networks
  readonly system: System
  /** Ends idle connections, so that the process can exit. */
  close(): void
}

/** Makes a client; throws kind `invalid` for a host that cannot be read. */
export function connect(options: Partial<TransportOptions> = {}): Client {
  const transport = new Transport({ ...options, host: options.host ?? defaultHost })
  return {
    host: transport.host.text,
    containers: new Containers(transport),
    images: new Images(transport),
    imageFiles: new ImageFiles(transport),
    registry: new RegistryCalls(transport),
    builds: new Builds(transport),
    buildCache: new BuildCache(transport),
    volumes: new Volumes(transport),
    networks: new Networks(transport),
    system: new System(transport),
    close: () => transport.close(),
    [Symbol.dispose]: () => transport.close(),
  }
}

export { defaultHost, parseHost } from './host.ts'
export { ConnectError, DaemonError, decodeLines, type Hijacked, type TlsOptions } from './transport.ts'
export type * from '../wire/container.ts'
export type * from '../wire/image.ts'
export type * from '../wire/stats.ts'
export type * from '../wire/system.ts'
export type { Filters } from './filters.ts'
export type { OutputSink } from './build-stream.ts'
export type { Containers, Waiter } from './containers.ts'
export type { DiskUsage } from './system.ts'
