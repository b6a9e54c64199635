import { readCgroup, version } from './cgroup.ts'

/** What the processes of a cgroup have used. Bytes and nanoseconds; a limit that is not set is undefined. */
export interface CgroupUsage {
  readonly cpu: {
    readonly total: number
    readonly user: number
    readonly kernel: number
    /** For each CPU, where the kernel tells (version 1). */
    readonly each?: readonly number[]
    readonly periods: number
    readonly throttledPeriods: number
    readonly throttled: number
  }
  readonly memory: {
    readonly usage: number
    readonly peak?: number
    readonly limit?: number
    /** How often the limit was met. */
    readonly failures?: number
    /** The kernel's own figures by name (memory.stat). */
    readonly stat: Readonly<Record<string, number>>
  }
  readonly pids: { readonly current: number; readonly limit?: number }
  readonly io: {
    readonly bytes: readonly DeviceFigure[]
    readonly operations: readonly DeviceFigure[]
  }
}

export interface DeviceFigure {
  readonly major: number
  readonly minor: number
  /** `Read`, `Write`, … as the kernel has it. */
  readonly op: string
  readonly value: number
}

/** Clock ticks of user space: the same on every architecture that Linux has. Nanoseconds. */
const tick = 1e7

/** Undefined when the cgroup is gone. Both versions are told in the same terms. */
export function usageOf(path: string): CgroupUsage | undefined {
  return version() === 'v2' ? usageV2(path) : usageV1(path)
}

function usageV2(path: string): CgroupUsage | undefined {
  const read = (file: string) => readCgroup(path, '', file)
  const cpu = read('cpu.stat')
  const usage = read('memory.current')
  if (cpu === undefined && usage === undefined) return undefined
  const times = table(cpu)
  const limit = figure(read('memory.max'))
  const peak = figure(read('memory.peak'))
  const io = ioStat(read('io.stat'))
  return {
    cpu: {
      total: (times['usage_usec'] ?? 0) * 1000,
      user: (times['user_usec'] ?? 0) * 1000,
      kernel: (times['system_usec'] ?? 0) * 1000,
      periods: times['nr_periods'] ?? 0,
      throttledPeriods: times['nr_throttled'] ?? 0,
      throttled: (times['throttled_usec'] ?? 0) * 1000,
    },
    memory: {
      usage: figure(usage) ?? 0,
      ...(peak !== undefined && { peak }),
      ...(limit !== undefined && { limit }),
      stat: table(read('memory.stat')),
    },
    pids: pidsOf(path, ''),
    io,
  }
}

function usageV1(path: string): CgroupUsage | undefined {
  const cpuacct = (file: string) => readCgroup(path, 'cpuacct', file)
  const memory = (file: string) => readCgroup(path, 'memory', file)
  const total = cpuacct('cpuacct.usage')
  const usage = memory('memory.usage_in_bytes')
  if (total === undefined && usage === undefined) return undefined
  const ticks = table(cpuacct('cpuacct.stat'))
  const throttling = table(readCgroup(path, 'cpu', 'cpu.stat'))
  const each = cpuacct('cpuacct.usage_percpu')
  const limit = figure(memory('memory.limit_in_bytes'))
  const peak = figure(memory('memory.max_usage_in_bytes'))
  const failures = figure(memory('memory.failcnt'))
  return {
    cpu: {
      total: figure(total) ?? 0,
      user: (ticks['user'] ?? 0) * tick,
      kernel: (ticks['system'] ?? 0) * tick,
      ...(each !== undefined && { each: each.trim().split(' ').map(Number) }),
      periods: throttling['nr_periods'] ?? 0,
      throttledPeriods: throttling['nr_throttled'] ?? 0,
      throttled: throttling['throttled_time'] ?? 0,
    },
    memory: {
      usage: figure(usage) ?? 0,
      ...(peak !== undefined && { peak }),
      ...(limit !== undefined && { limit }),
      ...(failures !== undefined && { failures }),
      stat: table(memory('memory.stat')),
    },
    pids: pidsOf(path, 'pids'),
    io: {
      bytes: blkio(path, 'io_service_bytes_recursive'),
      operations: blkio(path, 'io_serviced_recursive'),
    },
  }
}

function pidsOf(path: string, controller: string): CgroupUsage['pids'] {
  const limit = figure(readCgroup(path, controller, 'pids.max'))
  return {
    current: figure(readCgroup(path, controller, 'pids.current')) ?? 0,
    ...(limit !== undefined && { limit }),
  }
}

/** The scheduler's own count where it keeps one, else that of the throttle, which sees every request. */
function blkio(path: string, file: string): DeviceFigure[] {
  for (const kind of ['bfq', 'throttle']) {
    const text = readCgroup(path, 'blkio', `blkio.${kind}.${file}`) ?? ''
    const figures = text.split('\n').flatMap((line) => {
      const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line)
      return match
        ? [{ major: Number(match[1]), minor: Number(match[2]), op: match[3] ?? '', value: Number(match[4]) }]
        : []
    })
    if (figures.length > 0) return figures
  }
  return []
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …` */
export function ioStat(text: string | undefined): CgroupUsage['io'] {
  const bytes: DeviceFigure[] = []
  const operations: DeviceFigure[] = []
  for (const line of (text ?? '').split('\n')) {
    const match = /^(\d+):(\d+) (.*)$/.exec(line)
    if (!match) continue
    const device = { major: Number(match[1]), minor: Number(match[2]) }
    for (const pair of (match[3] ?? '').split(' ')) {
      const [key = '', value = '0'] = pair.split('=')
      const op = key.startsWith('r') ? 'read' : 'write'
      if (key === 'rbytes' || key === 'wbytes') bytes.push({ ...device, op, value: Number(value) })
      if (key === 'rios' || key === 'wios') operations.push({ ...device, op, value: Number(value) })
    }
  }
  return { bytes, operations }
}

/** `max` and the figures that version 1 has for it are no limit. */
function figure(text: string | undefined): number | undefined {
  const value = Number(text?.trim() || NaN)
  return Number.isFinite(value) && value < 2 ** 62 ? value : undefined
}

function table(text: string | undefined): Record<string, number> {
  const result: Record<string, number> = {}
  for (const line of (text ?? '').split('\n')) {
    const space = line.indexOf(' ')
    if (space > 0) result[line.slice(0, space)] = Number(line.slice(space + 1))
  }
  return result
}
