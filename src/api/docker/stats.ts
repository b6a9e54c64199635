/** `GET /containers/:id/stats`: what a container uses, once or each second. */
import type { Container, ContainerSample, ContainerStats as Stats } from '../../container/index.ts'
import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ContainerStats, CpuStats } from '../../wire/stats.ts'
import { sendJson, startJsonStream, writeLine } from './respond.ts'
import type { Call, Route } from './route.ts'

export function statsRoutes({ containers }: Pick<Engine, 'containers'>): Route[] {
  const stats = async (call: Call) => {
    const c = containers.find(call.params['id'] ?? '')
    const stream = call.query.flag('stream', { fallback: true })
    const oneShot = call.query.flag('one-shot')
    if (stream && oneShot) throw new EngineError('invalid', 'cannot have stream=true and one-shot=true')
    if (oneShot) return sendJson(call.response, encode(c, { now: containers.sample(c), before: undefined }))
    startJsonStream(call.response)
    for await (const each of containers.stats(call.op, c, { once: !stream }))
      await writeLine(call, encode(c, each))
    call.response.end()
  }
  return [{ method: 'GET', path: '/containers/:id/stats', handler: stats }]
}

const never = '0001-01-01T00:00:00Z'

export function encode(c: Pick<Container, 'id' | 'name'>, { now, before }: Stats): ContainerStats {
  const { usage, networks } = now
  const io = usage?.io
  return {
    name: `/${c.name}`,
    id: c.id,
    read: usage ? now.readAt.toISOString() : never,
    preread: before?.usage ? before.readAt.toISOString() : never,
    pids_stats: {
      ...(usage && { current: usage.pids.current }),
      ...(usage?.pids.limit !== undefined && { limit: usage.pids.limit }),
    },
    blkio_stats: {
      io_service_bytes_recursive: io?.bytes ?? null,
      io_serviced_recursive: io?.operations ?? null,
      io_queue_recursive: null,
      io_service_time_recursive: null,
      io_wait_time_recursive: null,
      io_merged_recursive: null,
      io_time_recursive: null,
      sectors_recursive: null,
    },
    num_procs: 0,
    storage_stats: {},
    cpu_stats: cpuStats(now),
    precpu_stats: cpuStats(before),
    memory_stats: memoryStats(now),
    ...(networks &&
      Object.keys(networks).length > 0 && {
        networks: Object.fromEntries(
          Object.entries(networks).map(([name, { received, sent }]) => [
            name,
            {
              rx_bytes: received.bytes,
              rx_packets: received.packets,
              rx_errors: received.errors,
              rx_dropped: received.dropped,
              tx_bytes: sent.bytes,
              tx_packets: sent.packets,
              tx_errors: sent.errors,
              tx_dropped: sent.dropped,
            },
          ]),
        ),
      }),
  }
}

function cpuStats(sample: ContainerSample | undefined): CpuStats {
  const cpu = sample?.usage?.cpu
  return {
    cpu_usage: {
      total_usage: cpu?.total ?? 0,
      ...(cpu?.each && { percpu_usage: cpu.each }),
      usage_in_kernelmode: cpu?.kernel ?? 0,
      usage_in_usermode: cpu?.user ?? 0,
    },
    ...(cpu && {
      system_cpu_usage: sample?.system.cpuNanoseconds ?? 0,
      online_cpus: sample?.system.cpus ?? 0,
    }),
    throttling_data: {
      periods: cpu?.periods ?? 0,
      throttled_periods: cpu?.throttledPeriods ?? 0,
      throttled_time: cpu?.throttled ?? 0,
    },
  }
}

function memoryStats({ usage, system }: ContainerSample): ContainerStats['memory_stats'] {
  if (!usage) return {}
  const { memory } = usage
  return {
    usage: memory.usage,
    ...(memory.peak !== undefined && { max_usage: memory.peak }),
    stats: memory.stat,
    ...(memory.failures !== undefined && { failcnt: memory.failures }),
    // Docker: without a limit, what the machine has.
    limit: Math.min(memory.limit ?? Infinity, system.memory),
  }
}
