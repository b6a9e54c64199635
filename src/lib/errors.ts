/**
 * The closed set of ways in which work can fail. The kind is chosen where the failure is understood;
 * each protocol maps every kind to its own codes in one exhaustive table.
 */
export type ErrorKind =
  | 'invalid'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'not-modified'
  | 'unavailable'
  | 'unsupported'
  | 'internal'

/** A failure with a kind and one clear sentence for the person who reads it. */
export class EngineError extends Error {
  readonly kind: ErrorKind
  constructor(kind: ErrorKind, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'EngineError'
    this.kind = kind
  }
}

/** What went wrong first, where undoing what had been done failed, too. */
function originalOf(error: unknown): unknown {
  let original = error
  while (original instanceof SuppressedError) original = original.suppressed
  return original
}

/** The outermost EngineError in the cause chain decides how a failure is reported. */
export function kindOf(error: unknown): ErrorKind {
  for (let e = originalOf(error); e instanceof Error; e = e.cause) if (e instanceof EngineError) return e.kind
  return 'internal'
}

/** What a person should read of a thrown value. */
export function messageOf(error: unknown): string {
  const original = originalOf(error)
  return original instanceof Error ? original.message : String(original)
}

/** True for system errors with one of the given codes (`ENOENT`, `EBUSY`, …). */
export function hasCode(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** True when the error is an abort: not a failure, to be rethrown and never reported as one. */
export function isAbort(error: unknown): boolean {
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'TimeoutError')
}
