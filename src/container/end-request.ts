/**
 * Who wants a container's process to end, noted before the signal is sent: with it the end is told from one of the process's own
 * accord, which a restart policy answers and `why` explains. Part of the record: the daemon may be killed in between.
 */
export interface EndRequest {
  /** `user`: stop, kill, or rm; `restart`: it will be started again; `shutdown`: the daemon ends with its containers. */
  readonly by: 'user' | 'restart' | 'shutdown'
  /** The first signal that was sent for it. */
  readonly signal: number
  /** Why SIGKILL had to follow: the grace (seconds) was over, or the process would never have seen the signal. */
  readonly forced?: { readonly because: 'timeout'; readonly grace: number } | { readonly because: 'deaf' }
  /** A process that lives on so long after it ends for reasons of its own. Milliseconds since 1970. */
  readonly until?: number
}

/** Docker takes every signal of `kill` for an end, a SIGHUP that reloads a configuration included; these are meant as one. */
const endingSignals: ReadonlySet<number> = new Set([2, 3, 6, 9, 15])

/** How long a process may take over the end that `kill` asked for. Milliseconds. */
const killGrace = 10_000

/** For a signal of `kill`: undefined when it is no request to end. */
export function endByKill(
  signal: number,
  o: { by: EndRequest['by']; stopSignal: number; now: number },
): EndRequest | undefined {
  if (signal === 9) return { by: o.by, signal }
  if (!endingSignals.has(signal) && signal !== o.stopSignal) return undefined
  return { by: o.by, signal, until: o.now + killGrace }
}

/** At boot, of a container that still runs: the daemon was killed before or after the signal, and the process may be about to end. */
export function afterBoot(request: EndRequest, now: number): EndRequest {
  return { ...request, until: request.until ?? now + killGrace }
}

/** The request that an end at this time answers. */
export function answered(request: EndRequest | null, at: number): EndRequest | undefined {
  return request === null || (request.until !== undefined && at > request.until) ? undefined : request
}
