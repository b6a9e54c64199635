import { DaemonError } from '../client/index.ts'
import { messageOf } from '../lib/errors.ts'

/** What docker prints of a failure. */
export function describeError(error: unknown): string {
  return error instanceof DaemonError ? `Error response from daemon: ${error.message}` : messageOf(error)
}
