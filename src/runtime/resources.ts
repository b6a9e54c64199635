import { EngineError } from '../lib/errors.ts'
import type { HostConfig } from '../wire/container.ts'
import type { HostFacts } from './host-facts.ts'
import type { OciDevice, OciDeviceRule, OciResources, OciThrottle } from './oci-spec.ts'

/** Docker's smallest memory limit: less than this and no process starts. */
const minMemory = 6 << 20

/** What every container may touch (Docker's list): mknod of anything, and the harmless nodes of /dev. */
const defaultDeviceRules: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...[
    [1, 3], // null
    [1, 5], // zero
    [1, 7], // full
    [1, 8], // random
    [1, 9], // urandom
    [5, 0], // tty
    [5, 1], // console
    [5, 2], // ptmx
  ].map(([major = 0, minor = 0]): OciDeviceRule => ({ allow: true, type: 'c', major, minor, access: 'rwm' })),
  { allow: true, type: 'c', major: 136, access: 'rwm' }, // pts
]

/** Limits in the runtime's terms. Throws kind `invalid` for what Docker refuses, in its words where clients match them. */
export function ociResources(
  h: HostConfig,
  facts: HostFacts,
  devices: readonly OciDeviceRule[],
): OciResources {
  const memory = memoryOf(h, facts)
  const cpu = cpuOf(h, facts)
  const blockIO = blockIoOf(h, facts)
  const pids = h.PidsLimit
  return {
    devices: [...devices],
    ...(memory && { memory }),
    ...(cpu && { cpu }),
    // Less than nothing is no limit, which is what a new cgroup has: crun 1.8 would write the number.
    ...(pids != null && pids > 0 && { pids: { limit: pids } }),
    ...(blockIO && { blockIO }),
  }
}

export function memoryOf(h: HostConfig, facts: HostFacts): OciResources['memory'] {
  const limit = h.Memory ?? 0
  const swap = h.MemorySwap ?? 0
  const reservation = h.MemoryReservation ?? 0
  if (limit !== 0 && limit < minMemory) throw invalid('Minimum memory limit allowed is 6MB')
  if (limit === 0 && swap > 0)
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage')
  if (limit > 0 && swap > 0 && swap < limit)
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage')
  if (reservation !== 0 && reservation < minMemory) throw invalid('Minimum memory reservation allowed is 6MB')
  if (limit > 0 && reservation > limit)
    throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage')
  const swappiness = h.MemorySwappiness
  const hasSwappiness = swappiness != null && swappiness !== -1
  if (hasSwappiness && (swappiness < 0 || swappiness > 100))
    throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`)
  // Docker goes on without what this kernel cannot do, and says so: `limitWarnings`.
  const isV1 = facts.cgroup !== 'v2'
  // Docker: without a word about swap, as much swap as memory (the runtime's figure is the sum).
  const total = swap !== 0 ? swap : limit * 2
  const memory = {
    ...(limit > 0 && { limit }),
    ...(limit > 0 && total !== 0 && facts.swapLimit && { swap: total }),
    ...(reservation > 0 && { reservation }),
    ...(hasSwappiness && isV1 && { swappiness }),
    ...(h.OomKillDisable && isV1 && { disableOOMKiller: true }),
  }
  return Object.keys(memory).length > 0 ? memory : undefined
}

export function cpuOf(h: HostConfig, facts: HostFacts): OciResources['cpu'] {
  const nano = h.NanoCpus ?? 0
  if (nano !== 0 && (h.CpuPeriod || h.CpuQuota))
    throw invalid(
      `Conflicting options: Nano CPUs and CPU ${h.CpuPeriod ? 'Period' : 'Quota'} cannot both be set`,
    )
  if (nano < 0 || nano > facts.cpus * 1e9)
    throw invalid(
      `Range of CPUs is from 0.01 to ${facts.cpus}.00, as there are only ${facts.cpus} CPUs available`,
    )
  const period = nano !== 0 ? 100_000 : (h.CpuPeriod ?? 0)
  const quota = nano !== 0 ? Math.floor((nano * period) / 1e9) : (h.CpuQuota ?? 0)
  if (h.CpuPeriod && (h.CpuPeriod < 1000 || h.CpuPeriod > 1_000_000))
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)')
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)')
  const cpu = {
    ...(h.CpuShares && { shares: h.CpuShares }),
    ...(period !== 0 && { period }),
    ...(quota !== 0 && { quota }),
    ...(h.CpuRealtimePeriod && { realtimePeriod: h.CpuRealtimePeriod }),
    ...(h.CpuRealtimeRuntime && { realtimeRuntime: h.CpuRealtimeRuntime }),
    ...(h.CpusetCpus && { cpus: list('cpus', h.CpusetCpus, { of: 'CPUs', available: facts.cpuList }) }),
    ...(h.CpusetMems && {
      mems: list('mems', h.CpusetMems, { of: 'memory nodes', available: facts.nodeList }),
    }),
  }
  return Object.keys(cpu).length > 0 ? cpu : undefined
}

function list(name: 'cpus' | 'mems', text: string, o: { of: string; available: string }): string {
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(text))
    throw invalid(`Invalid value ${text} for cpuset ${name}: invalid format: ${text}`)
  const there = ranges(o.available)
  const isThere = ([first, last]: [number, number]) => there.some(([from, to]) => from <= first && last <= to)
  if (!ranges(text).every(isThere))
    throw invalid(`Requested ${o.of} are not available - requested ${text}, available: ${o.available}`)
  return text
}

/** `0-2,7`; a range that follows another one without a gap is joined to it. */
function ranges(text: string): [first: number, last: number][] {
  const list: [number, number][] = []
  for (const part of text.split(',')) {
    const [first = 0, last = first] = part.split('-').map(Number)
    const before = list.at(-1)
    if (before && before[1] + 1 === first) before[1] = last
    else list.push([first, last])
  }
  return list
}

export function blockIoWeightOf({ BlkioWeight: weight = 0 }: HostConfig): number {
  if (weight !== 0 && (weight < 10 || weight > 1000))
    throw invalid('Range of blkio weight is from 10 to 1000')
  return weight
}

function blockIoOf(h: HostConfig, facts: HostFacts): OciResources['blockIO'] {
  const weight = blockIoWeightOf(h)
  const rates = (name: string, items: object[] | null | undefined): OciThrottle[] | undefined =>
    items?.length
      ? items.map((item) => ({ ...device(name, item, facts), rate: figure(name, item, 'Rate') }))
      : undefined
  const weightDevice = h.BlkioWeightDevice?.length
    ? h.BlkioWeightDevice.map((item) => ({
        ...device('BlkioWeightDevice', item, facts),
        weight: figure('BlkioWeightDevice', item, 'Weight'),
      }))
    : undefined
  const readBps = rates('BlkioDeviceReadBps', h.BlkioDeviceReadBps)
  const writeBps = rates('BlkioDeviceWriteBps', h.BlkioDeviceWriteBps)
  const readIops = rates('BlkioDeviceReadIOps', h.BlkioDeviceReadIOps)
  const writeIops = rates('BlkioDeviceWriteIOps', h.BlkioDeviceWriteIOps)
  const blockIO = {
    ...(weight !== 0 && { weight }),
    ...(weightDevice && { weightDevice }),
    ...(readBps && { throttleReadBpsDevice: readBps }),
    ...(writeBps && { throttleWriteBpsDevice: writeBps }),
    ...(readIops && { throttleReadIOPSDevice: readIops }),
    ...(writeIops && { throttleWriteIOPSDevice: writeIops }),
  }
  return Object.keys(blockIO).length > 0 ? blockIO : undefined
}

function device(name: string, item: object, facts: HostFacts): { major: number; minor: number } {
  const path: unknown = 'Path' in item ? item.Path : undefined
  if (typeof path !== 'string') throw invalid(`${name}: Path must be a device on the host`)
  const [found] = facts.devices(path)
  if (!found) throw invalid(`${name}: ${path} is not a device`)
  return { major: found.major, minor: found.minor }
}

function figure(name: string, item: object, key: 'Rate' | 'Weight'): number {
  const value: unknown = key in item ? (item as Record<string, unknown>)[key] : undefined
  if (typeof value !== 'number' || value < 0) throw invalid(`${name}: ${key} must be a number of at least 0`)
  return value
}

/** `--device` and `--device-cgroup-rule`; with `--privileged` all that the host has. */
export function ociDevices(h: HostConfig, facts: HostFacts): { nodes: OciDevice[]; rules: OciDeviceRule[] } {
  if (h.Privileged) {
    const mapped = (h.Devices ?? []).flatMap((mapping) => mapDevice(mapping, facts).nodes)
    const taken = new Set(mapped.map((node) => node.path))
    return {
      nodes: [...facts.devices('/dev').filter((node) => !taken.has(node.path)), ...mapped],
      rules: [{ allow: true, access: 'rwm' }],
    }
  }
  const mapped = (h.Devices ?? []).map((mapping) => mapDevice(mapping, facts))
  return {
    nodes: mapped.flatMap(({ nodes }) => nodes),
    rules: [
      ...defaultDeviceRules,
      ...mapped.flatMap(({ rules }) => rules),
      ...(h.DeviceCgroupRules ?? []).map(parseRule),
    ],
  }
}

function mapDevice(
  mapping: { PathOnHost: string; PathInContainer?: string; CgroupPermissions?: string },
  facts: HostFacts,
): { nodes: OciDevice[]; rules: OciDeviceRule[] } {
  const source = mapping.PathOnHost
  const target = mapping.PathInContainer || source
  const access = mapping.CgroupPermissions || 'rwm'
  if (!/^[rwm]{1,3}$/.test(access)) throw invalid(`invalid device mode: ${access}`)
  if (!target.startsWith('/')) throw invalid(`bad format for path: ${target}`)
  const nodes = facts
    .devices(source)
    .map((node) => ({ ...node, path: target + node.path.slice(source.length) }))
  return {
    nodes,
    rules: nodes.map(({ type, major, minor }) => ({
      allow: true,
      type: type === 'b' ? 'b' : 'c',
      major,
      minor,
      access,
    })),
  }
}

function parseRule(text: string): OciDeviceRule {
  const match = /^([acb]) ((?:\d+|\*):(?:\d+|\*)) ([rwm]{1,3})$/.exec(text)
  if (!match) throw invalid(`invalid device cgroup rule format: '${text}'`)
  const [, type, numbers = '', access = ''] = match
  const [major, minor] = numbers.split(':')
  return {
    allow: true,
    // The expression allows these three alone.
    type: type as 'a' | 'b' | 'c',
    ...(major !== '*' && { major: Number(major) }),
    ...(minor !== '*' && { minor: Number(minor) }),
    access,
  }
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}
