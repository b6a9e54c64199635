import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { z } from 'zod'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { AuthConfig, AuthResponse, SearchResult } from '../wire/registry.ts'
import { Tokens } from './auth.ts'
import { parseChallenge, type Challenge } from './challenge.ts'
import { Connection, type Endpoint } from './connection.ts'
import { isNoTls, isTemporary, RegistryError } from './errors.ts'
import { failureOf, Http, nameOf, readBody, type HttpRequest } from './http.ts'
import { inNetwork, isLoopback } from './proxy.ts'
import { Repository } from './repository.ts'
import { retrying } from './retry.ts'
import type { RegistrySettings } from './settings.ts'

/** How long it is remembered in what way a registry speaks. */
const probeLifeMs = 600_000

interface Probe {
  readonly endpoint: Endpoint
  readonly challenge: Challenge | undefined
  readonly at: number
}

/** All registries, as the daemon reaches them: one for each process. */
export class Registries {
  #settings: RegistrySettings
  readonly #http: Http
  readonly #tokens: Tokens
  readonly #probes = new Map<string, Probe>()

  constructor(settings: RegistrySettings) {
    this.#settings = settings
    this.#http = new Http(settings)
    this.#tokens = new Tokens(this.#http)
  }

  get settings(): RegistrySettings {
    return this.#settings
  }

  /** From now on: how registries are reached is found out anew. */
  reconfigure(changed: Pick<RegistrySettings, 'mirrors' | 'insecure' | 'attempts'>): void {
    const { mirrors, insecure, attempts } = changed
    this.#settings = { ...this.#settings, mirrors, insecure, attempts }
    this.#probes.clear()
  }

  /**
   * A repository, at its registry; for reading, at the mirrors first where there are some. Nothing is sent until it is
   * used, but for the question how the registry speaks.
   */
  async repository(
    op: Op,
    o: {
      domain: string
      path: string
      auth: AuthConfig | undefined
      access: 'pull' | 'push'
      /** As if it was among the insecure ones. */
      insecure?: boolean
    },
  ): Promise<Repository> {
    const { attempts, pauseMs } = this.#settings
    const scopes = [`repository:${o.path}:${o.access === 'push' ? 'pull,push' : 'pull'}`]
    const make = (probe: Probe, auth: AuthConfig | undefined) =>
      new Connection({ ...probe, http: this.#http, tokens: this.#tokens, auth, scopes, attempts, pauseMs })
    const connections: Connection[] = []
    for (const mirror of o.access === 'pull' && o.domain === 'docker.io' ? this.#settings.mirrors : [])
      try {
        // Docker: the credentials are for the registry, and no mirror's business.
        connections.push(make(await this.#probe(op, mirror), undefined))
      } catch (error) {
        op.signal.throwIfAborted()
        op.log.warn('a mirror is not reached', { mirror: hostOf(mirror), error: String(error) })
      }
    // Asked even when a mirror answered: it may not have what is wanted. Unreachable is only a failure without mirrors.
    try {
      const { insecure = false } = o
      connections.push(make(await this.#probe(op, registryHost(o.domain), { insecure }), o.auth))
    } catch (error) {
      op.signal.throwIfAborted()
      if (connections.length === 0) throw error
      op.log.warn('the registry is not reached: only its mirrors are asked', { error: String(error) })
    }
    return new Repository({ name: o.path, connections, attempts, pauseMs })
  }

  /** Checks credentials. Throws kind `unauthorized` when the registry refuses them. */
  async login(op: Op, auth: AuthConfig): Promise<AuthResponse> {
    const address = auth.serveraddress || 'https://index.docker.io/v1/'
    const host = registryHost(domainOf(address))
    const { endpoint, challenge } = await this.#probe(op, host, { fresh: true })
    const { insecure } = endpoint
    if (challenge?.scheme === 'basic' || challenge === undefined) {
      const header =
        challenge && (await this.#tokens.header(op, { challenge, scopes: [], auth, insecure, fresh: true }))
      await this.#check(op, endpoint, header)
      return { Status: 'Login Succeeded', IdentityToken: '' }
    }
    const { header, identityToken } = await this.#tokens.identity(op, { challenge, auth, insecure })
    await this.#check(op, endpoint, header)
    return { Status: 'Login Succeeded', IdentityToken: identityToken ?? '' }
  }

  /** Images of Docker Hub, or of a registry that has version 1 of docker's search. */
  async search(
    op: Op,
    o: { term: string; limit: number; auth: AuthConfig | undefined },
  ): Promise<SearchResult[]> {
    const { host, term } = splitTerm(o.term)
    const base =
      host === undefined ? new URL('https://index.docker.io') : (await this.#probe(op, host)).endpoint.base
    const insecure = host !== undefined && (await this.#isInsecure(op, host))
    const url = new URL('/v1/search', base)
    url.searchParams.set('q', term)
    url.searchParams.set('n', String(o.limit))
    const { username = '', password = '' } = o.auth ?? {}
    const request: HttpRequest = {
      method: 'GET',
      url,
      insecure,
      headers: {
        Accept: 'application/json',
        'X-Docker-Token': 'true',
        ...(username !== '' && {
          Authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
        }),
      },
    }
    return await retrying(op, this.#settings, async () => {
      const response = await this.#http.send(op, request)
      if (response.status !== 200) throw await failureOf(request, response)
      return decodeSearch(await readBody(response, nameOf(request)))
    })
  }

  /** Ends idle connections. */
  close(): void {
    this.#http.close()
  }

  async #check(op: Op, endpoint: Endpoint, header: string | undefined): Promise<void> {
    const request: HttpRequest = {
      method: 'GET',
      url: new URL('/v2/', endpoint.base),
      insecure: endpoint.insecure,
      ...(header !== undefined && { headers: { Authorization: header } }),
    }
    const response = await this.#http.send(op, request)
    if (response.status !== 200) throw await failureOf(request, response)
    response.body.resume()
  }

  /** TLS or not, and what the registry wants to know. `host`: `name[:port]`, or the URL of a mirror. */
  async #probe(op: Op, host: string, o: { fresh?: boolean; insecure?: boolean } = {}): Promise<Probe> {
    const key = o.insecure ? `${host} insecure` : host
    const known = this.#probes.get(key)
    if (known && !o.fresh && Date.now() - known.at < probeLifeMs) return known
    const url = /^https?:\/\//.test(host) ? new URL(host) : undefined
    const insecure = o.insecure || (await this.#isInsecure(op, url?.host ?? host))
    const mirror = url !== undefined
    const schemes = url ? [url.protocol] : insecure ? ['https:', 'http:'] : ['https:']
    let failure: unknown
    for (const scheme of schemes) {
      const endpoint: Endpoint = {
        base: new URL(`${scheme}//${url?.host ?? host}`),
        insecure: insecure || scheme === 'http:',
        mirror,
      }
      try {
        const challenge = await this.#ping(op, endpoint, {
          attempts: scheme === 'https:' && insecure ? 1 : this.#settings.attempts,
        })
        const probe: Probe = { endpoint, challenge, at: Date.now() }
        this.#probes.set(key, probe)
        return probe
      } catch (error) {
        op.signal.throwIfAborted()
        if (!(error instanceof RegistryError)) throw error
        failure = error
        if (scheme === 'https:' && !insecure && isNoTls(error))
          throw new RegistryError(
            'unavailable',
            `http: server gave HTTP response to HTTPS client: ${host} does not speak TLS; list it under insecure-registries if that is meant`,
            { cause: error },
          )
      }
    }
    throw failure
  }

  async #ping(op: Op, endpoint: Endpoint, o: { attempts: number }): Promise<Challenge | undefined> {
    const request: HttpRequest = {
      method: 'GET',
      url: new URL('/v2/', endpoint.base),
      insecure: endpoint.insecure,
    }
    const { pauseMs } = this.#settings
    // Nobody there: said at once. A server in trouble is given a moment.
    const mayHelp = (error: unknown) =>
      isTemporary(error) && error instanceof RegistryError && error.status !== undefined
    return await retrying(op, { attempts: Math.min(o.attempts, 3), pauseMs, mayHelp }, async () => {
      const response = await this.#http.send(op, request)
      if (response.status === 401) {
        response.body.resume()
        return parseChallenge(response.headers['www-authenticate'])
      }
      const failure = response.status >= 400 ? await failureOf(request, response) : undefined
      if (failure && isTemporary(failure)) throw failure
      // Some registries serve everything but this page.
      response.body.resume()
      return undefined
    })
  }

  /** Docker: loopback addresses and `localhost` always are. */
  async #isInsecure(op: Op, host: string): Promise<boolean> {
    const name = new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, '')
    if (
      name === 'localhost' ||
      isLoopback(name) ||
      this.#settings.insecure.includes(host) ||
      this.#settings.insecure.includes(name)
    )
      return true
    const networks = this.#settings.insecure.filter((entry) => entry.includes('/'))
    if (networks.length === 0) return false
    const addresses = isIP(name) === 0 ? await resolve(name) : [name]
    op.signal.throwIfAborted()
    return addresses.some((address) => networks.some((network) => inNetwork(address, network)))
  }
}

async function resolve(name: string): Promise<string[]> {
  try {
    return (await lookup(name, { all: true })).map(({ address }) => address)
  } catch {
    // The request that follows reports it.
    return []
  }
}

const registryHost = (domain: string): string => (domain === 'docker.io' ? 'registry-1.docker.io' : domain)
const hostOf = (url: string): string => new URL(url).host

/** The registry that an address of `login` means: `https://index.docker.io/v1/`, `ghcr.io`, `https://host/v2/`. */
function domainOf(address: string): string {
  const host = address.replace(/^https?:\/\//, '').split('/', 1)[0] ?? ''
  if (['index.docker.io', 'docker.io', 'registry-1.docker.io'].includes(host)) return 'docker.io'
  if (host === '' || !/^(\[[\da-fA-F:]+\]|[\w.-]+)(:\d{1,5})?$/.test(host))
    throw new EngineError('invalid', `invalid registry address ${JSON.stringify(address.slice(0, 200))}`)
  return host
}

function splitTerm(term: string): { host: string | undefined; term: string } {
  const slash = term.indexOf('/')
  const first = slash < 0 ? '' : term.slice(0, slash)
  if (term.includes('://'))
    throw new EngineError(
      'invalid',
      `invalid repository name: repository name (${term}) should not have a scheme`,
    )
  if (!/[.:]/.test(first) && first !== 'localhost')
    return { host: undefined, term: term.replace(/^library\//, '') }
  if (['docker.io', 'index.docker.io'].includes(first))
    return { host: undefined, term: term.slice(slash + 1).replace(/^library\//, '') }
  return { host: domainOf(first), term: term.slice(slash + 1) }
}

const found = z.object({
  results: z
    .array(
      z.object({
        name: z.string(),
        description: z.string().nullish(),
        star_count: z.number().nullish(),
        is_official: z.boolean().nullish(),
        is_automated: z.boolean().nullish(),
      }),
    )
    .nullish(),
})

function decodeSearch(data: Buffer): SearchResult[] {
  let answer: z.infer<typeof found>
  try {
    answer = found.parse(JSON.parse(data.toString()))
  } catch (cause) {
    throw new RegistryError('unavailable', 'the answer to the search is not understood', { cause })
  }
  return (answer.results ?? []).map((one) => ({
    name: one.name,
    description: one.description ?? '',
    star_count: one.star_count ?? 0,
    is_official: one.is_official ?? false,
    is_automated: one.is_automated ?? false,
  }))
}
