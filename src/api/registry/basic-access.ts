import type { IncomingMessage } from 'node:http'
import type { Op } from '../../lib/op.ts'
import { Refusal, type Access, type Action, type Identity, type Need } from './access.ts'
import { basicOf } from './credentials.ts'
import type { Passwords } from './htpasswd.ts'

/** Answers what a user may do; undefined: a request without a login. */
export interface Allowance {
  allows(user: string | undefined, repository: string, action: Action): boolean
}

/** Users and passwords with each request, rights by user. */
export class BasicAccess implements Access {
  readonly #passwords: Passwords
  readonly #rights: (op: Op) => Promise<Allowance>
  readonly #challenge: Readonly<Record<string, string>>

  constructor(o: { passwords: Passwords; rights: (op: Op) => Promise<Allowance>; realm: string }) {
    this.#passwords = o.passwords
    this.#rights = o.rights
    this.#challenge = { 'WWW-Authenticate': `Basic realm="${o.realm}"` }
  }

  async authorize(op: Op, request: IncomingMessage, need: Need): Promise<Identity> {
    const login = basicOf(request)
    if (login && !(await this.#passwords.check(op, login.user, login.password)))
      throw this.#unauthorized('wrong user name or password')
    const identity = identityOf(login?.user, await this.#rights(op))
    // A client that is not asked here would never send its login (docker learns the scheme at /v2/), even if all may pull.
    if (need.kind === 'login' && !login) throw this.#unauthorized('authentication required')
    if (need.kind !== 'repository') {
      if (!login) throw this.#unauthorized('authentication required')
      return identity
    }
    if (need.actions.every((action) => identity.allows(need.name, action))) return identity
    if (!login) throw this.#unauthorized('authentication required')
    throw new Refusal(
      'DENIED',
      `${login.user} may not ${need.actions.join(' and ')}${need.actions.length > 1 ? ' in' : ''} ${need.name}`,
    )
  }

  #unauthorized(message: string): Refusal {
    return new Refusal('UNAUTHORIZED', message, { headers: this.#challenge })
  }
}

export function identityOf(user: string | undefined, rights: Allowance): Identity {
  return {
    user,
    allows: (repository, action) => rights.allows(user, repository, action),
    sees: (repository) => rights.allows(user, repository, 'pull'),
  }
}
