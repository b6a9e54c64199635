import type { Images } from '../image/index.ts'
import type { Logger } from '../lib/log.ts'
import type { Networks } from '../network/index.ts'
import type { Runtime } from '../runtime/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Table } from '../store/index.ts'
import type { Volumes } from '../volume/index.ts'
import type { Ulimit } from '../wire/container.ts'
import type { Emit } from '../wire/system.ts'
import type { Container } from './container.ts'
import type { ContainerRecord } from './record.ts'

/** What the daemon's configuration says about containers that do not say it themselves. */
export interface ContainerDefaults {
  readonly cgroupParent: string
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  readonly init: boolean
  /** Empty: the one that is installed. */
  readonly initPath: string
  /** For containers that choose none: a profile's text, `builtin`, `unconfined`, or empty for the built-in one. */
  readonly seccompProfile: string
  /** Where the host's CDI files are, the later the more they count. */
  readonly cdiDirectories: readonly string[]
  readonly ipcMode: 'private' | 'shareable'
  readonly cgroupnsMode: 'private' | 'host'
  /** Log driver and its options for containers that choose none. */
  readonly logDriver: string
  readonly logOptions: Readonly<Record<string, string>>
  readonly noNewPrivileges: boolean
  /** Bytes. */
  readonly shmSize: number
  readonly ulimits: readonly Ulimit[]
}

/** What the functions of this folder work with. */
export interface Host {
  readonly table: Table<ContainerRecord>
  readonly images: Images
  readonly snapshots: Snapshots
  readonly runtime: Runtime
  readonly networks: Networks
  readonly volumes: Volumes
  readonly defaults: ContainerDefaults
  readonly emit: Emit
  readonly log: Logger
  /** By id, name, or a prefix of an id. */
  find(ref: string): Container
  all(): Container[]
}

/** The container's cgroup, by its path in every tree. */
export function cgroupOf(host: Pick<Host, 'defaults'>, c: Container): string {
  return `${c.hostConfig.CgroupParent || host.defaults.cgroupParent}/${c.id}`
}

/** Writes the change to the database, then to memory. */
export function save(host: Host, c: Container, change: Partial<ContainerRecord>): void {
  const record = { ...c.record, ...change }
  host.table.put(c.id, record)
  c.replace(record)
}

/** Reports what happened to a container with docker's attributes: image, name, and its labels. */
export function emit(
  host: Host,
  c: Container,
  event: { action: string; attributes?: Record<string, string> },
): void {
  host.emit({
    type: 'container',
    action: event.action,
    id: c.id,
    attributes: { ...c.config.Labels, image: c.config.Image, name: c.name, ...event.attributes },
  })
}
