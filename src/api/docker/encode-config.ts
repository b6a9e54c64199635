/** The two configurations that `inspect` shows, as docker writes them. */
import { hostFacts, maskedPaths, readonlyPaths } from '../../runtime/index.ts'
import type { ContainerConfig, HostConfig, InspectedConfig } from '../../wire/container.ts'

import { sortedByKey } from './sorted-by-key.ts'

/** Docker writes every field; clients index into them without asking. */
const configDefaults = {
  Hostname: '',
  Domainname: '',
  User: '',
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Volumes: null,
  WorkingDir: '',
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
} satisfies Partial<InspectedConfig>

const hostConfigDefaults: HostConfig = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'local', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: null,
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'private',
  Dns: null,
  DnsOptions: null,
  DnsSearch: null,
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 0,
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: null,
  BlkioDeviceReadBps: null,
  BlkioDeviceWriteBps: null,
  BlkioDeviceReadIOps: null,
  BlkioDeviceWriteIOps: null,
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: null,
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: false,
  PidsLimit: null,
  Ulimits: null,
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
}

/** What clients left open (docker's own sends empty texts, -1 or 0 for that) is shown as what it came to. */
export function encodeHostConfig(given: HostConfig): HostConfig {
  const paths = given.Privileged
    ? { MaskedPaths: null, ReadonlyPaths: null }
    : { MaskedPaths: [...maskedPaths], ReadonlyPaths: [...readonlyPaths] }
  const shown: HostConfig = { ...hostConfigDefaults, ...paths, ...withoutEmpty(given) }
  if (shown.MemorySwappiness === -1) shown.MemorySwappiness = null
  // Docker: as much swap as memory, and the figure is the sum.
  if (shown.Memory && !shown.MemorySwap && hostFacts().swapLimit) shown.MemorySwap = shown.Memory * 2
  if ((shown.PidsLimit ?? 0) <= 0) shown.PidsLimit = null
  shown.RestartPolicy = { ...hostConfigDefaults.RestartPolicy, ...withoutEmpty(shown.RestartPolicy ?? {}) }
  // Go's: a port without a host's port is one that the engine chooses.
  if (shown.PortBindings)
    shown.PortBindings = Object.fromEntries(
      Object.entries(shown.PortBindings).map(([port, bindings]) => [
        port,
        bindings?.map((binding) => ({ HostIp: '', HostPort: '', ...binding })) ?? null,
      ]),
    )
  // Docker: nothing that shares so much with the host is kept apart by labels.
  if (given.Privileged || given.PidMode === 'host' || given.IpcMode === 'host')
    shown.SecurityOpt = [...new Set([...(shown.SecurityOpt ?? []), 'label=disable'])]
  // Docker: shown where it was asked for; what it is else, is the daemon's matter.
  if (given.Init === false) delete shown.Init
  return shown
}

function withoutEmpty<T extends object>(value: T): Partial<T> {
  const said = Object.entries(value).filter(
    ([, field]) => field !== undefined && field !== null && field !== '',
  )
  // Safe: these are some of its own fields.
  return Object.fromEntries(said) as Partial<T>
}

/** As docker writes it: sets that are empty are left out or null, whether image or user left them so. */
export function encodeConfig(given: ContainerConfig): InspectedConfig {
  const { ExposedPorts: ports, ...config } = given
  return {
    ...configDefaults,
    ...config,
    ...(!config.Env?.length && { Env: null }),
    ...(config.Labels && { Labels: sortedByKey(config.Labels) }),
    ...(isEmpty(config.Volumes) && { Volumes: null }),
    ...(ports && !isEmpty(ports) && { ExposedPorts: ports }),
  }
}

const isEmpty = (set: object | null | undefined): boolean => !set || Object.keys(set).length === 0
