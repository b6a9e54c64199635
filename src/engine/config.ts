import type { GcConfig, HistoryLimits } from '../build/index.ts'
import type { LogLevel } from '../lib/log.ts'
import type { RegistrySettings } from '../registry/index.ts'
import type { Ulimit } from '../wire/container.ts'

/** Everything the daemon can be told, resolved once from flags and daemon.json. Frozen; every field has its value. */
export interface Config {
  /** Persistent state: images, layers, containers, volumes, the database. Absolute. */
  readonly dataRoot: string
  /** Run-time state: bundles, sockets, namespaces. Absolute and short: it holds unix sockets. */
  readonly execRoot: string
  /** Where the API listens: `unix:///path` or `tcp://address:port`. */
  readonly hosts: readonly string[]
  /** Owns the unix sockets: a name or a number; empty for root's own group. */
  readonly group: string
  /** Empty for none. */
  readonly pidFile: string
  readonly logLevel: LogLevel
  readonly debug: boolean
  readonly logFormat: 'json' | 'text'
  readonly experimental: boolean
  /** Containers go on when the daemon is told to stop. */
  readonly liveRestore: boolean
  /** `address:port`; empty: figures are not served. */
  readonly metricsAddress: string
  readonly oomScoreAdjust: number
  /** The OCI runtime. Empty name: crun, else runc. Empty path: searched in PATH. */
  readonly runtime: {
    readonly name: string
    readonly path: string
    /** More that containers may choose: paths by name. */
    readonly others: Readonly<Record<string, string>>
  }
  readonly cdiDirectories: readonly string[]
  /** The default bridge. Empty address: the first free pool; else CIDR of the bridge itself. */
  readonly bridge: {
    readonly name: string
    readonly address: string
    readonly mtu: number
    /** Where containers get addresses from; empty: anywhere in the bridge's block. */
    readonly range: string
    /** Containers on it reach each other. */
    readonly icc: boolean
    readonly masquerade: boolean
    /** Where ports are published that name no address; empty: everywhere. */
    readonly hostBinding: string
  }
  /** Turn on the host's forwarding. */
  readonly ipForward: boolean
  /** Published ports that no rule can lead to their container are relayed. */
  readonly relay: boolean
  /** What `host-gateway` means; empty: the default bridge's address. */
  readonly hostGateway: string
  /** Options of networks that are made, by driver. */
  readonly networkOptions: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Published ports obey the host's own firewall rules instead of being redirected past them. */
  readonly respectHostFirewall: boolean
  /** Where networks get subnets that nobody chose; none: docker's pools. */
  readonly addressPools: readonly { readonly base: string; readonly size: number }[]
  /** When the build cache is thrown away by itself. */
  readonly builderGc: GcConfig
  /** How many records of builds are kept. */
  readonly builderHistory: HistoryLimits
  /** What counts of the checks in every build: `skip=RULE;error=true`. */
  readonly builderChecks: string
  /** Parent of the containers' cgroups, a path below each hierarchy's root, with a leading slash. */
  readonly cgroupParent: string
  readonly dns: readonly string[]
  readonly dnsSearch: readonly string[]
  readonly dnsOptions: readonly string[]
  /** `key=value`, shown by info. */
  readonly labels: readonly string[]
  /** Seconds that containers get at daemon stop before they are killed; -1 waits for ever. */
  readonly shutdownTimeout: number
  /** Containers get a small init as PID 1 unless they say otherwise. */
  readonly init: boolean
  /** Empty: the one that is installed. */
  readonly initPath: string
  /** A file, `builtin`, `unconfined`; empty is built in. */
  readonly seccompProfile: string
  readonly noNewPrivileges: boolean
  /** Namespaces of containers that say nothing of them. */
  readonly defaultIpcMode: 'private' | 'shareable'
  readonly defaultCgroupnsMode: 'private' | 'host'
  /** Log driver of containers that choose none, and its options. */
  readonly logDriver: string
  readonly logOptions: Readonly<Record<string, string>>
  /** Bytes of /dev/shm. */
  readonly defaultShmSize: number
  readonly defaultUlimits: readonly Ulimit[]
  readonly registries: RegistrySettings
  /** Layers of one pull, and of one push, at the same time. */
  readonly maxDownloads: number
  readonly maxUploads: number
}
