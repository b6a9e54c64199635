import type { IncomingMessage, ServerResponse } from 'node:http'
import { createHash } from 'node:crypto'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { readBody } from '../read-body.ts'
import { Refusal } from './access.ts'
import type { Allowance } from './basic-access.ts'
import { basicOf } from './credentials.ts'
import { catalogGrant, parseScopes, type Grant } from './grants.ts'
import type { Passwords } from './htpasswd.ts'
import type { TokenIssuer } from './token-issuer.ts'

/** Of a form, and of the scopes that one token can be for. */
const maxForm = 64 * 1024
const maxScopes = 100
const tooLarge = () => new EngineError('invalid', `the form has more than ${maxForm} bytes`)

const actions = ['pull', 'push', 'delete'] as const

interface Asked {
  /** Undefined: without a login. */
  readonly user: string | undefined
  readonly scopes: readonly string[]
  readonly service: string | undefined
  /** Also a token that buys others, to be kept in place of the password. */
  readonly refresh: boolean
}

/**
 * Hands out tokens to the users of a password file: `GET` with basic authentication as docker's clients do it, `POST` as in its
 * OAuth2 variant. What is asked for and not allowed is left out of the token, as docker's specification says.
 */
export class TokenEndpoint {
  readonly #issuer: TokenIssuer
  readonly #passwords: Passwords
  readonly #rights: (op: Op) => Promise<Allowance>

  constructor(o: { issuer: TokenIssuer; passwords: Passwords; rights: (op: Op) => Promise<Allowance> }) {
    this.#issuer = o.issuer
    this.#passwords = o.passwords
    this.#rights = o.rights
  }

  /** Throws a Refusal, or kind `invalid`. */
  async serve(op: Op, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked =
      request.method === 'POST' ? await this.#askedByForm(op, request) : await this.#askedByQuery(op, request)
    if (asked.service !== undefined && asked.service !== this.#issuer.service)
      throw new EngineError('invalid', `this is not the service ${JSON.stringify(asked.service)}`)
    const scopes = parseScopes(asked.scopes)
    if (scopes.length > maxScopes) throw new EngineError('invalid', `more than ${maxScopes} scopes`)
    const rights = await this.#rights(op)
    const grants = scopes.flatMap((scope) => grant(scope, asked.user, rights))
    const token = await this.#issuer.token(asked.user, grants)
    const refreshToken =
      asked.refresh && asked.user !== undefined
        ? await this.#issuer.refreshToken(asked.user, await this.#stamp(op, asked.user))
        : undefined
    const body = JSON.stringify({
      token,
      access_token: token,
      scope: grants.map(({ type, name, actions: of }) => `${type}:${name}:${of.join(',')}`).join(' '),
      expires_in: this.#issuer.lifetime,
      issued_at: new Date().toISOString(),
      ...(refreshToken !== undefined && { refresh_token: refreshToken }),
    })
    response.writeHead(200, {
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
      'Cache-Control': 'no-store',
    })
    response.end(body)
  }

  async #askedByQuery(op: Op, request: IncomingMessage): Promise<Asked> {
    const query = new URL(request.url ?? '', 'http://registry').searchParams
    const login = basicOf(request)
    if (login) await this.#checkPassword(op, login.user, login.password)
    return {
      user: login?.user,
      scopes: query.getAll('scope'),
      service: query.get('service') ?? undefined,
      refresh: query.get('offline_token') === 'true',
    }
  }

  async #askedByForm(op: Op, request: IncomingMessage): Promise<Asked> {
    const form = new URLSearchParams((await readBody(request, { max: maxForm, tooLarge })).toString())
    const common = {
      scopes: form.getAll('scope'),
      service: form.get('service') ?? undefined,
      refresh: form.get('access_type') === 'offline',
    }
    switch (form.get('grant_type')) {
      case 'password': {
        const user = form.get('username') ?? ''
        await this.#checkPassword(op, user, form.get('password') ?? '')
        return { ...common, user }
      }
      case 'refresh_token': {
        const owner = await this.#issuer.ownerOf(op, form.get('refresh_token') ?? '')
        if (!owner || owner.stamp !== (await this.#stamp(op, owner.user)))
          throw new Refusal('UNAUTHORIZED', 'the refresh token is not valid, or no longer')
        return { ...common, user: owner.user }
      }
      default:
        throw new EngineError('invalid', 'grant_type: want password or refresh_token')
    }
  }

  async #checkPassword(op: Op, user: string, password: string): Promise<void> {
    if (!(await this.#passwords.check(op, user, password)))
      throw new Refusal('UNAUTHORIZED', 'wrong user name or password', {
        headers: { 'WWW-Authenticate': `Basic realm="${this.#issuer.service}"` },
      })
  }

  /** Changes with the password; says nothing about it. */
  async #stamp(op: Op, user: string): Promise<string> {
    const stamp = await this.#passwords.stamp(op, user)
    if (stamp === undefined) throw new Refusal('UNAUTHORIZED', 'there is no such user any more')
    return createHash('sha256').update(stamp).digest('base64url')
  }
}

/** What of a scope its asker may have; nothing of it: none. */
function grant(scope: Grant, user: string | undefined, rights: Allowance): Grant[] {
  if (scope.type === 'registry')
    return user !== undefined && scope.name === 'catalog' && scope.actions.includes('*') ? [catalogGrant] : []
  if (scope.type !== 'repository') return []
  // Docker: an older word for what deleting needs.
  const wanted = scope.actions.includes('*')
    ? actions
    : actions.filter((action) => scope.actions.includes(action))
  const allowed = wanted.filter((action) => rights.allows(user, scope.name, action))
  return allowed.length === 0 ? [] : [{ type: 'repository', name: scope.name, actions: [...allowed] }]
}
