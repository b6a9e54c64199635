/** What a container uses, as the columns of `stats`. */
import { shortId } from '../lib/id.ts'
import { humanBinarySize, humanSize } from '../lib/units.ts'
import type { ContainerStats, CpuStats } from '../wire/stats.ts'
import type { Column } from './format.ts'

/** A container that is watched; nothing is known of it before the first answer. */
export interface UsageRow {
  /** As typed, or the short id. */
  readonly container: string
  readonly id: string
  readonly name: string
  readonly stats: ContainerStats | undefined
}

const unknown = '--'

export function usageColumns(o: { short: boolean }): Record<string, Column<UsageRow>> {
  const known =
    (text: (stats: ContainerStats) => string, none = unknown) =>
    ({ stats }: UsageRow) =>
      stats ? text(stats) : none
  return {
    Container: { header: 'CONTAINER', value: (row) => row.container },
    ID: { header: 'CONTAINER ID', value: (row) => (o.short ? shortId(row.id) : row.id) || unknown },
    Name: { header: 'NAME', value: (row) => row.name || unknown },
    CPUPerc: { header: 'CPU %', value: known((stats) => percent(cpuShare(stats))) },
    MemUsage: {
      header: 'MEM USAGE / LIMIT',
      value: known(
        (stats) => `${humanBinarySize(memoryOf(stats))} / ${humanBinarySize(stats.memory_stats.limit ?? 0)}`,
        `${unknown} / ${unknown}`,
      ),
    },
    MemPerc: {
      header: 'MEM %',
      value: known(({ memory_stats: memory, ...rest }) =>
        percent(memory.limit ? (memoryOf({ ...rest, memory_stats: memory }) / memory.limit) * 100 : 0),
      ),
    },
    NetIO: { header: 'NET I/O', value: known(trafficText) },
    BlockIO: { header: 'BLOCK I/O', value: known(blockText) },
    PIDs: { header: 'PIDS', value: known((stats) => String(stats.pids_stats.current ?? 0)) },
  }
}

const percent = (value: number) => `${value.toFixed(2)}%`

/** Of one CPU in per cent: two busy ones are 200. */
function cpuShare({ cpu_stats: now, precpu_stats: before }: ContainerStats): number {
  const used = now.cpu_usage.total_usage - before.cpu_usage.total_usage
  const passed = (now.system_cpu_usage ?? 0) - (before.system_cpu_usage ?? 0)
  return used > 0 && passed > 0 ? (used / passed) * cpusOf(now) * 100 : 0
}

const cpusOf = (stats: CpuStats) => stats.online_cpus || (stats.cpu_usage.percpu_usage?.length ?? 1)

/** Docker: without what the kernel would give back at once, the files that nobody uses. */
function memoryOf({ memory_stats: { usage = 0, stats = {} } }: ContainerStats): number {
  const idle = stats['total_inactive_file'] ?? stats['inactive_file'] ?? 0
  return idle < usage ? usage - idle : usage
}

function trafficText({ networks = {} }: ContainerStats): string {
  let [received, sent] = [0, 0]
  for (const network of Object.values(networks)) {
    received += network.rx_bytes
    sent += network.tx_bytes
  }
  return `${humanSize(received)} / ${humanSize(sent)}`
}

function blockText({ blkio_stats: blkio }: ContainerStats): string {
  let [read, written] = [0, 0]
  for (const { op, value } of blkio['io_service_bytes_recursive'] ?? []) {
    if (/^r/i.test(op)) read += value
    if (/^w/i.test(op)) written += value
  }
  return `${humanSize(read)} / ${humanSize(written)}`
}
