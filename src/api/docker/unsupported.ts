/**
 * What the engine does with each field of a new container. The type makes the tables complete: a field is obeyed, or
 * a value that would change anything is refused by name. Clients send defaults for everything, so those must pass.
 */
import { EngineError } from '../../lib/errors.ts'
import type { ContainerConfig, EndpointSettings, HostConfig } from '../../wire/container.ts'

/** `obeyed`; or a test for the values that change nothing, and the flag to name when another comes. */
type Rule =
  | 'obeyed'
  | { readonly flag: string; readonly passes: (value: unknown) => boolean; readonly hint?: string }

const only = (flag: string, ...values: unknown[]): Exclude<Rule, string> => ({
  flag,
  passes: (value) => isDefault(value) || values.includes(value),
})
/** Fields that mean something on Windows alone. */
const never = (flag: string): Rule => only(flag)

export const hostConfigRules: Readonly<Record<keyof HostConfig, Rule>> = {
  AutoRemove: 'obeyed',
  Annotations: 'obeyed',
  Binds: 'obeyed',
  BlkioDeviceReadBps: 'obeyed',
  BlkioDeviceReadIOps: 'obeyed',
  BlkioDeviceWriteBps: 'obeyed',
  BlkioDeviceWriteIOps: 'obeyed',
  BlkioWeight: 'obeyed',
  BlkioWeightDevice: 'obeyed',
  CapAdd: 'obeyed',
  CapDrop: 'obeyed',
  Cgroup: never('cgroup'),
  CgroupParent: 'obeyed',
  CgroupnsMode: 'obeyed',
  ConsoleSize: 'obeyed',
  // The client writes the file; the field tells its name.
  ContainerIDFile: 'obeyed',
  CpuCount: never('--cpu-count'),
  CpuPercent: never('--cpu-percent'),
  CpuPeriod: 'obeyed',
  CpuQuota: 'obeyed',
  CpuRealtimePeriod: 'obeyed',
  CpuRealtimeRuntime: 'obeyed',
  CpuShares: 'obeyed',
  CpusetCpus: 'obeyed',
  CpusetMems: 'obeyed',
  DeviceCgroupRules: 'obeyed',
  DeviceRequests: 'obeyed',
  Devices: 'obeyed',
  Dns: 'obeyed',
  DnsOptions: 'obeyed',
  DnsSearch: 'obeyed',
  ExtraHosts: 'obeyed',
  GroupAdd: 'obeyed',
  IOMaximumBandwidth: never('--io-maxbandwidth'),
  IOMaximumIOps: never('--io-maxiops'),
  Init: 'obeyed',
  IpcMode: 'obeyed',
  Isolation: only('--isolation', 'default'),
  Links: 'obeyed',
  LogConfig: 'obeyed',
  MaskedPaths: 'obeyed',
  Memory: 'obeyed',
  MemoryReservation: 'obeyed',
  MemorySwap: 'obeyed',
  MemorySwappiness: 'obeyed',
  Mounts: 'obeyed',
  NanoCpus: 'obeyed',
  NetworkMode: 'obeyed',
  OomKillDisable: 'obeyed',
  OomScoreAdj: 'obeyed',
  PidMode: 'obeyed',
  PidsLimit: 'obeyed',
  PortBindings: 'obeyed',
  Privileged: 'obeyed',
  PublishAllPorts: 'obeyed',
  ReadonlyPaths: 'obeyed',
  ReadonlyRootfs: 'obeyed',
  RestartPolicy: 'obeyed',
  Runtime: 'obeyed',
  SecurityOpt: 'obeyed',
  ShmSize: 'obeyed',
  StorageOpt: {
    ...only('--storage-opt'),
    hint: 'a limit of the writable layer needs a file system with project quotas, which are not used here',
  },
  Sysctls: 'obeyed',
  Tmpfs: 'obeyed',
  UTSMode: 'obeyed',
  Ulimits: 'obeyed',
  // No container has a user namespace: `host` is what it gets anyway.
  UsernsMode: only('--userns', 'host'),
  VolumeDriver: only('--volume-driver', 'local'),
  VolumesFrom: 'obeyed',
}

export const configRules: Readonly<Record<keyof ContainerConfig, Rule>> = {
  ArgsEscaped: never('ArgsEscaped'),
  AttachStderr: 'obeyed',
  AttachStdin: 'obeyed',
  AttachStdout: 'obeyed',
  Cmd: 'obeyed',
  Domainname: 'obeyed',
  Entrypoint: 'obeyed',
  Env: 'obeyed',
  ExposedPorts: 'obeyed',
  Healthcheck: 'obeyed',
  Hostname: 'obeyed',
  Image: 'obeyed',
  Labels: 'obeyed',
  MacAddress: 'obeyed',
  NetworkDisabled: { ...only('NetworkDisabled'), hint: 'use --network none' },
  OnBuild: only('OnBuild'),
  OpenStdin: 'obeyed',
  // For commands of the image's builds; kept in the config for `commit`.
  Shell: 'obeyed',
  StdinOnce: 'obeyed',
  StopSignal: 'obeyed',
  StopTimeout: 'obeyed',
  Tty: 'obeyed',
  User: 'obeyed',
  Volumes: 'obeyed',
  WorkingDir: 'obeyed',
}

/** Fields of an endpoint that a client may set; the others are answers. */
const endpointRules: Readonly<Partial<Record<keyof EndpointSettings, Rule>>> = {
  Aliases: 'obeyed',
  DriverOpts: 'obeyed',
  GwPriority: 'obeyed',
  IPAMConfig: 'obeyed',
  Links: 'obeyed',
  MacAddress: 'obeyed',
}

/** Throws kind `unsupported` naming the first setting that would be ignored. */
export function refuseUnsupported(o: {
  config: ContainerConfig
  /** As it came, so that fields which we do not know are seen too. */
  hostConfig: unknown
  endpoints: Readonly<Record<string, EndpointSettings | null>>
  /** Names of the OCI runtimes that containers may choose. */
  runtimes: ReadonlySet<string>
}): void {
  apply(configRules, o.config, '')
  apply(hostConfigRules, o.hostConfig ?? {}, 'HostConfig.')
  const runtime = (o.hostConfig as HostConfig | undefined)?.Runtime
  if (runtime && !o.runtimes.has(runtime))
    throw new EngineError(
      'invalid',
      `unknown or invalid runtime name: ${runtime} (known: ${[...o.runtimes].join(', ')})`,
    )
  for (const endpoint of Object.values(o.endpoints)) refuseEndpoint(endpoint)
}

/** The same for one endpoint. */
export function refuseEndpoint(endpoint: EndpointSettings | null | undefined): void {
  for (const [field, rule] of Object.entries(endpointRules))
    check(rule, { name: field, value: endpoint?.[field as keyof EndpointSettings] })
}

function apply(rules: Readonly<Record<string, Rule>>, object: object, prefix: string): void {
  for (const [field, value] of Object.entries(object)) {
    const rule = Object.hasOwn(rules, field) ? rules[field] : undefined
    // Fields of old or foreign APIs pass while they ask for nothing.
    if (rule === undefined && prefix !== '' && !isDefault(value))
      throw new EngineError('unsupported', `${prefix}${field} is not supported`)
    if (rule !== undefined) check(rule, { name: prefix + field, value })
  }
}

function check(rule: Rule, o: { name: string; value: unknown }): void {
  if (rule === 'obeyed' || rule.passes(o.value)) return
  if (o.name === 'HostConfig.Isolation')
    throw new EngineError(
      'invalid',
      `Invalid isolation: ${JSON.stringify(o.value)} - linux only supports 'default'`,
    )
  const hint = rule.hint === undefined ? '' : `: ${rule.hint}`
  const value = typeof o.value === 'string' ? ` ${JSON.stringify(o.value)}` : ''
  throw new EngineError('unsupported', `${rule.flag}${value} is not supported (${o.name})${hint}`)
}

/** Go's zero value, or a collection of nothing else. */
export function isDefault(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === 0 || value === '') return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.values(value).every(isDefault)
}
