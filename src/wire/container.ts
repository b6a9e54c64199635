/** Container types of the Docker Engine API 1.51, in its own spelling. Sizes in bytes, durations in nanoseconds. */

export interface HealthConfig {
  /** `[]` inherit, `['NONE']` off, `['CMD', …]` exec form, `['CMD-SHELL', line]` shell form. */
  Test?: string[]
  Interval?: number
  Timeout?: number
  Retries?: number
  StartPeriod?: number
  StartInterval?: number
}

/** What an image and a container share: OCI image config fields with docker's additions. */
export interface ImageConfig {
  User?: string
  /** Keys like `80/tcp`. */
  ExposedPorts?: Record<string, object>
  Env?: string[]
  Cmd?: string[] | null
  Entrypoint?: string[] | null
  Volumes?: Record<string, object>
  WorkingDir?: string
  Labels?: Record<string, string>
  StopSignal?: string
  Healthcheck?: HealthConfig
  OnBuild?: string[]
  Shell?: string[]
  ArgsEscaped?: boolean
}

export interface ContainerConfig extends ImageConfig {
  Image: string
  Hostname?: string
  Domainname?: string
  AttachStdin?: boolean
  AttachStdout?: boolean
  AttachStderr?: boolean
  Tty?: boolean
  OpenStdin?: boolean
  StdinOnce?: boolean
  NetworkDisabled?: boolean
  MacAddress?: string
  StopTimeout?: number
}

/** As `inspect` shows it: Go writes a list or a set that is not there as null. */
export interface InspectedConfig extends Omit<ContainerConfig, 'Env' | 'Volumes' | 'OnBuild'> {
  Env: string[] | null
  Volumes: Record<string, object> | null
  OnBuild: string[] | null
}

/** Label: the id of the container whose ports and names this one is to take over. */
export const standbyLabel = 'dev.gantry.standby'

/** Label, in place of that one: the id of the container whose ports and names it has taken over. */
export const tookOverLabel = 'dev.gantry.took-over'

export interface PortBinding {
  HostIp?: string
  HostPort?: string
}
export type PortMap = Record<string, PortBinding[] | null>

export interface RestartPolicy {
  Name?: '' | 'no' | 'always' | 'unless-stopped' | 'on-failure'
  MaximumRetryCount?: number
}

export interface MountSpec {
  Type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster'
  Source?: string
  Target: string
  ReadOnly?: boolean
  Consistency?: string
  BindOptions?: {
    Propagation?: string
    NonRecursive?: boolean
    CreateMountpoint?: boolean
    ReadOnlyNonRecursive?: boolean
    ReadOnlyForceRecursive?: boolean
  }
  VolumeOptions?: {
    NoCopy?: boolean
    Labels?: Record<string, string>
    DriverConfig?: { Name?: string; Options?: Record<string, string> }
    Subpath?: string
  }
  ImageOptions?: { Subpath?: string }
  TmpfsOptions?: { SizeBytes?: number; Mode?: number; Options?: string[][] }
  /** Gantry's own: the content is given to the container's user; an id map (see docs/volumes.md). */
  GantryOptions?: { Chown?: boolean; IDMap?: string }
}

export interface Ulimit {
  Name: string
  Soft: number
  Hard: number
}

export interface DeviceMapping {
  PathOnHost: string
  PathInContainer?: string
  CgroupPermissions?: string
}

/** Limits: 0 or absent means none. */
export interface Resources {
  CpuShares?: number
  /** Bytes. */
  Memory?: number
  MemorySwap?: number
  MemoryReservation?: number
  MemorySwappiness?: number | null
  /** CPUs × 10⁹. */
  NanoCpus?: number
  CpuPeriod?: number
  CpuQuota?: number
  CpuRealtimePeriod?: number
  CpuRealtimeRuntime?: number
  CpusetCpus?: string
  CpusetMems?: string
  PidsLimit?: number | null
  BlkioWeight?: number
  BlkioWeightDevice?: object[] | null
  BlkioDeviceReadBps?: object[] | null
  BlkioDeviceWriteBps?: object[] | null
  BlkioDeviceReadIOps?: object[] | null
  BlkioDeviceWriteIOps?: object[] | null
  CgroupParent?: string
  Devices?: DeviceMapping[] | null
  DeviceCgroupRules?: string[] | null
  DeviceRequests?: object[] | null
  OomKillDisable?: boolean | null
  Ulimits?: Ulimit[] | null
  CpuCount?: number
  CpuPercent?: number
  IOMaximumIOps?: number
  IOMaximumBandwidth?: number
}

/** Body of `POST /containers/{id}/update`: what can be changed of a container that exists. */
export interface ResourceUpdate extends Pick<
  Resources,
  | 'BlkioWeight'
  | 'CpuShares'
  | 'NanoCpus'
  | 'CpuPeriod'
  | 'CpuQuota'
  | 'CpuRealtimePeriod'
  | 'CpuRealtimeRuntime'
  | 'CpusetCpus'
  | 'CpusetMems'
  | 'Memory'
  | 'MemorySwap'
  | 'MemoryReservation'
  | 'PidsLimit'
> {
  RestartPolicy?: RestartPolicy
}

export interface HostConfig extends Resources {
  Binds?: string[] | null
  Mounts?: MountSpec[] | null
  Tmpfs?: Record<string, string> | null
  VolumesFrom?: string[] | null
  VolumeDriver?: string
  NetworkMode?: string
  PortBindings?: PortMap | null
  PublishAllPorts?: boolean
  RestartPolicy?: RestartPolicy
  AutoRemove?: boolean
  LogConfig?: { Type?: string; Config?: Record<string, string> | null }
  CapAdd?: string[] | null
  CapDrop?: string[] | null
  Privileged?: boolean
  SecurityOpt?: string[] | null
  ReadonlyRootfs?: boolean
  MaskedPaths?: string[] | null
  ReadonlyPaths?: string[] | null
  Init?: boolean | null
  GroupAdd?: string[] | null
  ExtraHosts?: string[] | null
  Dns?: string[] | null
  DnsOptions?: string[] | null
  DnsSearch?: string[] | null
  Links?: string[] | null
  IpcMode?: string
  PidMode?: string
  UTSMode?: string
  UsernsMode?: string
  CgroupnsMode?: string
  Cgroup?: string
  OomScoreAdj?: number
  ShmSize?: number
  Sysctls?: Record<string, string> | null
  Runtime?: string
  Isolation?: string
  StorageOpt?: Record<string, string> | null
  Annotations?: Record<string, string> | null
  ContainerIDFile?: string
  ConsoleSize?: [rows: number, columns: number]
}

export interface EndpointSettings {
  IPAMConfig?: { IPv4Address?: string; IPv6Address?: string; LinkLocalIPs?: string[] } | null
  Links?: string[] | null
  Aliases?: string[] | null
  MacAddress?: string
  DriverOpts?: Record<string, string> | null
  GwPriority?: number
  NetworkID?: string
  EndpointID?: string
  Gateway?: string
  IPAddress?: string
  IPPrefixLen?: number
  IPv6Gateway?: string
  GlobalIPv6Address?: string
  GlobalIPv6PrefixLen?: number
  DNSNames?: string[] | null
}

export interface NetworkingConfig {
  EndpointsConfig?: Record<string, EndpointSettings | null> | null
}

/** Body of `POST /containers/create`. */
export interface ContainerCreateBody extends ContainerConfig {
  HostConfig?: HostConfig
  NetworkingConfig?: NetworkingConfig | null
}

export interface ContainerCreateResponse {
  Id: string
  Warnings: string[]
}

export interface MountPoint {
  Type: string
  Name?: string
  Source: string
  Destination: string
  Driver?: string
  Mode: string
  RW: boolean
  Propagation: string
}

export type ContainerStatus = 'created' | 'running' | 'paused' | 'restarting' | 'removing' | 'exited' | 'dead'

/** Gantry's own: why the process ended, or could not be started. */
export interface EndReason {
  Kind:
    | 'exit'
    | 'signal'
    | 'stopped'
    | 'killed'
    | 'deaf'
    | 'stop-timeout'
    | 'memory-limit'
    | 'host-memory'
    | 'unseen'
    | 'not-found'
    | 'permission'
    | 'directory'
    | 'interpreter'
    | 'architecture'
    | 'line-ends'
    | 'format'
    | 'not-started'
  /** One sentence. */
  Text: string
}

export interface ContainerState {
  Status: ContainerStatus
  Running: boolean
  Paused: boolean
  Restarting: boolean
  OOMKilled: boolean
  Dead: boolean
  Pid: number
  ExitCode: number
  Error: string
  StartedAt: string
  FinishedAt: string
  /** Gantry's own: of a container that has ended. */
  Reason?: EndReason
  /** Gantry's own: how it ended before it was started the last time. */
  Previous?: { ExitCode: number; FinishedAt: string; Reason?: EndReason }
  /** Of a container with a health check, once it has been started. */
  Health?: ContainerHealth
}

/** `Log` has the last five results, oldest first; `ExitCode` -1 is a time-out or a check that could not be run. */
export interface ContainerHealth {
  Status: 'starting' | 'healthy' | 'unhealthy' | 'none'
  FailingStreak: number
  Log: { Start: string; End: string; ExitCode: number; Output: string }[] | null
}

/** Answer of `GET /containers/{id}/json`. */
export interface ContainerInspect {
  Id: string
  Created: string
  Path: string
  Args: string[]
  State: ContainerState
  Image: string
  ResolvConfPath: string
  HostnamePath: string
  HostsPath: string
  LogPath: string
  Name: string
  RestartCount: number
  Driver: string
  Platform: string
  MountLabel: string
  ProcessLabel: string
  AppArmorProfile: string
  ExecIDs: string[] | null
  HostConfig: HostConfig
  GraphDriver: { Name: string; Data: Record<string, string> }
  SizeRw?: number
  SizeRootFs?: number
  Mounts: MountPoint[]
  Config: InspectedConfig
  NetworkSettings: NetworkSettings
}

export interface NetworkSettings {
  Bridge: string
  SandboxID: string
  SandboxKey: string
  Ports: PortMap
  HairpinMode: boolean
  LinkLocalIPv6Address: string
  LinkLocalIPv6PrefixLen: number
  SecondaryIPAddresses: null
  SecondaryIPv6Addresses: null
  EndpointID: string
  Gateway: string
  GlobalIPv6Address: string
  GlobalIPv6PrefixLen: number
  IPAddress: string
  IPPrefixLen: number
  IPv6Gateway: string
  MacAddress: string
  Networks: Record<string, EndpointSettings>
}

export interface PortSummary {
  IP?: string
  PrivatePort: number
  PublicPort?: number
  Type: string
}

/** One row of `GET /containers/json`. */
export interface ContainerSummary {
  Id: string
  Names: string[]
  Image: string
  ImageID: string
  Command: string
  /** Unix seconds. */
  Created: number
  Ports: PortSummary[]
  SizeRw?: number
  SizeRootFs?: number
  Labels: Record<string, string>
  State: ContainerStatus
  Status: string
  /** Gantry's own: of a container that has ended. */
  Reason?: EndReason
  HostConfig: { NetworkMode?: string; Annotations?: Record<string, string> }
  NetworkSettings: { Networks: Record<string, EndpointSettings> }
  Mounts: MountPoint[]
}

/** Body of `POST /containers/{id}/exec`. */
export interface ExecConfig {
  AttachStdin?: boolean
  AttachStdout?: boolean
  AttachStderr?: boolean
  Tty?: boolean
  DetachKeys?: string
  Env?: string[] | null
  Cmd?: string[]
  Privileged?: boolean
  User?: string
  WorkingDir?: string
  ConsoleSize?: [rows: number, columns: number] | null
}

/** Body of `POST /exec/{id}/start`. */
export interface ExecStartBody {
  Detach?: boolean
  Tty?: boolean
  ConsoleSize?: [rows: number, columns: number] | null
}

export interface ExecInspect {
  ID: string
  Running: boolean
  ExitCode: number | null
  ProcessConfig: { entrypoint: string; arguments: string[]; tty: boolean; privileged: boolean; user?: string }
  OpenStdin: boolean
  OpenStderr: boolean
  OpenStdout: boolean
  CanRemove: boolean
  ContainerID: string
  DetachKeys: string
  Pid: number
}

export interface WaitResponse {
  StatusCode: number
  Error?: { Message: string } | null
  /** Gantry's own. */
  Reason?: EndReason
}

export interface TopResponse {
  Titles: string[]
  Processes: string[][]
}

/** Whether one place reaches a container through a published port; why not, or on what it depends. */
export interface ReachInfo {
  readonly Reach: 'yes' | 'no' | 'maybe'
  readonly Because: string
}

/** Gantry's own: one entry of `GET /gantry/containers/:id/ports`. */
export interface PortCheckInfo {
  readonly ContainerPort: number
  readonly Type: 'tcp' | 'udp'
  readonly HostIp: string
  readonly HostPort: number
  readonly Way: string
  readonly Loopback: ReachInfo
  readonly ThisHost: ReachInfo
  readonly OtherHosts: ReachInfo
}
