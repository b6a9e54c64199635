/** From the flags of `run` and `create` to the body of `POST /containers/create`. */
import { EngineError, hasCode } from '../lib/errors.ts'
import { parseReference } from '../lib/reference.ts'
import type {
  ContainerConfig,
  ContainerCreateBody,
  DeviceMapping,
  HealthConfig,
  HostConfig,
} from '../wire/container.ts'
import { readPairs, toMap, unsaid } from './env.ts'
import type { Values } from './flags.ts'
import { parseExposed, parsePublished } from './ports.ts'
import type { createFlags } from './run-flags.ts'
import { networking } from './run-networks.ts'
import { pair, splitCsv } from './run-values.ts'

const { readFileSync } = process.getBuiltinModule('node:fs')
const { resolve } = process.getBuiltinModule('node:path')

export type CreateValues = Values<typeof createFlags>

export interface CreateInput {
  readonly flags: CreateValues
  readonly given: ReadonlySet<string>
  /** Image, command and its arguments. */
  readonly words: readonly string[]
  readonly detach: boolean
  /** Variables of proxies, for those that nobody gives a value. */
  readonly proxies: Readonly<Record<string, string>>
}

/** Throws plain Errors with docker's texts for what contradicts itself or cannot be read. */
export function createBody(input: CreateInput): ContainerCreateBody {
  const { flags, given, words } = input
  refuse(input)
  const image = words[0] ?? ''
  if (!/^(sha256:)?[0-9a-f]{64}$/.test(image)) parseReference(image)
  const { ports, exposed } = parsePublished(flags.publish)
  const volumes = splitVolumes(flags.volume)
  const attach = attached(input)
  const health = healthConfig(input)
  const labels = toMap(readPairs(flags['label-file'], flags.label))
  const variables = readPairs(flags['env-file'], flags.env, process.env)
  const config: ContainerConfig = {
    Image: image,
    ...(words.length > 1 && { Cmd: words.slice(1) }),
    ...(given.has('entrypoint') && { Entrypoint: [flags.entrypoint] }),
    Env: [...unsaid(input.proxies, [...flags.env, ...variables]), ...variables],
    Labels: labels,
    ...nonEmpty({
      Hostname: flags.hostname,
      Domainname: flags.domainname,
      User: flags.user,
      WorkingDir: flags.workdir,
      StopSignal: flags['stop-signal'],
      MacAddress: flags['mac-address'],
    }),
    ...(given.has('stop-timeout') && { StopTimeout: flags['stop-timeout'] }),
    ...(health && { Healthcheck: health }),
    Tty: flags.tty,
    OpenStdin: flags.interactive,
    AttachStdin: attach.stdin,
    AttachStdout: attach.stdout,
    AttachStderr: attach.stderr,
    // Docker: an attached client that goes away closes the container's input.
    StdinOnce: flags.interactive && attach.stdin,
    ExposedPorts: { ...exposed, ...parseExposed(flags.expose) },
    Volumes: volumes.anonymous,
  }
  const { mode, endpoints } = networking(flags)
  const hostConfig: HostConfig = {
    ...hostPart(input),
    Binds: volumes.binds,
    PortBindings: ports,
    ...(mode !== '' && { NetworkMode: mode }),
  }
  return {
    ...config,
    HostConfig: hostConfig,
    ...(Object.keys(endpoints).length > 0 && { NetworkingConfig: { EndpointsConfig: endpoints } }),
  }
}

/** Which streams the client is attached to; none when detached. */
export function attached({ flags, detach }: CreateInput): {
  stdin: boolean
  stdout: boolean
  stderr: boolean
} {
  if (detach) return { stdin: false, stdout: false, stderr: false }
  if (flags.attach.length === 0) return { stdin: flags.interactive, stdout: true, stderr: true }
  return {
    stdin: flags.attach.includes('stdin'),
    stdout: flags.attach.includes('stdout'),
    stderr: flags.attach.includes('stderr'),
  }
}

function refuse({ flags, given }: CreateInput): void {
  const unsupported = (what: string) => new EngineError('unsupported', what)
  if (!['always', 'missing', 'never', ''].includes(flags.pull))
    throw new Error(`invalid pull option: '${flags.pull}': must be one of "always", "missing" or "never"`)
  if (!/^(|host|container:.+)$/.test(flags.pid)) throw new Error('--pid: invalid PID mode')
  if (!/^(|host)$/.test(flags.uts)) throw new Error('--uts: invalid UTS mode')
  if (!/^(|host)$/.test(flags.userns)) throw new Error('--userns: invalid USER mode')
  if (!/^(|host|private)$/.test(flags.cgroupns)) throw new Error('--cgroupns: invalid CGROUP mode')
  if (!flags['disable-content-trust'])
    throw unsupported('--disable-content-trust=false: image signing is not supported')
  if (flags['use-api-socket']) throw unsupported('--use-api-socket is not supported')
  if (given.has('kernel-memory'))
    throw unsupported('--kernel-memory is not supported: the kernel has dropped this limit')
  if (!/^(?:[\w.-]+(?:\/[\w.-]+){0,2})?$/.test(flags.platform))
    throw new Error(
      `error parsing specified platform: ${JSON.stringify(flags.platform)}: cannot parse platform specifier: invalid argument`,
    )
  if (flags.rm && flags.restart !== 'no' && flags.restart !== '')
    throw new Error('conflicting options: cannot specify both --restart and --rm')
}

function hostPart({ flags, given }: CreateInput): HostConfig {
  const devices = flags.device.filter((device): device is DeviceMapping => 'PathOnHost' in device)
  const cdi = flags.device.flatMap((device) => ('cdi' in device ? [device.cdi] : []))
  const requests = [
    ...flags.gpus.map(gpuRequest),
    ...(cdi.length > 0 ? [{ Driver: 'cdi', DeviceIDs: cdi }] : []),
  ]
  const dnsOptions = [...flags['dns-option'], ...flags['dns-opt']]
  return {
    ...securityPart(flags['security-opt']),
    ...nonEmpty({
      CapAdd: flags['cap-add'],
      CapDrop: flags['cap-drop'],
      CgroupParent: flags['cgroup-parent'],
      CgroupnsMode: flags.cgroupns,
      ContainerIDFile: flags.cidfile,
      CpusetCpus: flags['cpuset-cpus'],
      CpusetMems: flags['cpuset-mems'],
      Devices: devices,
      DeviceCgroupRules: flags['device-cgroup-rule'],
      DeviceRequests: requests,
      BlkioWeightDevice: flags['blkio-weight-device'],
      BlkioDeviceReadBps: flags['device-read-bps'],
      BlkioDeviceWriteBps: flags['device-write-bps'],
      BlkioDeviceReadIOps: flags['device-read-iops'],
      BlkioDeviceWriteIOps: flags['device-write-iops'],
      Dns: flags.dns,
      DnsOptions: dnsOptions,
      DnsSearch: flags['dns-search'],
      ExtraHosts: flags['add-host'],
      GroupAdd: flags['group-add'],
      IpcMode: flags.ipc,
      Isolation: flags.isolation,
      Links: flags.link,
      Mounts: flags.mount,
      PidMode: flags.pid,
      Runtime: flags.runtime,
      Ulimits: flags.ulimit,
      UsernsMode: flags.userns,
      UTSMode: flags.uts,
      VolumeDriver: flags['volume-driver'],
      VolumesFrom: flags['volumes-from'],
    }),
    ...nonZero({
      BlkioWeight: flags['blkio-weight'],
      CpuCount: flags['cpu-count'],
      CpuPercent: flags['cpu-percent'],
      CpuPeriod: flags['cpu-period'],
      CpuQuota: flags['cpu-quota'],
      CpuRealtimePeriod: flags['cpu-rt-period'],
      CpuRealtimeRuntime: flags['cpu-rt-runtime'],
      CpuShares: flags['cpu-shares'],
      NanoCpus: flags.cpus,
      Memory: flags.memory,
      MemoryReservation: flags['memory-reservation'],
      MemorySwap: flags['memory-swap'],
      IOMaximumBandwidth: flags['io-maxbandwidth'],
      IOMaximumIOps: flags['io-maxiops'],
      OomScoreAdj: flags['oom-score-adj'],
      ShmSize: flags['shm-size'],
    }),
    ...nonEmptyMap({
      Annotations: flags.annotation,
      Sysctls: flags.sysctl,
      StorageOpt: storageOptions(flags['storage-opt']),
      Tmpfs: Object.fromEntries(flags.tmpfs.map(tmpfs)),
    }),
    ...(given.has('memory-swappiness') && { MemorySwappiness: flags['memory-swappiness'] }),
    ...(given.has('oom-kill-disable') && { OomKillDisable: flags['oom-kill-disable'] }),
    ...(given.has('pids-limit') && { PidsLimit: flags['pids-limit'] }),
    ...(given.has('init') && { Init: flags.init }),
    ...((flags['log-driver'] !== '' || flags['log-opt'].length > 0) && {
      LogConfig: { Type: flags['log-driver'], Config: toMap(flags['log-opt']) },
    }),
    AutoRemove: flags.rm,
    Privileged: flags.privileged,
    PublishAllPorts: flags['publish-all'],
    ReadonlyRootfs: flags['read-only'],
    RestartPolicy: parseRestart(flags.restart),
  }
}

/** `always`, `on-failure:3`. */
export function parseRestart(text: string): NonNullable<HostConfig['RestartPolicy']> {
  const [name = '', count, ...more] = text.split(':')
  if (text !== '' && name === '')
    throw new Error('invalid restart policy format: no policy provided before colon')
  if (count !== undefined && (more.length > 0 || !/^-?\d+$/.test(count)))
    throw new Error('invalid restart policy format: maximum retry count must be an integer')
  // The daemon knows which names there are.
  const known = name as '' | 'no' | 'always' | 'unless-stopped' | 'on-failure'
  return { Name: known, MaximumRetryCount: Number(count ?? 0) }
}

/** Docker: seccomp profiles are files of the client; `systempaths=unconfined` empties the path lists. */
function securityPart(options: readonly string[]): HostConfig {
  const kept: string[] = []
  let unconfined = false
  for (const option of options) {
    const separator = /[=:]/.exec(option)?.index ?? -1
    const key = separator < 0 ? option : option.slice(0, separator)
    const value = separator < 0 ? '' : option.slice(separator + 1)
    if (separator < 0 && key !== 'no-new-privileges')
      throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`)
    if (key === 'systempaths' && value === 'unconfined') unconfined = true
    else if (key === 'seccomp' && value !== 'unconfined' && value !== 'builtin')
      kept.push(`seccomp=${seccompProfile(value)}`)
    else kept.push(option)
  }
  return {
    ...(kept.length > 0 && { SecurityOpt: kept }),
    ...(unconfined && { MaskedPaths: [], ReadonlyPaths: [] }),
  }
}

function seccompProfile(path: string): string {
  try {
    return JSON.stringify(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    const why = hasCode(error, 'ENOENT') ? `open ${path}: no such file or directory` : String(error)
    throw new Error(`opening seccomp profile (${path}) failed: ${why}`, { cause: error })
  }
}

function storageOptions(options: readonly string[]): Record<string, string> {
  for (const option of options) if (!option.includes('=')) throw new Error('invalid storage option')
  return toMap(options)
}

function tmpfs(text: string): [string, string] {
  const colon = text.indexOf(':')
  return colon < 0 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
}

function gpuRequest(text: string): object {
  const request: {
    Driver?: string
    Count?: number
    DeviceIDs?: string[]
    Capabilities: string[][]
    Options?: Record<string, string>
  } = {
    Capabilities: [['gpu']],
  }
  for (const [index, field] of splitCsv(text).entries()) {
    const [key = '', value = ''] = Object.entries(pair(field))[0] ?? []
    if (value === '' && index === 0) request.Count = gpuCount(key)
    else if (key === 'count') request.Count = gpuCount(value)
    else if (key === 'driver') request.Driver = value
    else if (key === 'device') request.DeviceIDs = value.split(',')
    else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']]
    else if (key === 'options') request.Options = toMap(splitCsv(value))
    else throw new Error(`unexpected key '${key}' in '${field}'`)
  }
  return request
}

function gpuCount(text: string): number {
  if (text === 'all') return -1
  if (!/^\d+$/.test(text))
    throw new Error(`invalid count (${text}): value must be either "all" or an integer`)
  return Number(text)
}

function healthConfig({ flags, given }: CreateInput): HealthConfig | undefined {
  const names = [
    'health-cmd',
    'health-interval',
    'health-retries',
    'health-start-interval',
    'health-start-period',
    'health-timeout',
  ]
  const any = names.some((name) => given.has(name))
  if (flags['no-healthcheck']) {
    if (any) throw new Error('--no-healthcheck conflicts with --health-* options')
    return { Test: ['NONE'] }
  }
  if (!any) return undefined
  for (const name of [
    'health-interval',
    'health-timeout',
    'health-start-period',
    'health-start-interval',
  ] as const)
    if ((flags[name] ?? 0) < 0) throw new Error(`--${name} cannot be negative`)
  if (flags['health-retries'] < 0) throw new Error('--health-retries cannot be negative')
  return {
    ...(flags['health-cmd'] !== '' && { Test: ['CMD-SHELL', flags['health-cmd']] }),
    ...nonZero({
      Interval: flags['health-interval'],
      Timeout: flags['health-timeout'],
      StartPeriod: flags['health-start-period'],
      StartInterval: flags['health-start-interval'],
      Retries: flags['health-retries'],
    }),
  }
}

/** Docker: `src:dst[:options]` is a bind or a named volume, a path alone an anonymous volume; `./x` is made absolute. */
function splitVolumes(values: readonly string[]): { binds: string[]; anonymous: Record<string, object> } {
  const binds: string[] = []
  const anonymous: Record<string, object> = {}
  for (const value of values) {
    const colon = value.indexOf(':')
    if (value === '') throw new Error('invalid empty volume spec')
    if (colon < 0) anonymous[value] = {}
    else if (colon === 0) throw new Error(`invalid spec: ${value}: empty section between colons`)
    else binds.push(value.startsWith('.') ? resolve(value.slice(0, colon)) + value.slice(colon) : value)
  }
  return { binds, anonymous }
}

type Mutable<T> = T extends readonly (infer U)[] ? U[] : T

/** Leaves out empty texts and lists: what was not said is the daemon's to choose. */
function nonEmpty<T extends Record<string, string | readonly unknown[]>>(
  fields: T,
): { [K in keyof T]?: Mutable<T[K]> } {
  // Only whole entries are left out: the rest keep their types. The lists are not changed by anybody.
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value.length > 0)) as {
    [K in keyof T]?: Mutable<T[K]>
  }
}

function nonZero<K extends string>(fields: Record<K, number | undefined>): { [P in K]?: number } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value)) as { [P in K]?: number }
}

function nonEmptyMap<K extends string>(
  fields: Record<K, Readonly<Record<string, string>>>,
): { [P in K]?: Record<string, string> } {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => Object.keys(value as object).length > 0),
  ) as {
    [P in K]?: Record<string, string>
  }
}
