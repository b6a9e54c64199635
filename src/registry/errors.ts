import { EngineError, hasCode, messageOf, type ErrorKind } from '../lib/errors.ts'

/** A failure that a registry, or the way to it, reported. */
export class RegistryError extends EngineError {
  /** HTTP status; undefined when no answer came. */
  readonly status: number | undefined
  /** The specification's code: `MANIFEST_UNKNOWN`, `DENIED`, … */
  readonly code: string | undefined
  /** Milliseconds after which the registry says to ask again. */
  readonly retryAfter: number | undefined

  constructor(
    kind: ErrorKind,
    message: string,
    o: {
      status?: number | undefined
      code?: string | undefined
      retryAfter?: number | undefined
      cause?: unknown
    } = {},
  ) {
    super(kind, message, o.cause === undefined ? undefined : { cause: o.cause })
    this.name = 'RegistryError'
    this.status = o.status
    this.code = o.code
    this.retryAfter = o.retryAfter
  }
}

/** Docker's text for a registry that wants a password where there is none; also the error's code. */
export const noCredentials = 'no basic auth credentials'

/** True when the same request may succeed later: no answer, a broken one, too many requests, or trouble on the other side. */
export function isTemporary(error: unknown): boolean {
  if (!(error instanceof RegistryError)) return false
  if (error.status === undefined) return error.kind === 'unavailable'
  return error.status === 408 || error.status === 429 || (error.status >= 500 && error.status !== 501)
}

/** Bytes of an error's body that are read. */
export const maxErrorBody = 64 << 10

/** `text` is the beginning of the body: the specification's JSON, or whatever a proxy wrote. */
export function errorOfStatus(o: {
  status: number
  text: string
  /** `GET https://host/v2/…`, for statuses without a text. */
  what: string
  retryAfter: string | undefined
}): RegistryError {
  const { code, message } = parseErrors(o.text)
  const wait = parseRetryAfter(o.retryAfter)
  const details = { status: o.status, code, retryAfter: wait }
  switch (o.status) {
    case 401:
      return new RegistryError('unauthorized', message ?? 'unauthorized: authentication required', details)
    case 403:
      return new RegistryError(
        'forbidden',
        message ?? `denied: requested access to the resource is denied (${o.what})`,
        details,
      )
    case 404:
      return new RegistryError('not-found', message ?? `${o.what}: not found`, details)
    case 429: {
      const later = wait === undefined ? '' : ` (the registry asks to wait ${Math.ceil(wait / 1000)} s)`
      return new RegistryError(
        'unavailable',
        `toomanyrequests: ${message?.replace(/^toomanyrequests: /, '') ?? 'the registry has had too many requests'}${later}`,
        details,
      )
    }
    default: {
      const kind: ErrorKind =
        o.status >= 500 ? 'unavailable' : o.status === 400 || o.status === 416 ? 'invalid' : 'unavailable'
      // Docker: a registry that tells its reason is quoted, and no more.
      if (code !== undefined && message !== undefined && o.status < 500)
        return new RegistryError(kind, message, details)
      const text = message === undefined ? '' : `: ${message}`
      return new RegistryError(
        kind,
        `${o.what}: received unexpected HTTP status: ${o.status}${text}`,
        details,
      )
    }
  }
}

/** Docker's form: `code: message`, of all errors that the body lists. */
function parseErrors(text: string): { code: string | undefined; message: string | undefined } {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    // A proxy's page says nothing that fits in a sentence.
    return { code: undefined, message: undefined }
  }
  const errors = isObject(body) && Array.isArray(body['errors']) ? (body['errors'] as unknown[]) : [body]
  const lines: string[] = []
  let code: string | undefined
  for (const error of errors.slice(0, 5)) {
    if (!isObject(error)) continue
    const own = typeof error['code'] === 'string' ? error['code'] : undefined
    const said = [error['message'], error['details'], error['detail']].find(
      (part): part is string => typeof part === 'string' && part !== '',
    )
    code ??= own
    const line = own === undefined ? said : `${own.toLowerCase().replaceAll('_', ' ')}: ${said ?? 'refused'}`
    if (line !== undefined) lines.push(clean(line))
  }
  return { code, message: lines.length > 0 ? lines.join('; ') : undefined }
}

/** Foreign text goes into one line of a terminal. */
function clean(text: string): string {
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, 500)
    .trim()
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null

/** Seconds or a date. */
function parseRetryAfter(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,6}$/.test(text)) return Number(text) * 1000
  const date = Date.parse(text)
  return Number.isNaN(date) ? undefined : Math.max(0, date - Date.now())
}

/** The way to the registry failed: name, connection, TLS. `url` has no credentials and no query. */
export function errorOfSocket(cause: unknown, what: string): RegistryError {
  return new RegistryError('unavailable', `${what}: ${socketReason(cause)}`, { cause })
}

function socketReason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return socketReason(error.errors[0])
  if (hasCode(error, 'ENOTFOUND', 'EAI_AGAIN')) return 'the host name cannot be resolved'
  if (hasCode(error, 'ECONNREFUSED')) return 'connection refused'
  if (hasCode(error, 'ECONNRESET', 'EPIPE')) return 'the connection was closed'
  if (hasCode(error, 'ETIMEDOUT')) return 'no answer in time'
  if (hasCode(error, 'EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG'))
    return 'the server does not speak TLS'
  // Go's form of what the other side says; in TLS 1.2 it does not tell that much.
  const alert = tlsAlert(error)
  if (alert === 'certificate required')
    return 'remote error: tls: certificate required: the registry takes clients with a certificate alone (NAME.cert and NAME.key in its folder of certs.d)'
  if (alert !== undefined) return `remote error: tls: ${alert}`
  if (isCertificateError(error)) return `tls: failed to verify certificate: ${messageOf(error)}`
  return messageOf(error)
}

/** `certificate required`, of OpenSSL's `tlsv13 alert certificate required`. */
function tlsAlert(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('reason' in error) || typeof error.reason !== 'string') return undefined
  return /^(?:tlsv?\d*|sslv3) alert (.+)$/.exec(error.reason)?.[1]
}

const certificateCodes = [
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]

/** Waiting does not help against these. */
function isCertificateError(error: unknown): boolean {
  return hasCode(error, ...certificateCodes)
}

/** What a port that speaks plain HTTP makes of a TLS greeting. */
export function isNoTls(error: unknown): boolean {
  if (hasCode(error, 'EPROTO', 'ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_PACKET_LENGTH_TOO_LONG')) return true
  return error instanceof Error && error.cause !== undefined && isNoTls(error.cause)
}
