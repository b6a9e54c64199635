import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStats, CpuStats } from '../wire/stats.ts'
import { usageColumns } from './usage-rows.ts'

const cpu = (total: number, system: number): CpuStats => ({
  cpu_usage: { total_usage: total, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  system_cpu_usage: system,
  online_cpus: 2,
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
})
const stats: ContainerStats = {
  name: '/web',
  id: '3f2a'.repeat(16),
  read: '2026-01-01T00:00:01Z',
  preread: '2026-01-01T00:00:00Z',
  pids_stats: { current: 3 },
  blkio_stats: {
    io_service_bytes_recursive: [
      { major: 8, minor: 0, op: 'Read', value: 4_000_000 },
      { major: 8, minor: 0, op: 'Write', value: 1000 },
      { major: 8, minor: 0, op: 'Total', value: 4_001_000 },
    ],
  },
  num_procs: 0,
  storage_stats: {},
  cpu_stats: cpu(3e9, 12e9),
  precpu_stats: cpu(2e9, 10e9),
  memory_stats: { usage: 3 << 20, limit: 1 << 28, stats: { total_inactive_file: 1 << 20 } },
  networks: {
    eth0: {
      rx_bytes: 1046,
      rx_packets: 1,
      rx_errors: 0,
      rx_dropped: 0,
      tx_bytes: 126,
      tx_packets: 1,
      tx_errors: 0,
      tx_dropped: 0,
    },
  },
}

test('the columns of stats are docker’s', () => {
  const columns = usageColumns({ short: true })
  const text = (row: { stats: ContainerStats | undefined }) =>
    Object.values(columns).map((column) =>
      column.value({ container: 'web', id: stats.id, name: 'web', ...row }),
    )
  assert.deepEqual(text({ stats }), [
    'web',
    '3f2a3f2a3f2a',
    'web',
    '100.00%',
    '2MiB / 256MiB',
    '0.78%',
    '1.05kB / 126B',
    '4MB / 1kB',
    '3',
  ])
  assert.deepEqual(text({ stats: undefined }).slice(3), ['--', '-- / --', '--', '--', '--', '--'])
})
