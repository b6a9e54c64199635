import { createHash } from 'node:crypto'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { AuthConfig } from '../wire/registry.ts'
import type { Challenge } from './challenge.ts'
import { RegistryError } from './errors.ts'
import { failureOf, nameOf, readBody, type Http, type HttpRequest } from './http.ts'

/** How docker names itself to token servers. */
const clientId = 'docker'
/** The specification's time for a token that does not tell its own. */
const defaultLifeMs = 60_000
const maxTokens = 500

const tokenAnswer = z.object({
  token: z.string().optional(),
  access_token: z.string().optional(),
  expires_in: z.number().optional(),
  refresh_token: z.string().optional(),
})

interface Token {
  readonly value: string
  readonly expires: number
}

/** Bearer tokens, kept until they expire: by token server, service, scopes and who asks. Never written anywhere. */
export class Tokens {
  readonly #http: Http
  readonly #kept = new Map<string, Token>()

  constructor(http: Http) {
    this.#http = http
  }

  /** The value of `Authorization` for these scopes, from memory or from the token server. */
  async header(
    op: Op,
    o: {
      challenge: Challenge
      scopes: readonly string[]
      auth: AuthConfig | undefined
      insecure: boolean
      fresh: boolean
    },
  ): Promise<string | undefined> {
    const { challenge, auth } = o
    if (auth?.registrytoken) return `Bearer ${auth.registrytoken}`
    if (challenge.scheme === 'basic') return auth && basic(auth)
    const key = keyOf({ ...challenge, scopes: o.scopes, auth })
    const known = o.fresh ? undefined : this.#kept.get(key)
    if (known && known.expires > Date.now()) return `Bearer ${known.value}`
    const { token } = await this.#fetch(op, { ...o, challenge })
    this.#kept.delete(key)
    this.#kept.set(key, token)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > maxTokens && oldest !== undefined) this.#kept.delete(oldest)
    return `Bearer ${token.value}`
  }

  /** For `login`: also asks for a token that can be kept in place of the password, where the server gives one. */
  async identity(
    op: Op,
    o: { challenge: Extract<Challenge, { scheme: 'bearer' }>; auth: AuthConfig; insecure: boolean },
  ): Promise<{ header: string; identityToken: string | undefined }> {
    const { token, refresh } = await this.#fetch(op, { ...o, scopes: [], offline: true })
    return { header: `Bearer ${token.value}`, identityToken: refresh }
  }

  async #fetch(
    op: Op,
    o: {
      challenge: Extract<Challenge, { scheme: 'bearer' }>
      scopes: readonly string[]
      auth: AuthConfig | undefined
      insecure: boolean
      offline?: boolean
    },
  ): Promise<{ token: Token; refresh: string | undefined }> {
    const request = tokenRequest(o)
    const response = await this.#http.send(op, request)
    if (response.status !== 200) throw await failureOf(request, response)
    const answer = parseAnswer(await readBody(response, nameOf(request)), nameOf(request))
    const value = answer.token || answer.access_token
    if (!value || /[^\x21-\x7e]/.test(value))
      throw new RegistryError(
        'unauthorized',
        `${nameOf(request)}: the authorization server did not include a token in the response`,
      )
    const life = Math.max(defaultLifeMs, (answer.expires_in ?? 0) * 1000)
    // Gone a little before its time: the clock of the other side, and the way there.
    return { token: { value, expires: Date.now() + life * 0.9 }, refresh: answer.refresh_token }
  }
}

function tokenRequest(o: {
  challenge: Extract<Challenge, { scheme: 'bearer' }>
  scopes: readonly string[]
  auth: AuthConfig | undefined
  insecure: boolean
  offline?: boolean
}): HttpRequest {
  const { challenge, auth, scopes, insecure } = o
  let url: URL
  try {
    url = new URL(challenge.realm)
  } catch (cause) {
    throw new RegistryError('invalid', 'the registry names a token server that is no URL', { cause })
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new RegistryError('invalid', `the registry names a token server of the kind ${url.protocol}`)
  // Credentials go in the clear only where the registry itself is spoken to so.
  if (url.protocol === 'http:' && auth && !insecure)
    throw new RegistryError(
      'forbidden',
      `refused to send credentials to the token server ${url.host} over plain HTTP: the registry is not among the insecure ones`,
    )
  if (auth?.identitytoken) {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: clientId,
      service: challenge.service,
      refresh_token: auth.identitytoken,
      ...(scopes.length > 0 && { scope: scopes.join(' ') }),
    })
    return {
      method: 'POST',
      url,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'application/json' },
      body: Buffer.from(form.toString()),
      insecure,
    }
  }
  if (challenge.service !== '') url.searchParams.set('service', challenge.service)
  for (const scope of scopes) url.searchParams.append('scope', scope)
  if (o.offline) {
    url.searchParams.set('offline_token', 'true')
    url.searchParams.set('client_id', clientId)
  }
  if (auth?.username) url.searchParams.set('account', auth.username)
  const header = auth && basic(auth)
  return {
    method: 'GET',
    url,
    headers: { Accept: 'application/json', ...(header !== undefined && { Authorization: header }) },
    insecure,
  }
}

function parseAnswer(data: Buffer, what: string): z.infer<typeof tokenAnswer> {
  try {
    return tokenAnswer.parse(JSON.parse(data.toString()))
  } catch {
    // Its message could quote the token.
    throw new RegistryError('unavailable', `${what}: the answer of the token server is not understood`)
  }
}

/** undefined when there is nobody to name. */
function basic(auth: AuthConfig): string | undefined {
  const { username = '', password = '' } = auth
  if (username === '' && password === '') return undefined
  if (username.includes(':')) throw new EngineError('invalid', 'a user name cannot have a colon in it')
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** No credential stands in it. */
function keyOf(o: {
  realm: string
  service: string
  scopes: readonly string[]
  auth: AuthConfig | undefined
}): string {
  const { username, password, identitytoken } = o.auth ?? {}
  return createHash('sha256')
    .update(JSON.stringify([o.realm, o.service, o.scopes.toSorted(), username, password, identitytoken]))
    .digest('hex')
}
