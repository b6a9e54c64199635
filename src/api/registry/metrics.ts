import { readdirSync, readFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Metrics, type Counter, type Histogram } from '../../lib/metrics.ts'
import type { Observation } from './server.ts'

const bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120]

/**
 * What Prometheus reads of a registry. Labels have few values, whatever clients send: no repository, tag or user is among them.
 */
export class RegistryMetrics {
  readonly metrics = new Metrics()
  readonly #requests: Counter
  readonly #seconds: Histogram
  readonly #received: Counter
  readonly #sent: Counter

  constructor(o: { connections: () => number; slowClients: () => number; refusedConnections: () => number }) {
    const { metrics } = this
    this.#requests = metrics.counter(
      'gantry_registry_requests_total',
      'Requests by method, kind of target and status.',
    )
    this.#seconds = metrics.histogram(
      'gantry_registry_request_duration_seconds',
      'Time from a request to the end of its answer.',
      bounds,
    )
    this.#received = metrics.counter('gantry_registry_received_bytes_total', 'Bytes from clients.')
    this.#sent = metrics.counter('gantry_registry_sent_bytes_total', 'Bytes to clients.')
    metrics.gauge('gantry_registry_connections', 'Open connections.', o.connections)
    metrics.counterOf(
      'gantry_registry_refused_connections_total',
      'Connections beyond the limit.',
      o.refusedConnections,
    )
    metrics.counterOf(
      'gantry_registry_slow_clients_total',
      'Connections ended because the client was too slow.',
      o.slowClients,
    )
    addProcess(metrics)
  }

  observe(o: Observation): void {
    const what = { method: methods.has(o.method) ? o.method : 'other', target: o.target ?? 'other' }
    this.#requests.add(1, { ...what, status: String(o.status) })
    this.#seconds.observe(o.ms / 1000, what)
    this.#received.add(o.bytesIn)
    this.#sent.add(o.bytesOut)
  }
}

const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** By the names that Prometheus' own libraries use. */
function addProcess(metrics: Metrics): void {
  metrics.gauge('process_resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss())
  metrics.counterOf('process_cpu_seconds_total', 'Processor time of the process.', () => {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  })
  const started = Math.round(Date.now() / 1000 - process.uptime())
  metrics.gauge('process_start_time_seconds', 'Start of the process, since the epoch.', () => started)
  metrics.gauge('process_open_fds', 'Open file descriptors.', () => readdirSync('/proc/self/fd').length)
  metrics.gauge('process_max_fds', 'Most file descriptors that it may open.', () => {
    const limit = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    return limit === undefined ? Number.NaN : Number(limit)
  })
  const delay = monitorEventLoopDelay({ resolution: 20 })
  delay.enable()
  metrics.gauge('nodejs_eventloop_lag_p99_seconds', 'How late timers are, since the last look.', () => {
    const seconds = delay.percentile(99) / 1e9
    delay.reset()
    return seconds
  })
}
