import type { ErrorKind } from '../../lib/errors.ts'

/** HTTP status of every kind of failure. */
export const statusOf: Record<ErrorKind, number> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'not-modified': 304,
  unavailable: 503,
  unsupported: 501,
  internal: 500,
}
