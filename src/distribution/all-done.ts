/** Waits for all of them, also when one fails, so that nothing goes on behind a caller's back; then throws the first failure. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  const outcomes = await Promise.allSettled(work)
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
}
