import type { IncomingMessage } from 'node:http'

export interface Login {
  readonly user: string
  readonly password: string
}

/** The user and password of a request (RFC 7617); undefined: none, or not both. */
export function basicOf(request: IncomingMessage): Login | undefined {
  const text = schemeOf(request, 'basic')
  if (text === undefined) return undefined
  const decoded = Buffer.from(text, 'base64').toString()
  const colon = decoded.indexOf(':')
  // podman and skopeo send an empty user where they have none: a request without a login.
  if (colon <= 0) return undefined
  return { user: decoded.slice(0, colon), password: decoded.slice(colon + 1) }
}

/** The token of a request (RFC 6750). */
export function bearerOf(request: IncomingMessage): string | undefined {
  return schemeOf(request, 'bearer')
}

/** Schemes are in any case (RFC 9110, section 11.1). */
function schemeOf(request: IncomingMessage, scheme: string): string | undefined {
  const { authorization = '' } = request.headers
  const space = authorization.indexOf(' ')
  return authorization.slice(0, space).toLowerCase() === scheme
    ? authorization.slice(space + 1).trim()
    : undefined
}
