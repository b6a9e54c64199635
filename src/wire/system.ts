/** System, event, network and volume types of the Docker Engine API 1.51. */

export interface VersionResponse {
  Platform: { Name: string }
  Components: { Name: string; Version: string; Details?: Record<string, string> }[]
  Version: string
  ApiVersion: string
  MinAPIVersion: string
  GitCommit: string
  GoVersion: string
  Os: string
  Arch: string
  KernelVersion: string
  BuildTime: string
  Experimental?: boolean
}

/** Answer of `GET /info`; the fields that clients read. */
export interface SystemInfo {
  ID: string
  Containers: number
  ContainersRunning: number
  ContainersPaused: number
  ContainersStopped: number
  Images: number
  Driver: string
  DriverStatus: [string, string][]
  Plugins: { Volume: string[]; Network: string[]; Authorization: string[] | null; Log: string[] }
  MemoryLimit: boolean
  SwapLimit: boolean
  CpuCfsPeriod: boolean
  CpuCfsQuota: boolean
  CPUShares: boolean
  CPUSet: boolean
  PidsLimit: boolean
  IPv4Forwarding: boolean
  Debug: boolean
  NFd: number
  OomKillDisable: boolean
  NGoroutines: number
  SystemTime: string
  LoggingDriver: string
  CgroupDriver: string
  CgroupVersion: '1' | '2'
  NEventsListener: number
  KernelVersion: string
  OperatingSystem: string
  OSVersion: string
  OSType: string
  Architecture: string
  IndexServerAddress: string
  RegistryConfig: {
    IndexConfigs: Record<string, { Name: string; Mirrors: string[]; Secure: boolean; Official: boolean }>
    InsecureRegistryCIDRs: string[]
    Mirrors: string[]
  }
  NCPU: number
  MemTotal: number
  DockerRootDir: string
  HttpProxy: string
  HttpsProxy: string
  NoProxy: string
  Name: string
  Labels: string[]
  ExperimentalBuild: boolean
  GenericResources: null
  ServerVersion: string
  Runtimes: Record<string, { path: string; runtimeArgs?: string[] }>
  DefaultRuntime: string
  Swarm: {
    NodeID: string
    NodeAddr: string
    LocalNodeState: 'inactive'
    ControlAvailable: boolean
    Error: string
    RemoteManagers: null
  }
  LiveRestoreEnabled: boolean
  Isolation: string
  InitBinary: string
  ContainerdCommit: { ID: string }
  RuncCommit: { ID: string }
  InitCommit: { ID: string }
  SecurityOptions: string[]
  CDISpecDirs: string[]
  Warnings: string[]
}

export interface EventMessage {
  Type: 'container' | 'image' | 'volume' | 'network' | 'daemon' | 'builder'
  Action: string
  Actor: { ID: string; Attributes: Record<string, string> }
  scope: 'local'
  /** Unix seconds. */
  time: number
  timeNano: number
  /** The three below repeat the above for clients older than API 1.22. */
  status?: string
  id?: string
  from?: string
}

/** How features report what happened; the engine gives it a time and keeps the recent ones for `GET /events`. */
export type Emit = (event: {
  type: EventMessage['Type']
  action: string
  id: string
  attributes?: Record<string, string>
}) => void

export interface VolumeInfo {
  Name: string
  Driver: string
  Mountpoint: string
  CreatedAt: string
  Labels: Record<string, string> | null
  Scope: 'local'
  Options: Record<string, string> | null
  UsageData?: { Size: number; RefCount: number }
}

/** Gantry's own: what a prune of volumes would take. */
export interface VolumePrunePlan {
  Volumes: { Name: string; CreatedAt: string; Anonymous: boolean; Size: number }[]
}

/** Gantry's own: a plan, or a part of one, to be carried out. Named volumes rest in the trash for so long; 0 deletes. */
export interface VolumePruneRequest {
  Volumes: { Name: string; CreatedAt: string }[]
  KeepSeconds: number
}

export interface VolumePruneReport {
  VolumesDeleted: string[]
  VolumesKept: string[]
  VolumesSpared: { Name: string; Reason: string }[]
  SpaceReclaimed: number
  SpaceKept: number
}

/** Gantry's own: a pruned volume that can be restored. */
export interface TrashedVolumeInfo {
  ID: string
  Name: string
  CreatedAt: string
  PrunedAt: string
  ExpiresAt: string
  Size: number
}

export interface IpamConfig {
  Subnet?: string
  IPRange?: string
  Gateway?: string
  AuxiliaryAddresses?: Record<string, string>
}

/** Body of `POST /networks/create`. */
export interface NetworkCreateBody {
  Name: string
  Driver?: string
  Scope?: string
  EnableIPv4?: boolean
  EnableIPv6?: boolean
  IPAM?: { Driver?: string; Options?: Record<string, string>; Config?: IpamConfig[] }
  Internal?: boolean
  Attachable?: boolean
  Ingress?: boolean
  ConfigOnly?: boolean
  ConfigFrom?: { Network: string }
  Options?: Record<string, string>
  Labels?: Record<string, string>
}

export interface NetworkInfo {
  Name: string
  Id: string
  Created: string
  Scope: 'local'
  Driver: string
  EnableIPv4: boolean
  EnableIPv6: boolean
  IPAM: {
    Driver: string
    Options: Record<string, string> | null
    Config: IpamConfig[] | null
  }
  Internal: boolean
  Attachable: boolean
  Ingress: boolean
  ConfigFrom: { Network: string }
  ConfigOnly: boolean
  Containers: Record<
    string,
    { Name: string; EndpointID: string; MacAddress: string; IPv4Address: string; IPv6Address: string }
  >
  Options: Record<string, string>
  Labels: Record<string, string>
}

/** Body of every failed request. */
export interface ErrorResponse {
  message: string
}
