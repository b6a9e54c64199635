import type { Op } from './op.ts'

/**
 * Runs the tasks in parallel (at most `limit` at once) and returns their results in order. The first failure
 * aborts the signal the others see; all have ended when it is rethrown.
 */
export async function group<T>(
  op: Op,
  tasks: readonly ((op: Op) => Promise<T>)[],
  options: { limit?: number } = {},
): Promise<T[]> {
  const controller = new AbortController()
  const inner: Op = { ...op, signal: AbortSignal.any([op.signal, controller.signal]) }
  const results: T[] = []
  let failure: { error: unknown } | undefined
  let next = 0
  const runner = async () => {
    while (next < tasks.length && !failure) {
      const index = next++
      const task = tasks[index]
      if (!task) continue
      try {
        results[index] = await task(inner)
      } catch (error) {
        failure ??= { error }
        controller.abort(error)
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(options.limit ?? tasks.length, tasks.length) }, runner))
  if (failure) throw failure.error
  return results
}
