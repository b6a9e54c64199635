import type { Op } from '../lib/op.ts'
import type { AuthConfig } from '../wire/registry.ts'
import type { Tokens } from './auth.ts'
import { parseChallenge, type Challenge } from './challenge.ts'
import { noCredentials, RegistryError } from './errors.ts'
import { failureOf, nameOf, type Http, type HttpRequest, type HttpResponse } from './http.ts'
import { retrying } from './retry.ts'

/** One server that may have a repository. */
export interface Endpoint {
  /** `https://host` without a path. */
  readonly base: URL
  /** Any certificate will do, and so will none. */
  readonly insecure: boolean
  readonly mirror: boolean
}

export interface RegistryRequest {
  readonly method: HttpRequest['method']
  /** Below `/v2/`; or a whole URL that the registry gave. */
  readonly path: string | URL
  readonly headers?: Readonly<Record<string, string>>
  /** Made anew for each try. */
  readonly body?: () => HttpRequest['body']
  /** Statuses that are answers; others are thrown as RegistryError. */
  readonly ok: readonly number[]
  readonly patience?: number
  /** False: tried once. */
  readonly retry?: boolean
  /** In place of the connection's own. */
  readonly scopes?: readonly string[]
}

/** Requests to one endpoint, by one person, for one set of scopes. */
export class Connection {
  readonly endpoint: Endpoint
  readonly #http: Http
  readonly #tokens: Tokens
  readonly #auth: AuthConfig | undefined
  readonly #scopes: readonly string[]
  readonly #attempts: number
  readonly #pauseMs: number
  /** What the registry last asked for. */
  #challenge: Challenge | undefined

  constructor(o: {
    endpoint: Endpoint
    http: Http
    tokens: Tokens
    auth: AuthConfig | undefined
    scopes: readonly string[]
    attempts: number
    pauseMs: number
    challenge: Challenge | undefined
  }) {
    this.endpoint = o.endpoint
    this.#http = o.http
    this.#tokens = o.tokens
    this.#auth = o.auth
    this.#scopes = o.scopes
    this.#attempts = o.attempts
    this.#pauseMs = o.pauseMs
    this.#challenge = o.challenge
  }

  /** Sends until an answer comes that counts, waiting in between; a 401 is met with credentials once. */
  async request(op: Op, request: RegistryRequest): Promise<HttpResponse> {
    const attempts = request.retry === false ? 1 : this.#attempts
    return await retrying(op, { attempts, pauseMs: this.#pauseMs }, () => this.#attempt(op, request))
  }

  async #attempt(op: Op, request: RegistryRequest): Promise<HttpResponse> {
    for (let fresh = false; ; fresh = true) {
      const sent = await this.#prepare(op, request, fresh)
      const response = await this.#http.send(op, sent)
      if (request.ok.includes(response.status)) return response
      if (response.status === 401 && this.#lacksPassword(response)) {
        response.body.resume()
        throw new RegistryError('unauthorized', `${nameOf(sent)}: ${noCredentials}`, {
          status: 401,
          code: noCredentials,
        })
      }
      const challenge = response.status === 401 && !fresh ? this.#challengeOf(response) : undefined
      if (!challenge) throw await failureOf(sent, response)
      response.body.resume()
      this.#challenge = challenge
    }
  }

  async #prepare(op: Op, request: RegistryRequest, fresh: boolean): Promise<HttpRequest> {
    const { base, insecure } = this.endpoint
    const url = typeof request.path === 'string' ? new URL(`/v2/${request.path}`, base) : request.path
    // Uploads may go to another host, which is not told who asks.
    const authorization = url.host === base.host ? await this.#authorization(op, request, fresh) : undefined
    const body = request.body?.()
    return {
      method: request.method,
      url,
      insecure,
      headers: { ...request.headers, ...(authorization !== undefined && { Authorization: authorization }) },
      ...(body !== undefined && { body }),
      ...(request.patience !== undefined && { patience: request.patience }),
    }
  }

  async #authorization(op: Op, request: RegistryRequest, fresh: boolean): Promise<string | undefined> {
    const challenge = this.#challenge
    if (!challenge) return undefined
    const own = request.scopes ?? this.#scopes
    const asked =
      challenge.scheme === 'bearer' && fresh && challenge.scope !== '' ? challenge.scope.split(' ') : []
    const scopes = [...new Set([...own, ...asked])]
    const { insecure } = this.endpoint
    return await this.#tokens.header(op, { challenge, scopes, auth: this.#auth, insecure, fresh })
  }

  #lacksPassword(response: HttpResponse): boolean {
    const { username = '', password = '' } = this.#auth ?? {}
    const wanted = parseChallenge(response.headers['www-authenticate'])
    return wanted?.scheme === 'basic' && username === '' && password === ''
  }

  /** undefined when nothing could be sent that was not sent before. */
  #challengeOf(response: HttpResponse): Challenge | undefined {
    const challenge = parseChallenge(response.headers['www-authenticate'])
    if (challenge?.scheme !== 'basic') return challenge
    return this.#auth && this.#challenge === undefined ? challenge : undefined
  }
}
