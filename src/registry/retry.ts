import { setTimeout as sleep } from 'node:timers/promises'
import type { Op } from '../lib/op.ts'
import { isTemporary, RegistryError } from './errors.ts'

/** A registry that asks for more patience gets its refusal reported instead. */
const maxWaitMs = 30_000

/**
 * Calls `work` until it succeeds, fails for good, or has failed `attempts` times. Waits in between: as long as the
 * registry asks, else `pauseMs`, doubled each time. `waiting` is told before each wait.
 */
export async function retrying<T>(
  op: Op,
  o: {
    attempts: number
    pauseMs: number
    waiting?: (ms: number, error: unknown) => void
    mayHelp?: (error: unknown) => boolean
  },
  work: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await work(attempt)
    } catch (error) {
      op.signal.throwIfAborted()
      if (attempt >= o.attempts || !(o.mayHelp ?? isTemporary)(error)) throw error
      const wait = waitAfter(error, { attempt, pauseMs: o.pauseMs })
      if (wait === undefined) throw error
      op.log.debug('a registry is asked again', { attempt, wait, error: String(error) })
      o.waiting?.(wait, error)
      await sleep(wait, undefined, { signal: op.signal })
    }
  }
}

/** Milliseconds; undefined: too long to wait for. */
export function waitAfter(error: unknown, o: { attempt: number; pauseMs: number }): number | undefined {
  const asked = error instanceof RegistryError ? error.retryAfter : undefined
  if (asked !== undefined) return asked > maxWaitMs ? undefined : Math.max(asked, o.pauseMs / 5)
  // Spread, so that a crowd does not come back at once.
  return Math.min(maxWaitMs, o.pauseMs * 2 ** (o.attempt - 1)) * (0.75 + Math.random() / 2)
}
