import { EngineError, isAbort, kindOf, messageOf, type ErrorKind } from '../../../lib/errors.ts'
import { Status, type Any } from '../proto/status.ts'
import type { Of } from '../proto/message.ts'

/** The codes of gRPC that we send or look at. */
export const Code = {
  ok: 0,
  canceled: 1,
  unknown: 2,
  invalidArgument: 3,
  notFound: 5,
  permissionDenied: 7,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** How a call ended, when not well. `details` carry typed errors. */
export class GrpcError extends Error {
  readonly code: number
  readonly details: readonly Of<typeof Any>[]

  constructor(code: number, message: string, details: readonly Of<typeof Any>[] = []) {
    super(message)
    this.name = 'GrpcError'
    this.code = code
    this.details = details
  }
}

type Headers = Readonly<Record<string, string>>

/**
 * BuildKit: what goes wrong in a build has no code of its own, so that clients print the bare sentence; any other code
 * would stand before it.
 */
const codeOf: Record<ErrorKind, number> = {
  invalid: Code.unknown,
  unauthorized: Code.unknown,
  forbidden: Code.unknown,
  'not-found': Code.unknown,
  conflict: Code.unknown,
  'not-modified': Code.unknown,
  unavailable: Code.unknown,
  unsupported: Code.unknown,
  internal: Code.unknown,
}

export function asGrpcError(error: unknown): GrpcError {
  if (error instanceof GrpcError) return error
  if (isAbort(error)) return new GrpcError(Code.canceled, 'context canceled')
  return new GrpcError(codeOf[kindOf(error)], messageOf(error))
}

export function statusTrailers(error?: GrpcError): Headers {
  if (!error) return { 'grpc-status': '0' }
  const { code, message, details } = error
  return {
    'grpc-status': String(code),
    'grpc-message': percentEncoded(message),
    ...(details.length > 0 && {
      'grpc-status-details-bin': Buffer.from(Status.encode({ code, message, details })).toString('base64'),
    }),
  }
}

/** The failure that trailers tell, if any. */
export function errorFromTrailers(headers: Readonly<Record<string, unknown>>): GrpcError | undefined {
  const code = Number(headers['grpc-status'])
  if (!Number.isInteger(code))
    return new GrpcError(Code.unavailable, 'the client ended a call without a status')
  if (code === Code.ok) return undefined
  const message = headers['grpc-message']
  return new GrpcError(code, typeof message === 'string' ? percentDecoded(message) : `gRPC code ${code}`)
}

/** For errors of the other side that go on to people. */
export function asEngineError(error: GrpcError, what: string): EngineError {
  return new EngineError('unavailable', `${what}: ${error.message}`, { cause: error })
}

/** gRPC over HTTP/2: all but printable ASCII, and `%`. */
function percentEncoded(text: string): string {
  return [...Buffer.from(text)]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

function percentDecoded(text: string): string {
  const bytes = text.replace(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return Buffer.from(bytes, 'latin1').toString()
}
