import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { isAbsolute, join } from 'node:path'
import { gcFilter, historyLimits, parseCheckOptions } from '../build/index.ts'
import type { Config } from '../engine/index.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import type { LogLevel } from '../lib/log.ts'
import { parseDuration } from '../lib/units.ts'
import { containerDefaults } from './container-settings.ts'
import { bridgeOf, networkDefaults } from './network-settings.ts'
import { checkOneValueSettings } from './one-value-settings.ts'
import { resolveRegistry, type RegistryConfig } from './registry-config.ts'
import { registrySettingsOf } from './registry-settings.ts'
import { registriesOf, type Environment } from './registries.ts'
import type { Settings } from './settings.ts'

/** Files of TLS on tcp hosts. `ca` present: clients must show a certificate that it signed. */
export interface TlsFiles {
  readonly ca: string | undefined
  readonly cert: string
  readonly key: string
}

const defaultExecRoot = '/run/gantry'
/** A container's attach socket is `<exec-root>/c/<32 digits>/attach`, and sockets' paths end at 107 bytes. */
const maxExecRoot = 60
const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** Fills in the defaults and checks everything that can be checked without touching the host. Throws kind `invalid`. */
export function resolve(
  s: Settings,
  environment: Environment = {},
): { config: Config; tls: TlsFiles | undefined; registry: RegistryConfig | undefined } {
  checkOneValueSettings(s)
  const execRoot = directory('exec-root', s['exec-root'] ?? defaultExecRoot)
  if (Buffer.byteLength(execRoot) > maxExecRoot)
    throw invalid(
      `exec-root ${execRoot} is longer than ${maxExecRoot} bytes: unix sockets below it would not fit`,
    )
  // Daemons side by side must not share a bridge or a cgroup: what has no name of its own gets one from exec-root.
  const own =
    execRoot === defaultExecRoot ? '' : createHash('sha256').update(execRoot).digest('hex').slice(0, 6)
  const shutdownTimeout = s['shutdown-timeout'] ?? 15
  if (shutdownTimeout < -1) throw invalid(`shutdown-timeout ${shutdownTimeout}: want -1 or more`)
  for (const server of s.dns ?? []) if (isIP(server) === 0) throw invalid(`${server} is not an ip address`)
  const debug = s.debug ?? false
  const hosts = s.hosts?.length ? s.hosts.map(checkHost) : [`unix://${defaultExecRoot}/gantry.sock`]
  const config: Config = {
    dataRoot: directory('data-root', s['data-root'] ?? '/var/lib/gantry'),
    execRoot,
    hosts,
    group: s.group ?? 'gantry',
    pidFile: s.pidfile ?? '',
    logLevel: debug ? 'debug' : level(s['log-level'] ?? 'info'),
    debug,
    logFormat: logFormat(s['log-format'] ?? 'json'),
    experimental: s.experimental ?? false,
    liveRestore: s['live-restore'] ?? false,
    metricsAddress: metricsAddress(s['metrics-addr'] ?? ''),
    oomScoreAdjust: oomScore(s['oom-score-adjust'] ?? 0),
    runtime: runtimeOf(s),
    bridge: bridgeOf(s, s.bridge ?? (own === '' ? 'gantry0' : `gantry-${own}`)),
    ...networkDefaults(s),
    builderGc: gcOf(s),
    builderHistory: historyOf(s),
    builderChecks: checksOf(s),
    ...registriesOf(s, environment),
    addressPools: (s['default-address-pools'] ?? []).map(checkPool),
    respectHostFirewall: s['respect-host-firewall'] ?? false,
    cgroupParent: cgroupParent(s['cgroup-parent'] ?? (own === '' ? '/gantry' : `/gantry-${own}`)),
    dns: s.dns ?? [],
    dnsSearch: s['dns-search'] ?? [],
    dnsOptions: s['dns-opts'] ?? [],
    labels: (s.labels ?? []).map(checkLabel),
    shutdownTimeout,
    ...containerDefaults(s),
  }
  if (s.registry && 'log-level' in s.registry)
    throw invalid('registry.log-level: the level of the daemon counts for all that it logs')
  const registry =
    s.registry &&
    resolveRegistry(registrySettingsOf('the key registry of daemon.json', s.registry), {
      storage: join(config.dataRoot, 'registry'),
      proxies: config.registries.proxies,
    })
  if (registry?.upstream !== undefined && config.registries.offline)
    throw invalid('registry.upstream: the daemon is offline')
  return { config: deepFreeze(config), tls: tlsOf(s), registry }
}

function invalid(message: string): EngineError {
  return new EngineError('invalid', message)
}

function directory(key: string, path: string): string {
  if (!isAbsolute(path)) throw invalid(`${key} ${JSON.stringify(path)}: want an absolute path`)
  return path.length > 1 ? path.replace(/\/+$/, '') : path
}

function checkPool(pool: { base: string; size: number }): { base: string; size: number } {
  const [address = '', bits = ''] = pool.base.split('/')
  const width = isIP(address) === 4 ? 32 : isIP(address) === 6 ? 128 : 0
  if (width === 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > width)
    throw invalid(`default-address-pools: invalid base ${JSON.stringify(pool.base)}: want ADDRESS/BITS`)
  if (pool.size < Number(bits) || pool.size > width)
    throw invalid(
      `default-address-pools: invalid size ${pool.size} of ${pool.base}: want ${bits} to ${width}`,
    )
  return pool
}

function level(text: string): LogLevel {
  const found = levels.find((candidate) => candidate === text)
  if (!found) throw invalid(`invalid logging level: ${text}`)
  return found
}

function checkHost(text: string): string {
  const [, scheme, rest = ''] = /^(?:([a-z]+):\/\/)?(.*)$/s.exec(text) ?? []
  if (scheme === 'unix' && isAbsolute(rest)) {
    if (Buffer.byteLength(rest) > 107)
      throw invalid(`host ${text}: a unix socket's path has at most 107 bytes`)
    return text
  }
  // The port is required: docker's guess of 2375 or 2376 surprises.
  if ((scheme === 'tcp' || scheme === undefined) && /^(\[[\da-fA-F:]+\]|[\w.-]*):\d{1,5}$/.test(rest))
    return `tcp://${rest}`
  if (scheme === 'fd' || scheme === 'npipe')
    throw new EngineError('unsupported', `host ${text}: ${scheme}:// is not supported yet`)
  throw invalid(`Invalid bind address format: ${text} (want unix:///path or tcp://address:port)`)
}

function checkLabel(text: string): string {
  if (!/^[^=\s]+=/.test(text)) throw invalid(`bad attribute format: ${text} (want key=value)`)
  return text
}

function cgroupParent(path: string): string {
  if (path.endsWith('.slice'))
    throw new EngineError(
      'unsupported',
      `cgroup-parent ${path}: systemd slices are not supported yet; give a path`,
    )
  const absolute = path.startsWith('/') ? path : `/${path}`
  if (absolute === '/' || absolute.split('/').includes('..'))
    throw invalid(`cgroup-parent ${JSON.stringify(path)}: want a path below the hierarchy's root`)
  return absolute.replace(/\/+$/, '')
}

function runtimeOf(s: Settings): Config['runtime'] {
  const known = s.runtimes ?? {}
  const name = s['default-runtime'] ?? ''
  for (const [runtime, { path }] of Object.entries(known)) {
    // It names a directory of its state, too.
    if (!/^\w[\w.-]*$/.test(runtime)) throw invalid(`runtimes: invalid name ${JSON.stringify(runtime)}`)
    if (path === '') throw invalid(`runtimes: ${runtime} has no path`)
  }
  const others = Object.entries(known).filter(([runtime]) => runtime !== name)
  return {
    name,
    path: known[name]?.path ?? '',
    others: Object.fromEntries(others.map(([runtime, { path }]) => [runtime, path])),
  }
}

function logFormat(text: string): 'json' | 'text' {
  if (text === 'json' || text === 'text') return text
  throw invalid(`log-format ${JSON.stringify(text)}: want json or text`)
}

function metricsAddress(text: string): string {
  if (text !== '' && !/^(\[[\da-fA-F:]+\]|[\w.-]*):\d{1,5}$/.test(text))
    throw invalid(`metrics-addr ${JSON.stringify(text)}: want address:port`)
  return text
}

function oomScore(score: number): number {
  if (score < -1000 || score > 1000) throw invalid(`oom-score-adjust ${score}: want -1000 to 1000`)
  return score
}

function checksOf(s: Settings): string {
  const options = s.builder?.checks ?? ''
  try {
    parseCheckOptions(options)
  } catch (cause) {
    throw new EngineError('invalid', `builder.checks: ${messageOf(cause)}`, { cause })
  }
  return options
}

function historyOf(s: Settings): Config['builderHistory'] {
  const { maxEntries, maxSize, maxAge } = s.builder?.history ?? {}
  return {
    maxBuilds: maxEntries ?? historyLimits.maxBuilds,
    maxBytes: maxSize ?? historyLimits.maxBytes,
    maxAge: maxAge === undefined ? historyLimits.maxAge : ageOf(maxAge),
  }
}

/** Milliseconds. */
function ageOf(age: number | string): number {
  if (typeof age === 'number') return age * 1000
  try {
    const milliseconds = parseDuration(age) / 1e6
    if (milliseconds >= 0) return milliseconds
  } catch (cause) {
    throw new EngineError('invalid', `builder.history.maxAge: ${messageOf(cause)}`, { cause })
  }
  throw new EngineError('invalid', `builder.history.maxAge: ${age} is negative`)
}

function gcOf(s: Settings): Config['builderGc'] {
  const gc = s.builder?.gc ?? {}
  const limits = (o: {
    reserved: number | undefined
    max: number | undefined
    free: number | undefined
  }) => ({
    reservedSpace: o.reserved ?? 0,
    maxUsedSpace: o.max ?? 0,
    minFreeSpace: o.free ?? 0,
  })
  const policies = (gc.policy ?? []).map((policy) => ({
    all: policy.all ?? false,
    filters: policy.filter ?? [],
    limits: limits({
      reserved: policy.reservedSpace ?? policy.keepStorage,
      max: policy.maxUsedSpace,
      free: policy.minFreeSpace,
    }),
  }))
  try {
    for (const { filters } of policies) gcFilter(filters)
  } catch (cause) {
    throw new EngineError('invalid', `builder.gc.policy: ${messageOf(cause)}`, { cause })
  }
  return {
    enabled: gc.enabled ?? true,
    limits: limits({
      reserved: gc.defaultReservedSpace ?? gc.defaultKeepStorage,
      max: gc.defaultMaxUsedSpace,
      free: gc.defaultMinFreeSpace,
    }),
    policies,
  }
}

function tlsOf(s: Settings): TlsFiles | undefined {
  const used = s.tls === true || s.tlsverify === true
  if (!used) {
    const stray = (['tlscacert', 'tlscert', 'tlskey'] as const).find((key) => s[key] !== undefined)
    if (stray !== undefined && s.tls === undefined && s.tlsverify === undefined)
      throw invalid(`${stray} is set but neither tls nor tlsverify is`)
    return undefined
  }
  if (s.tlscert === undefined || s.tlskey === undefined) throw invalid('TLS needs tlscert and tlskey')
  if (s.tlsverify === true && s.tlscacert === undefined) throw invalid('tlsverify needs tlscacert')
  return { ca: s.tlsverify === true ? s.tlscacert : undefined, cert: s.tlscert, key: s.tlskey }
}

function deepFreeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) deepFreeze(child)
  return Object.freeze(value)
}
