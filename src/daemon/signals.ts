import type { Logger } from '../lib/log.ts'

/** What signals ask of a daemon that is up. */
export interface SignalWork {
  /** SIGHUP. */
  reload(): void
  /** SIGUSR2. */
  collect(): void
}

/**
 * The first SIGTERM or SIGINT asks for an orderly stop, the second ends the process at once. Returns what is to be called once
 * the daemon is up; until then the other signals are only noted.
 */
export function onSignals(log: Logger, stop: (signal: NodeJS.Signals) => void): (work: SignalWork) => void {
  let work: SignalWork | undefined
  let count = 0
  const onEnd = (signal: NodeJS.Signals) => {
    count++
    if (count === 1) return stop(signal)
    log.warn('stopping at once', { signal })
    process.exit(1)
  }
  process.on('SIGTERM', onEnd)
  process.on('SIGINT', onEnd)
  const early = (signal: NodeJS.Signals) => log.info('still starting: a signal has no effect', { signal })
  process.on('SIGHUP', (signal) => (work ? work.reload() : early(signal)))
  process.on('SIGUSR2', (signal) => (work ? work.collect() : early(signal)))
  process.on('SIGPIPE', () => log.debug('SIGPIPE'))
  return (given) => (work = given)
}
