/** Who may do what: the question that the server asks before it does anything, and the answers to it. */
import type { IncomingMessage } from 'node:http'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'

/** What may be done to a repository. */
export type Action = 'pull' | 'push' | 'delete'

/** What a request is about to do. `login` is the check at `/v2/`: no more than a valid login. */
export type Need =
  | { readonly kind: 'login' }
  | { readonly kind: 'catalog' }
  | { readonly kind: 'repository'; readonly name: string; readonly actions: readonly Action[] }

/** Somebody whose request may go ahead, and what else they may do. */
export interface Identity {
  /** For the log; undefined: a request without credentials. */
  readonly user: string | undefined
  /** For the other repository of a mount. */
  allows(repository: string, action: Action): boolean
  /** Whether the catalog shows them the repository. */
  sees(repository: string): boolean
}

export interface Access {
  /** Throws a Refusal. */
  authorize(op: Op, request: IncomingMessage, need: Need): Promise<Identity>
}

/** The specification's codes of errors that are about access, and their statuses. */
const statuses = { UNAUTHORIZED: 401, DENIED: 403, UNSUPPORTED: 405, TOOMANYREQUESTS: 429 } as const
const kinds = {
  UNAUTHORIZED: 'unauthorized',
  DENIED: 'forbidden',
  UNSUPPORTED: 'unsupported',
  TOOMANYREQUESTS: 'unavailable',
} as const

/** A request that may not go ahead: the answer's code and headers (`WWW-Authenticate`, `Retry-After`). */
export class Refusal extends EngineError {
  readonly code: keyof typeof statuses
  readonly headers: Readonly<Record<string, string>>

  constructor(
    code: keyof typeof statuses,
    message: string,
    options: ErrorOptions & { headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(kinds[code], message, options)
    this.code = code
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return statuses[this.code]
  }
}

/** Everybody may do everything. */
export const openAccess: Access = {
  authorize: () => Promise.resolve({ user: undefined, allows: () => true, sees: () => true }),
}

/** Pulls alone, whoever asks. */
export function readOnly(access: Access): Access {
  return {
    authorize(op, request, need) {
      if (need.kind === 'repository' && need.actions.some((action) => action !== 'pull'))
        throw new Refusal('UNSUPPORTED', 'this registry is read-only: nothing can be pushed or deleted')
      return access.authorize(op, request, need)
    },
  }
}
