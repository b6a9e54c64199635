import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { parseXml } from './s3-xml.ts'

/** A refusal of the S3 server, or no answer from it. What goes wrong there is never the fault of the registry's client. */
export class S3Error extends EngineError {
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined
  /** S3's: `NoSuchKey`, `SlowDown`, … */
  readonly code: string | undefined
  /** The same request may succeed later. */
  readonly temporary: boolean

  constructor(
    message: string,
    o: { status?: number; code?: string | undefined; temporary: boolean; cause?: unknown },
  ) {
    const kind = o.temporary ? 'unavailable' : 'internal'
    super(kind, message, o.cause === undefined ? undefined : { cause: o.cause })
    this.name = 'S3Error'
    this.status = o.status
    this.code = o.code
    this.temporary = o.temporary
  }
}

/** Codes that come with a status of the client's fault, or with none, and pass all the same. */
const passing = [
  'RequestTimeout',
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'OperationAborted',
  'ConditionalRequestConflict',
  // The bytes were changed on their way.
  'BadDigest',
  'XAmzContentSHA256Mismatch',
  'IncompleteBody',
]

/** `what`: method, host and key, without a query. Only code and message are repeated: other fields of the answer have keys in them. */
export function errorOfAnswer(what: string, status: number, body: string): S3Error {
  const error = body.trimStart().startsWith('<') ? tryParse(body) : undefined
  const code = error?.text('Code')?.slice(0, 100)
  const said = error?.text('Message')
  const text = [code, said && clean(said)].filter((part) => part !== undefined && part !== '').join(': ')
  return new S3Error(`${what}: the S3 server answered ${status}${text === '' ? '' : ` ${text}`}`, {
    status,
    code,
    temporary:
      [408, 429].includes(status) || (status >= 500 && status !== 501) || passing.includes(code ?? ''),
  })
}

export function errorOfConnection(what: string, cause: unknown): S3Error {
  return new S3Error(`${what}: ${reasonOf(cause)}`, { temporary: true, cause })
}

function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (hasCode(error, 'ENOTFOUND', 'EAI_AGAIN')) return 'the name of the S3 server cannot be resolved'
  if (hasCode(error, 'ECONNREFUSED')) return 'the S3 server refuses the connection'
  if (hasCode(error, 'ECONNRESET', 'EPIPE')) return 'the S3 server closed the connection'
  if (hasCode(error, 'ETIMEDOUT')) return 'the S3 server does not answer in time'
  return messageOf(error)
}

function tryParse(body: string) {
  try {
    return parseXml(body)
  } catch {
    // A proxy's page: the status says enough.
    return undefined
  }
}

/** Foreign text goes into one line of a log. */
function clean(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 300)
    .trim()
}
