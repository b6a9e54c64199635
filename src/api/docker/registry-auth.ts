import type { IncomingMessage } from 'node:http'
import { z } from 'zod'
import type { AuthSource } from '../../build/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { AuthConfig } from '../../wire/registry.ts'

export const authShape = z.object({
  username: z.string().exactOptional(),
  password: z.string().exactOptional(),
  /** Older clients: base64 of `user:password`. */
  auth: z.string().exactOptional(),
  serveraddress: z.string().exactOptional(),
  identitytoken: z.string().exactOptional(),
  registrytoken: z.string().exactOptional(),
})

/** Credentials that a client sent along; undefined when it sent none. No message quotes them. */
export function registryAuth(request: IncomingMessage): AuthConfig | undefined {
  const value = decodeHeader(request, 'x-registry-auth')
  return value === undefined ? undefined : authOf(value, 'X-Registry-Auth')
}

/** By registry address, as builds send them. */
export function registryConfig(request: IncomingMessage): Map<string, AuthConfig> {
  const value = decodeHeader(request, 'x-registry-config') ?? {}
  if (typeof value !== 'object' || value === null) throw malformed('X-Registry-Config')
  return new Map(
    Object.entries(value).flatMap(([address, each]) => {
      const auth = authOf(each, 'X-Registry-Config')
      return auth ? [[address, auth] as const] : []
    }),
  )
}

/** The credentials for a registry among those by address, which people write in several ways. */
export function authFor(all: ReadonlyMap<string, AuthConfig>, domain: string): AuthConfig | undefined {
  const wanted = domain === 'docker.io' ? 'index.docker.io' : domain
  for (const [address, auth] of all)
    if (address.replace(/^https?:\/\//, '').split('/', 1)[0] === wanted) return auth
  return wanted === domain ? undefined : all.get(domain)
}

/** Credentials that came along with a build. */
export function authSource(call: { readonly request: IncomingMessage }): AuthSource {
  const all = registryConfig(call.request)
  return { of: (_op, host) => Promise.resolve(authFor(all, host)) }
}

/** Docker: base64url of JSON, by some clients with the other alphabet or without padding. */
function decodeHeader(request: IncomingMessage, name: string): unknown {
  const header = request.headers[name]
  const text = Array.isArray(header) ? header[0] : header
  if (text === undefined || text === '') return undefined
  const json = Buffer.from(text, 'base64url').toString('utf8')
  if (json.trim() === '') return undefined
  try {
    return JSON.parse(json)
  } catch {
    // Its message would quote what is in it.
    throw malformed(name)
  }
}

/** Anonymous when there is nothing in it. */
export function authOf(value: unknown, what: string): AuthConfig | undefined {
  const result = authShape.safeParse(value)
  if (!result.success) throw malformed(what)
  const { auth, ...fields } = result.data
  if (auth !== undefined && auth !== '' && !fields.username) {
    const plain = Buffer.from(auth, 'base64').toString('utf8')
    const colon = plain.indexOf(':')
    if (colon > 0) {
      fields.username = plain.slice(0, colon)
      fields.password = plain.slice(colon + 1).replace(/\0+$/, '')
    }
  }
  const { username, password, identitytoken, registrytoken } = fields
  return username || password || identitytoken || registrytoken ? fields : undefined
}

function malformed(what: string): EngineError {
  return new EngineError('invalid', `invalid ${what} header: not base64url of a JSON object`)
}
