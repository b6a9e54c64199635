import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { availableParallelism, totalmem } from 'node:os'
import { goArch, productVersion, type Engine } from '../engine/index.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import { Metrics, metricsContentType } from '../lib/metrics.ts'
import type { Op } from '../lib/op.ts'

/** dockerd's names for figures of the engine, the usual ones for the process. */
function metricsOf(engine: Engine): Metrics {
  const metrics = new Metrics()
  metrics.gauge(
    'engine_daemon_engine_info',
    'The information related to the engine and the OS it is running on',
    () => [
      {
        value: 1,
        labels: {
          architecture: goArch(),
          daemon_id: engine.id,
          graphdriver: 'overlayfs',
          os: 'linux',
          version: productVersion,
        },
      },
    ],
  )
  metrics.gauge(
    'engine_daemon_engine_cpus_cpus',
    'The number of cpus that the host system of the engine has',
    availableParallelism,
  )
  metrics.gauge(
    'engine_daemon_engine_memory_bytes',
    'The number of bytes of memory that the host system of the engine has',
    totalmem,
  )
  metrics.gauge(
    'engine_daemon_container_states_containers',
    'The count of containers in various states',
    () => {
      const all = engine.containers.list()
      const count = (...states: string[]) => all.filter((c) => states.includes(c.status)).length
      const paused = count('paused')
      const running = count('running', 'restarting')
      return [
        { value: paused, labels: { state: 'paused' } },
        { value: running, labels: { state: 'running' } },
        { value: all.length - paused - running, labels: { state: 'stopped' } },
      ]
    },
  )
  metrics.counterOf('process_cpu_seconds_total', 'Total user and system CPU time spent in seconds.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  metrics.gauge('process_resident_memory_bytes', 'Resident memory size in bytes.', () =>
    process.memoryUsage.rss(),
  )
  metrics.gauge(
    'process_open_fds',
    'Number of open file descriptors.',
    () => readdirSync('/proc/self/fd').length,
  )
  metrics.gauge('process_start_time_seconds', 'Start time of the process since unix epoch in seconds.', () =>
    Math.round(performance.timeOrigin / 1000),
  )
  return metrics
}

/** Serves the figures at `/metrics` of the configured address, as dockerd does. Throws kind `unavailable` when it is taken. */
export async function serveMetrics(op: Op, engine: Engine): Promise<Server> {
  const address = engine.config.metricsAddress
  const metrics = metricsOf(engine)
  const server = createServer((request, response) => {
    if (request.method !== 'GET' || request.url?.split('?')[0] !== '/metrics') {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, { 'Content-Type': metricsContentType }).end(metrics.text())
  })
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  server.listen({ host: host || '0.0.0.0', port: Number(address.slice(colon + 1)) })
  try {
    await once(server, 'listening')
  } catch (cause) {
    throw new EngineError('unavailable', `metrics-addr ${address}: ${messageOf(cause)}`, { cause })
  }
  op.log.info('serving figures', { address })
  return server
}
