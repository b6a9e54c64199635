import { abortReason, type Op } from '../lib/op.ts'
import type { EndReason } from '../wire/container.ts'
import type { Container } from './container.ts'
import { endOf, isUp } from './state.ts'

export type WaitCondition = 'not-running' | 'next-exit' | 'removed'

export interface WaitResult {
  readonly exitCode: number
  readonly error?: string
  readonly reason?: EndReason
}

/** Registered when this returns, before anything can happen to the container. */
export function wait(op: Op, c: Container, condition: WaitCondition): Promise<WaitResult> {
  // Docker: one that restarts is waited for, to its next end.
  if (condition === 'not-running' && !isUp(c.state)) return Promise.resolve(lastEnd(c))
  return new Promise((resolve, reject) => {
    let result = lastEnd(c)
    const finish = (settle: () => void) => {
      exits[Symbol.dispose]()
      removals[Symbol.dispose]()
      settle()
    }
    const exits = c.exits.listen(({ exitCode, reason }) => {
      result = { exitCode, ...(reason && { reason }) }
      if (condition !== 'removed') finish(() => resolve(result))
    })
    const removals = c.removals.listen(() => finish(() => resolve(result)))
    op.signal.addEventListener('abort', () => finish(() => reject(abortReason(op.signal))), { once: true })
  })
}

function lastEnd(c: Container): WaitResult {
  const over = c.state.status === 'created' ? c.state : endOf(c.state)
  const { exitCode = 0, error, reason } = over ?? {}
  return { exitCode, ...(error !== undefined && { error }), ...(reason && { reason }) }
}
