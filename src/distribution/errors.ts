import { EngineError, type ErrorKind } from '../lib/errors.ts'

/** What can be wrong with a request for content; the first are the specification's codes ("Error Codes"). */
export type FaultCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  /** The reference is neither a tag nor a digest. */
  | 'TAG_INVALID'
  /** A chunk that does not begin where the last one ended. */
  | 'RANGE_INVALID'
  /** More than this registry takes. */
  | 'TOO_LARGE'
  /** The tag is not what the request makes its condition. */
  | 'CONDITION_FAILED'

const kinds: Record<FaultCode, ErrorKind> = {
  BLOB_UNKNOWN: 'not-found',
  BLOB_UPLOAD_INVALID: 'invalid',
  BLOB_UPLOAD_UNKNOWN: 'not-found',
  DIGEST_INVALID: 'invalid',
  MANIFEST_BLOB_UNKNOWN: 'not-found',
  MANIFEST_INVALID: 'invalid',
  MANIFEST_UNKNOWN: 'not-found',
  NAME_INVALID: 'invalid',
  NAME_UNKNOWN: 'not-found',
  SIZE_INVALID: 'invalid',
  TAG_INVALID: 'invalid',
  RANGE_INVALID: 'invalid',
  TOO_LARGE: 'invalid',
  CONDITION_FAILED: 'conflict',
}

/** One thing that is wrong, as clients are told. */
export interface Fault {
  readonly code: FaultCode
  readonly message: string
  readonly detail?: Readonly<Record<string, unknown>>
}

/** A request that the registry's content, or the request itself, does not allow. */
export class DistributionError extends EngineError {
  readonly faults: readonly [Fault, ...Fault[]]

  constructor(code: FaultCode, message: string, detail?: Readonly<Record<string, unknown>>)
  constructor(faults: readonly [Fault, ...Fault[]])
  constructor(
    first: FaultCode | readonly [Fault, ...Fault[]],
    message = '',
    detail?: Readonly<Record<string, unknown>>,
  ) {
    const faults: readonly [Fault, ...Fault[]] =
      typeof first === 'string' ? [{ code: first, message, ...(detail && { detail }) }] : first
    super(kinds[faults[0].code], faults.map((fault) => fault.message).join('; '))
    this.name = 'DistributionError'
    this.faults = faults
  }

  get code(): FaultCode {
    return this.faults[0].code
  }
}
