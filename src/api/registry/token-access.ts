import type { IncomingMessage } from 'node:http'
import { errors, jwtVerify, type JWTPayload } from 'jose'
import { z } from 'zod'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { Refusal, type Access, type Identity, type Need } from './access.ts'
import { bearerOf } from './credentials.ts'
import { grantsAllow, grantsCatalog, grantSchema, scopeOf, type Grant } from './grants.ts'
import type { TokenKeys } from './token-keys.ts'

/** Never `none`, and no shared secrets: only who holds the private key can sign. */
export const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
]
/** Of the header of a token that buys tokens, and is none itself. */
export const refreshType = 'refresh+jwt'
/** How far clocks may differ. Seconds. Docker: the same. */
const leeway = 60

const accessClaim = z.array(grantSchema).max(1000)

export interface TokenRules {
  readonly keys: (op: Op) => Promise<TokenKeys>
  readonly issuer: string
  /** Name of this registry, for which tokens are made out. */
  readonly service: string
}

export interface VerifiedToken {
  readonly user: string | undefined
  readonly grants: readonly Grant[]
  readonly claims: JWTPayload
}

/** Checks signature, issuer, service and time; undefined: no good, for whatever reason. */
export async function verifyToken(
  op: Op,
  token: string,
  rules: TokenRules & { refresh?: boolean },
): Promise<VerifiedToken | undefined> {
  const keys = await rules.keys(op)
  try {
    for (const key of keys.candidates(token)) {
      const claims = await claimsOf(token, key, rules)
      if (!claims) continue
      const access = accessClaim.safeParse(claims['access'] ?? [])
      if (!access.success) return undefined
      return { user: claims.sub === '' ? undefined : claims.sub, grants: access.data, claims }
    }
  } catch (error) {
    op.log.debug('token refused', { error })
  }
  return undefined
}

/** Undefined: another key may fit. */
async function claimsOf(
  token: string,
  key: Parameters<typeof jwtVerify>[1],
  rules: TokenRules & { refresh?: boolean },
): Promise<JWTPayload | undefined> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, key, {
      algorithms,
      issuer: rules.issuer,
      audience: rules.service,
      clockTolerance: leeway,
      requiredClaims: ['exp'],
    })
    const isRefreshToken = protectedHeader.typ === refreshType
    if (isRefreshToken !== (rules.refresh ?? false))
      throw new EngineError('unauthorized', `a token of type ${protectedHeader.typ}`)
    return payload
  } catch (error) {
    if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof TypeError) return undefined
    throw error
  }
}

/** Docker's token authentication: another server, or our own endpoint, says by signed tokens what their bearers may do. */
export class TokenAccess implements Access {
  readonly #rules: TokenRules
  readonly #realm: (request: IncomingMessage) => string
  readonly #fallback: Access | undefined
  readonly #sees: ((op: Op, user: string | undefined) => Promise<Identity['sees']>) | undefined

  /**
   * `realm`: the URL that tokens come from. `fallback`: for requests with another kind of login. `sees`: what the catalog shows
   * to a user; without it, everything to those whose token is for the catalog.
   */
  constructor(
    o: TokenRules & {
      realm: (request: IncomingMessage) => string
      fallback?: Access
      sees?: (op: Op, user: string | undefined) => Promise<Identity['sees']>
    },
  ) {
    this.#rules = o
    this.#realm = o.realm
    this.#fallback = o.fallback
    this.#sees = o.sees
  }

  async authorize(op: Op, request: IncomingMessage, need: Need): Promise<Identity> {
    const token = bearerOf(request)
    if (token === undefined) {
      if (this.#fallback && request.headers.authorization !== undefined)
        return await this.#fallback.authorize(op, request, need)
      throw this.#refusal(request, need)
    }
    const verified = await verifyToken(op, token, this.#rules)
    if (!verified) throw this.#refusal(request, need, 'invalid_token')
    const { user, grants } = verified
    const isEnough =
      need.kind === 'login' ||
      (need.kind === 'catalog'
        ? grantsCatalog(grants)
        : need.actions.every((action) => grantsAllow(grants, need.name, action)))
    if (!isEnough) throw this.#refusal(request, need, 'insufficient_scope')
    return {
      user,
      allows: (repository, action) => grantsAllow(grants, repository, action),
      sees: this.#sees ? await this.#sees(op, user) : () => grantsCatalog(grants),
    }
  }

  /** RFC 6750, section 3: clients read from the challenge where to get a token, and what for. */
  #refusal(request: IncomingMessage, need: Need, error?: 'invalid_token' | 'insufficient_scope'): Refusal {
    const scope = scopeOf(need)
    const parts = {
      realm: this.#realm(request),
      service: this.#rules.service,
      ...(scope !== undefined && { scope }),
      ...(error !== undefined && { error }),
    }
    const challenge = Object.entries(parts)
      .map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&')}"`)
      .join(',')
    const message =
      error === 'invalid_token'
        ? 'the token is not valid, or no longer'
        : error === 'insufficient_scope'
          ? `the token is not for ${scope ?? 'this'}`
          : 'authentication required'
    return new Refusal('UNAUTHORIZED', message, { headers: { 'WWW-Authenticate': `Bearer ${challenge}` } })
  }
}
