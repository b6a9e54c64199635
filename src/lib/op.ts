import type { Logger } from './log.ts'

/** First argument of everything that waits: when to stop, and where to report. */
export interface Op {
  readonly signal: AbortSignal
  readonly log: Logger
}

/** For undo and committed work: same log, deaf to the caller's cancel, bounded by a deadline of its own (ms). */
export const detached = (op: Op, ms: number): Op => ({ ...op, signal: AbortSignal.timeout(ms) })

/** An op for work that nobody can cancel but the process itself: background loops and boot. */
export const background = (log: Logger, signal: AbortSignal = new AbortController().signal): Op => ({
  signal,
  log,
})

/** Why a signal was aborted, as an Error whatever was given. */
export function abortReason(signal: AbortSignal | undefined): Error {
  const reason: unknown = signal?.reason
  return reason instanceof Error ? reason : new DOMException('aborted', { name: 'AbortError', cause: reason })
}
