/**
 * The container bodies of the API, decoded as Go's JSON reader does: null means absent, unknown fields are dropped
 * (but for HostConfig, see unsupported.ts), numbers are whole. Messages name the field.
 */
import { z } from 'zod'
import type {
  ContainerConfig,
  ContainerCreateBody,
  ExecConfig,
  ExecStartBody,
  HostConfig,
  NetworkingConfig,
  RestartPolicy,
} from '../../wire/container.ts'

/** An object whose null fields count as absent. */
function struct<S extends z.core.$ZodLooseShape>(shape: S) {
  return z.preprocess(withoutNulls, z.object(shape))
}

function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null))
}

const text = z.string().exactOptional()
const flag = z.boolean().exactOptional()
const integer = z.int().exactOptional()
const texts = z.array(z.string()).exactOptional()
const textMap = z.record(z.string(), z.string()).exactOptional()
const objects = z.array(z.looseObject({})).exactOptional()
/** Docker: a string is a list of one. */
const words = z.union([z.array(z.string()), z.string().transform((word) => [word])]).exactOptional()
/** Go's set: `{"80/tcp":{}}`. */
const set = z
  .record(
    z.string(),
    z.unknown().transform(() => ({})),
  )
  .exactOptional()
/** `map[string]string` keeps null as the empty text in Go. */
const options = z
  .record(
    z.string(),
    z
      .string()
      .nullable()
      .transform((value) => value ?? ''),
  )
  .exactOptional()

const health = struct({
  Test: texts,
  Interval: integer,
  Timeout: integer,
  Retries: integer,
  StartPeriod: integer,
  StartInterval: integer,
}).exactOptional()

export const configShape = {
  Image: z.string().default(''),
  User: text,
  ExposedPorts: set,
  Env: texts,
  Cmd: words,
  Entrypoint: words,
  Volumes: set,
  WorkingDir: text,
  Labels: options,
  StopSignal: text,
  Healthcheck: health,
  OnBuild: texts,
  Shell: texts,
  ArgsEscaped: flag,
  Hostname: text,
  Domainname: text,
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  Tty: flag,
  OpenStdin: flag,
  StdinOnce: flag,
  NetworkDisabled: flag,
  MacAddress: text,
  StopTimeout: integer,
}

const consoleSize = z.tuple([z.int().nonnegative(), z.int().nonnegative()]).exactOptional()
/** Numbers stand for ports in some clients' bodies; docker refuses them, and so do we. */
const portMap = z
  .record(z.string(), z.array(struct({ HostIp: text, HostPort: text })).nullable())
  .exactOptional()

const mount = struct({
  Type: z.enum(['bind', 'volume', 'tmpfs', 'image', 'npipe', 'cluster']),
  Source: text,
  Target: z.string().default(''),
  ReadOnly: flag,
  Consistency: text,
  BindOptions: struct({
    Propagation: text,
    NonRecursive: flag,
    CreateMountpoint: flag,
    ReadOnlyNonRecursive: flag,
    ReadOnlyForceRecursive: flag,
  }).exactOptional(),
  VolumeOptions: struct({
    NoCopy: flag,
    Labels: options,
    DriverConfig: struct({ Name: text, Options: options }).exactOptional(),
    Subpath: text,
  }).exactOptional(),
  ImageOptions: struct({ Subpath: text }).exactOptional(),
  TmpfsOptions: struct({
    SizeBytes: integer,
    Mode: integer,
    Options: z.array(texts.unwrap()).exactOptional(),
  }).exactOptional(),
  GantryOptions: struct({ Chown: flag, IDMap: text }).exactOptional(),
})

export const hostConfigShape = {
  CpuShares: integer,
  Memory: integer,
  MemorySwap: integer,
  MemoryReservation: integer,
  MemorySwappiness: integer,
  NanoCpus: integer,
  CpuPeriod: integer,
  CpuQuota: integer,
  CpuRealtimePeriod: integer,
  CpuRealtimeRuntime: integer,
  CpusetCpus: text,
  CpusetMems: text,
  PidsLimit: integer,
  BlkioWeight: integer,
  BlkioWeightDevice: objects,
  BlkioDeviceReadBps: objects,
  BlkioDeviceWriteBps: objects,
  BlkioDeviceReadIOps: objects,
  BlkioDeviceWriteIOps: objects,
  CgroupParent: text,
  Devices: z
    .array(struct({ PathOnHost: z.string(), PathInContainer: text, CgroupPermissions: text }))
    .exactOptional(),
  DeviceCgroupRules: texts,
  DeviceRequests: objects,
  OomKillDisable: flag,
  Ulimits: z.array(struct({ Name: z.string(), Soft: z.int(), Hard: z.int() })).exactOptional(),
  CpuCount: integer,
  CpuPercent: integer,
  IOMaximumIOps: integer,
  IOMaximumBandwidth: integer,
  Binds: texts,
  Mounts: z.array(mount).exactOptional(),
  Tmpfs: textMap,
  VolumesFrom: texts,
  VolumeDriver: text,
  NetworkMode: text,
  PortBindings: portMap,
  PublishAllPorts: flag,
  RestartPolicy: struct({
    // Others are refused at create, in docker's words.
    Name: z
      .string()
      .transform((name) => name as NonNullable<RestartPolicy['Name']>)
      .exactOptional(),
    MaximumRetryCount: integer,
  }).exactOptional(),
  AutoRemove: flag,
  LogConfig: struct({ Type: text, Config: options }).exactOptional(),
  CapAdd: words,
  CapDrop: words,
  Privileged: flag,
  SecurityOpt: texts,
  ReadonlyRootfs: flag,
  MaskedPaths: texts,
  ReadonlyPaths: texts,
  Init: flag,
  GroupAdd: texts,
  ExtraHosts: texts,
  Dns: texts,
  DnsOptions: texts,
  DnsSearch: texts,
  Links: texts,
  IpcMode: text,
  PidMode: text,
  UTSMode: text,
  UsernsMode: text,
  CgroupnsMode: text,
  Cgroup: text,
  OomScoreAdj: integer,
  ShmSize: integer,
  Sysctls: textMap,
  Runtime: text,
  Isolation: text,
  StorageOpt: textMap,
  Annotations: textMap,
  ContainerIDFile: text,
  ConsoleSize: consoleSize,
}

const endpoint = struct({
  IPAMConfig: struct({ IPv4Address: text, IPv6Address: text, LinkLocalIPs: texts }).exactOptional(),
  Links: texts,
  Aliases: texts,
  MacAddress: text,
  DriverOpts: textMap,
  GwPriority: integer,
  NetworkID: text,
  EndpointID: text,
  Gateway: text,
  IPAddress: text,
  IPPrefixLen: integer,
  IPv6Gateway: text,
  GlobalIPv6Address: text,
  GlobalIPv6PrefixLen: integer,
  DNSNames: texts,
})

export const networkBody = struct({
  Name: z.string().default(''),
  CheckDuplicate: flag,
  Driver: text,
  Scope: text,
  EnableIPv4: flag,
  EnableIPv6: flag,
  IPAM: struct({
    Driver: text,
    Options: options,
    Config: z
      .array(struct({ Subnet: text, IPRange: text, Gateway: text, AuxiliaryAddresses: textMap }))
      .exactOptional(),
  }).exactOptional(),
  Internal: flag,
  Attachable: flag,
  Ingress: flag,
  ConfigOnly: flag,
  ConfigFrom: struct({ Network: text }).exactOptional(),
  Options: options,
  Labels: options,
})

export const networkConnectBody = struct({
  Container: z.string().default(''),
  EndpointConfig: endpoint.exactOptional(),
})

export const networkDisconnectBody = struct({ Container: z.string().default(''), Force: flag })

export const config: z.ZodType<ContainerConfig> = struct(configShape)
export const hostConfig: z.ZodType<HostConfig> = struct(hostConfigShape)
const networking: z.ZodType<NetworkingConfig> = struct({
  EndpointsConfig: z.record(z.string(), endpoint.nullable()).exactOptional(),
})

export const createBody: z.ZodType<ContainerCreateBody> = struct({
  ...configShape,
  HostConfig: hostConfig.exactOptional(),
  NetworkingConfig: networking.exactOptional(),
})

export const execBody: z.ZodType<ExecConfig> = struct({
  AttachStdin: flag,
  AttachStdout: flag,
  AttachStderr: flag,
  Tty: flag,
  DetachKeys: text,
  Env: texts,
  Cmd: words,
  Privileged: flag,
  User: text,
  WorkingDir: text,
  ConsoleSize: consoleSize,
})

export const execStartBody: z.ZodType<ExecStartBody> = struct({
  Detach: flag,
  Tty: flag,
  ConsoleSize: consoleSize,
})

export const volumeBody = struct({
  Name: text,
  Driver: text,
  DriverOpts: options,
  Labels: options,
  ClusterVolumeSpec: z.unknown().exactOptional(),
})
