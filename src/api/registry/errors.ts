import type { ServerResponse } from 'node:http'
import { DistributionError, type FaultCode } from '../../distribution/index.ts'
import { Refusal } from './access.ts'
import { hasCode, kindOf, messageOf, type ErrorKind } from '../../lib/errors.ts'

/** What a client is told: the specification's JSON ("Error Codes"). */
export interface Answer {
  readonly status: number
  readonly errors: readonly WireError[]
  readonly headers?: Readonly<Record<string, string>>
}

export interface WireError {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

/** Status, and the code where the specification has no such one: 4xx answers have those of its table alone. */
const answers: Record<FaultCode, { status: number; code?: string }> = {
  BLOB_UNKNOWN: { status: 404 },
  BLOB_UPLOAD_INVALID: { status: 400 },
  BLOB_UPLOAD_UNKNOWN: { status: 404 },
  DIGEST_INVALID: { status: 400 },
  // "Endpoints", end-7.
  MANIFEST_BLOB_UNKNOWN: { status: 404 },
  MANIFEST_INVALID: { status: 400 },
  MANIFEST_UNKNOWN: { status: 404 },
  NAME_INVALID: { status: 400 },
  NAME_UNKNOWN: { status: 404 },
  SIZE_INVALID: { status: 400 },
  TAG_INVALID: { status: 400, code: 'MANIFEST_INVALID' },
  RANGE_INVALID: { status: 416, code: 'BLOB_UPLOAD_INVALID' },
  TOO_LARGE: { status: 413, code: 'SIZE_INVALID' },
  CONDITION_FAILED: { status: 412, code: 'DENIED' },
}

const byKind: Record<ErrorKind, { status: number; code: string }> = {
  invalid: { status: 400, code: 'UNSUPPORTED' },
  unauthorized: { status: 401, code: 'UNAUTHORIZED' },
  forbidden: { status: 403, code: 'DENIED' },
  'not-found': { status: 404, code: 'NAME_UNKNOWN' },
  conflict: { status: 409, code: 'UNSUPPORTED' },
  'not-modified': { status: 304, code: 'UNKNOWN' },
  unavailable: { status: 503, code: 'UNAVAILABLE' },
  unsupported: { status: 405, code: 'UNSUPPORTED' },
  internal: { status: 500, code: 'UNKNOWN' },
}

/** A refusal that is known as an answer already, headers and all. */
export class AnswerError extends Error {
  readonly answer: Answer

  constructor(answer: Answer) {
    super(answer.errors.map((error) => error.message).join('; '))
    this.name = 'AnswerError'
    this.answer = answer
  }
}

export function answerOf(error: unknown): Answer {
  if (error instanceof AnswerError) return error.answer
  if (error instanceof Refusal) {
    const { status, code, message, headers } = error
    return { status, errors: [{ code, message }], headers }
  }
  if (error instanceof DistributionError)
    return {
      status: answers[error.code].status,
      errors: error.faults.map(({ code, ...rest }) => ({ code: answers[code].code ?? code, ...rest })),
    }
  if (isFull(error))
    return {
      status: 507,
      errors: [{ code: 'UNAVAILABLE', message: 'the registry has no space left' }],
    }
  const kind = kindOf(error)
  const { status, code } = byKind[kind]
  // What is wrong inside is for the log alone.
  const message = kind === 'internal' ? 'the registry failed: its log says why' : messageOf(error)
  return { status, errors: [{ code, message }] }
}

export function sendAnswer(response: ServerResponse, answer: Answer, o: { body: boolean }): void {
  const text = `${JSON.stringify({ errors: answer.errors })}\n`
  response.writeHead(answer.status, {
    ...answer.headers,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  })
  if (o.body) response.write(text)
}

/** The disk, or what one may use of it. */
function isFull(error: unknown): boolean {
  for (let e = error; e instanceof Error; e = e.cause) if (hasCode(e, 'ENOSPC', 'EDQUOT')) return true
  return false
}
