/** What health checks mean, as docker defines it. Pure: `health-checks.ts` runs them. */
import { EngineError } from '../lib/errors.ts'
import type { ContainerConfig, HealthConfig } from '../wire/container.ts'

/** One run of the check. `exitCode` is -1 when it timed out or could not be run. */
export interface ProbeResult {
  readonly start: string
  readonly end: string
  readonly exitCode: number
  readonly output: string
}

/** What the checks of a container have found: part of its record. */
export interface Health {
  readonly status: 'starting' | 'healthy' | 'unhealthy'
  /** Failures since the last success, those of the start period aside. */
  readonly failingStreak: number
  /** The last five, oldest first. */
  readonly log: readonly ProbeResult[]
}

/** A check ready to be run. Times in milliseconds. */
export interface HealthCheck {
  readonly command: readonly string[]
  readonly interval: number
  readonly timeout: number
  readonly retries: number
  readonly startPeriod: number
  readonly startInterval: number
}

const keptResults = 5
/** Docker's defaults, for what is 0 or absent. Seconds. */
const defaults = { interval: 30, timeout: 30, startInterval: 5, retries: 3 }
/** Docker's shortest duration: 1 ms. */
const minimumNanoseconds = 1e6

/** The container's check; undefined when it has none, or `NONE`. */
export function healthCheckOf(config: ContainerConfig): HealthCheck | undefined {
  const { Test: test = [], ...times } = config.Healthcheck ?? {}
  const [kind, ...words] = test
  // An image may carry a kind that nobody knows: docker runs none then. A user's is refused at create.
  if ((kind !== 'CMD' && kind !== 'CMD-SHELL') || words.length === 0) return undefined
  const shell = config.Shell && config.Shell.length > 0 ? config.Shell : ['/bin/sh', '-c']
  const milliseconds = (nanoseconds: number | undefined, seconds: number) =>
    nanoseconds ? nanoseconds / 1e6 : seconds * 1000
  return {
    command: kind === 'CMD' ? words : [...shell, ...words],
    interval: milliseconds(times.Interval, defaults.interval),
    timeout: milliseconds(times.Timeout, defaults.timeout),
    retries: times.Retries || defaults.retries,
    startPeriod: milliseconds(times.StartPeriod, 0),
    startInterval: milliseconds(times.StartInterval, defaults.startInterval),
  }
}

/** Docker: what the user leaves open comes from the image, field by field. */
export function mergeHealthcheck(
  user: HealthConfig | undefined,
  image: HealthConfig | undefined,
): HealthConfig | undefined {
  if (!user || !image) return user ?? image
  const said = Object.entries(user).filter(([, value]) => (Array.isArray(value) ? value.length > 0 : value))
  return { ...image, ...(Object.fromEntries(said) as HealthConfig) }
}

/** Throws kind `invalid` in docker's words. */
export function checkHealthcheck(health: HealthConfig | undefined): void {
  if (!health) return
  const kind = health.Test?.[0]
  if (kind !== undefined && !['NONE', 'CMD', 'CMD-SHELL', ''].includes(kind))
    throw new EngineError(
      'invalid',
      `Unknown healthcheck type ${JSON.stringify(kind)}: Test begins with CMD, CMD-SHELL or NONE`,
    )
  for (const field of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[field] ?? 0
    if (value !== 0 && value < minimumNanoseconds)
      throw new EngineError('invalid', `${field} in Healthcheck cannot be less than 1ms`)
  }
  if ((health.Retries ?? 0) < 0) throw new EngineError('invalid', 'Retries in Healthcheck cannot be negative')
}

/** At each start of the container. Docker: the log of its former life stays to be read. */
export function healthAtStart(before: Health | undefined): Health {
  return { status: 'starting', failingStreak: 0, log: before?.log ?? [] }
}

/** Docker: what no longer runs is not healthy. */
export function healthAtEnd(before: Health): Health {
  return { ...before, status: 'unhealthy' }
}

export function healthAfter(
  before: Health,
  result: ProbeResult,
  o: { check: HealthCheck; startedAt: string },
): Health {
  const log = [...before.log.slice(1 - keptResults), result]
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log }
  const starting =
    before.status === 'starting' && Date.parse(result.start) - Date.parse(o.startedAt) < o.check.startPeriod
  if (starting) return { ...before, log }
  const failingStreak = before.failingStreak + 1
  return { status: failingStreak >= o.check.retries ? 'unhealthy' : before.status, failingStreak, log }
}

/** Milliseconds to the next run. */
export function pauseBefore(
  health: Health,
  o: { check: HealthCheck; startedAt: string; now: number },
): number {
  const { check } = o
  const inStartPeriod = o.now - Date.parse(o.startedAt) < check.startPeriod
  return inStartPeriod && health.status === 'starting' ? check.startInterval : check.interval
}
