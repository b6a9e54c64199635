import type { Op } from './op.ts'

/** One step of an undo: that it failed is told (`could not …`) and must not hide the failure that made the undo necessary. */
export async function attempt(
  op: Op,
  what: string,
  work: () => Promise<unknown>,
  about: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  try {
    await work()
  } catch (error) {
    op.log.warn(`cleaning up: could not ${what}`, { ...about, error })
  }
}
