import { startTime } from '../host/proc.ts'
import type { Container } from './container.ts'
import type { Exit } from './end.ts'
import { isLive } from './state.ts'

/** Docker's exit code for a process whose end nobody saw. */
const unknownExitCode = 255

/** Time between two looks; an end is believed at the second one, since conmon may be writing the exit code at the first. */
const lookMs = 2000

export const unseenEnd = (): Exit => ({
  exitCode: unknownExitCode,
  oomKilled: false,
  finishedAt: new Date(),
  unseen: true,
})

export const hasEnded = (c: Container): boolean =>
  isLive(c.state) && startTime(c.state.pid) !== c.state.pidStartTime

/**
 * Notices containers that ended without a word: somebody, or the kernel for want of memory, killed the conmon that would
 * have written the exit code. One that lives is waited for: on a busy host it takes its time. A look costs one small read of
 * /proc for each running container.
 */
export function watchUnseenEnds(o: {
  list(): Iterable<Container>
  /** What conmon has written. */
  exitOf(c: Container): Exit | undefined
  isMonitored(c: Container): boolean
  report(c: Container, exit: Exit): void
}): Disposable {
  const suspects = new Set<Container>()
  const timer = setInterval(() => {
    for (const c of o.list()) {
      if (!hasEnded(c)) suspects.delete(c)
      else if (!suspects.delete(c)) suspects.add(c)
      else {
        const exit = o.exitOf(c) ?? (o.isMonitored(c) ? undefined : unseenEnd())
        if (exit) o.report(c, exit)
        else suspects.add(c)
      }
    }
  }, lookMs).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
