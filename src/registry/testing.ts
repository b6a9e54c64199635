/** A registry for tests: in memory, honest unless told otherwise, and it remembers what it was asked. */
import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { digestOf } from '../lib/digest.ts'

export interface TestRegistryOptions {
  /** `basic`: every request; `bearer`: tokens for scopes, from the registry's own token server. */
  readonly auth?: 'basic' | 'bearer'
  /** User and password that are let in. Without them, tokens are for everybody. */
  readonly users?: Readonly<Record<string, string>>
  /** Repositories that anonymous token holders may read. */
  readonly publicPrefix?: string
  readonly tls?: ServerOptions
  /** Tags in one page. */
  readonly pageSize?: number
}

/** What a fault does to a request; undefined: nothing. */
export type Fault = (request: Asked, response: ServerResponse) => FaultAction | undefined
export type FaultAction =
  /** The fault has answered. */
  | 'answered'
  /** Blobs: the connection breaks after so many bytes. */
  | { readonly cutAfter: number }
  /** Blobs: these bytes in place of the true ones. */
  | { readonly instead: Buffer }

export interface Asked {
  readonly method: string
  /** With query. */
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

interface Stored {
  readonly type: string
  readonly data: Buffer
}

const identityToken = 'an-identity-token'

export class TestRegistry implements AsyncDisposable {
  readonly #options: TestRegistryOptions
  readonly #server: Server
  /** `name` to digest to bytes. */
  readonly blobs = new Map<string, Map<string, Buffer>>()
  /** `name` to tag or digest to manifest. */
  readonly manifests = new Map<string, Map<string, Stored>>()
  readonly asked: Asked[] = []
  readonly faults: Fault[] = []
  /** Token to the scopes that it is for. */
  readonly tokens = new Map<string, readonly string[]>()
  /** Refuses mounts, as registries may. */
  mounts = true
  /** Ignores `Range`. */
  ranges = true
  readonly #uploads = new Map<string, Buffer>()

  private constructor(options: TestRegistryOptions) {
    this.#options = options
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      this.#handle(request, response).catch((error: unknown) => response.destroy(error as Error))
    }
    this.#server = options.tls ? createTlsServer(options.tls, handle) : createServer(handle)
  }

  static async start(options: TestRegistryOptions = {}): Promise<TestRegistry> {
    const registry = new TestRegistry(options)
    await new Promise<void>((resolve) => registry.#server.listen(0, '127.0.0.1', resolve))
    return registry
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  /** As in the names of images. */
  get host(): string {
    return `127.0.0.1:${this.port}`
  }

  addBlob(name: string, data: Buffer): { digest: `sha256:${string}`; size: number } {
    const digest = digestOf(data)
    this.#of(this.blobs, name).set(digest, data)
    return { digest, size: data.length }
  }

  addManifest(name: string, tag: string | undefined, type: string, value: unknown): `sha256:${string}` {
    const data = Buffer.isBuffer(value) ? value : Buffer.from(JSON.stringify(value))
    const digest = digestOf(data)
    this.#of(this.manifests, name).set(digest, { type, data })
    if (tag !== undefined) this.#of(this.manifests, name).set(tag, { type, data })
    return digest
  }

  /** Requests whose method and path match. */
  count(pattern: RegExp): number {
    return this.asked.filter(({ method, url }) => pattern.test(`${method} ${url}`)).length
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #of<T>(map: Map<string, Map<string, T>>, name: string): Map<string, T> {
    const known = map.get(name) ?? new Map<string, T>()
    map.set(name, known)
    return known
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    const asked: Asked = { method, url, headers }
    this.asked.push(asked)
    let action: FaultAction | undefined
    for (const fault of this.faults) action ??= fault(asked, response)
    if (action === 'answered') return void request.resume()
    const at = new URL(url, `http://${this.host}`)
    if (at.pathname === '/token') return await this.#token(request, response, at)
    const refused = this.#refusal(request, at)
    if (refused) {
      request.resume()
      return fail(response, 401, 'UNAUTHORIZED', { 'WWW-Authenticate': refused })
    }
    if (at.pathname === '/v2/') return void response.end('{}')
    const [, name = '', kind = '', rest = ''] =
      /^\/v2\/(.+?)\/(manifests|blobs\/uploads|blobs|tags)\/(.*)$/.exec(at.pathname) ?? []
    switch (kind) {
      case 'manifests':
        return await this.#manifest(request, response, { name, reference: rest })
      case 'blobs':
        return this.#blob(request, response, {
          name,
          digest: rest,
          action,
        })
      case 'blobs/uploads':
        return await this.#upload(request, response, { name, id: rest, at })
      case 'tags':
        return this.#tags(response, name, at)
      default:
        request.resume()
        fail(response, 404, 'NAME_UNKNOWN')
    }
  }

  async #token(request: IncomingMessage, response: ServerResponse, at: URL): Promise<void> {
    const form = new URLSearchParams((await buffer(request)).toString())
    const bought = form.get('grant_type') === 'refresh_token' && form.get('refresh_token') === identityToken
    const known = bought ? 'the token’s' : this.#userOf(request)
    if (request.headers.authorization !== undefined && known === undefined)
      return fail(response, 401, 'UNAUTHORIZED')
    const { users, publicPrefix } = this.#options
    const scopes = bought ? (form.get('scope') ?? '').split(' ') : at.searchParams.getAll('scope')
    const granted =
      known !== undefined || !users
        ? scopes
        : scopes.filter(
            (scope) => publicPrefix !== undefined && scope.startsWith(`repository:${publicPrefix}`),
          )
    const token = randomBytes(8).toString('hex')
    this.tokens.set(token, granted)
    response.end(
      JSON.stringify({
        token,
        expires_in: 300,
        ...(at.searchParams.has('offline_token') && { refresh_token: identityToken }),
      }),
    )
  }

  #userOf(request: IncomingMessage): string | undefined {
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    if (basic === undefined) return undefined
    const [user = '', ...password] = Buffer.from(basic, 'base64').toString().split(':')
    return this.#options.users?.[user] === password.join(':') ? user : undefined
  }

  /** The challenge for what may not be done. */
  #refusal(request: IncomingMessage, at: URL): string | undefined {
    const { auth } = this.#options
    if (auth === undefined) return undefined
    if (auth === 'basic') return this.#userOf(request) === undefined ? 'Basic realm="test"' : undefined
    const name = /^\/v2\/(.+?)\/(?:manifests|blobs|tags)\//.exec(at.pathname)?.[1]
    const right = ['GET', 'HEAD'].includes(request.method ?? '') ? 'pull' : 'push'
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? ''
    const scopes = this.tokens.get(token)
    const enough =
      scopes !== undefined &&
      (name === undefined ||
        scopes.some((scope) => {
          const [, repository, rights = ''] = /^repository:(.+):([\w,*]+)$/.exec(scope) ?? []
          return repository === name && rights.split(',').includes(right)
        }))
    if (enough) return undefined
    const scheme = this.#options.tls ? 'https' : 'http'
    const scope =
      name === undefined ? '' : `,scope="repository:${name}:${right === 'push' ? 'pull,push' : right}"`
    return `Bearer realm="${scheme}://${this.host}/token",service="test registry"${scope}`
  }

  async #manifest(
    request: IncomingMessage,
    response: ServerResponse,
    { name, reference }: { name: string; reference: string },
  ): Promise<void> {
    if (request.method === 'PUT') {
      const data = await buffer(request)
      const digest = this.addManifest(
        name,
        reference.startsWith('sha256:') ? undefined : reference,
        request.headers['content-type'] ?? '',
        data,
      )
      response
        .writeHead(201, { 'Docker-Content-Digest': digest, Location: `/v2/${name}/manifests/${digest}` })
        .end()
      return
    }
    request.resume()
    const found = this.manifests.get(name)?.get(reference)
    if (!found) return fail(response, 404, 'MANIFEST_UNKNOWN')
    response.writeHead(200, {
      'Content-Type': found.type,
      'Content-Length': found.data.length,
      'Docker-Content-Digest': digestOf(found.data),
    })
    response.end(request.method === 'HEAD' ? undefined : found.data)
  }

  #blob(
    request: IncomingMessage,
    response: ServerResponse,
    o: { name: string; digest: string; action: Exclude<FaultAction, 'answered'> | undefined },
  ): void {
    request.resume()
    const found = this.blobs.get(o.name)?.get(o.digest)
    if (!found) return fail(response, 404, 'BLOB_UNKNOWN')
    const data = o.action && 'instead' in o.action ? o.action.instead : found
    const from = this.ranges ? Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0) : 0
    response.writeHead(from > 0 ? 206 : 200, {
      'Content-Length': data.length - from,
      ...(from > 0 && { 'Content-Range': `bytes ${from}-${data.length - 1}/${data.length}` }),
    })
    if (request.method === 'HEAD') return void response.end()
    if (o.action && 'cutAfter' in o.action) {
      response.write(data.subarray(from, from + o.action.cutAfter), () => response.destroy())
      return
    }
    response.end(data.subarray(from))
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    { name, id, at }: { name: string; id: string; at: URL },
  ): Promise<void> {
    const body = await buffer(request)
    const place = (upload: string) => ({ Location: `/v2/${name}/blobs/uploads/${upload}?state=x` })
    switch (request.method) {
      case 'POST': {
        const [mount, from] = [at.searchParams.get('mount') ?? '', at.searchParams.get('from') ?? '']
        const data = this.mounts ? this.blobs.get(from)?.get(mount) : undefined
        if (data) {
          this.addBlob(name, data)
          return void response.writeHead(201, { Location: `/v2/${name}/blobs/${mount}` }).end()
        }
        const upload = randomBytes(6).toString('hex')
        this.#uploads.set(upload, Buffer.alloc(0))
        return void response.writeHead(202, place(upload)).end()
      }
      case 'PATCH':
        this.#uploads.set(id, Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), body]))
        return void response.writeHead(202, place(id)).end()
      case 'PUT': {
        const data = Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), body])
        if (digestOf(data) !== at.searchParams.get('digest')) return fail(response, 400, 'DIGEST_INVALID')
        this.#uploads.delete(id)
        this.addBlob(name, data)
        return void response.writeHead(201, { Location: `/v2/${name}/blobs/x` }).end()
      }
      case 'DELETE':
        this.#uploads.delete(id)
        return void response.writeHead(204).end()
      default:
        fail(response, 405, 'UNSUPPORTED')
    }
  }

  /** Uploads that were begun and neither finished nor taken back. */
  get openUploads(): number {
    return this.#uploads.size
  }

  #tags(response: ServerResponse, name: string, at: URL): void {
    const known = this.manifests.get(name)
    if (!known) return fail(response, 404, 'NAME_UNKNOWN')
    const all = [...known.keys()].filter((tag) => !tag.startsWith('sha256:')).toSorted()
    const last = at.searchParams.get('last')
    const start = last === null ? 0 : all.indexOf(last) + 1
    const page = all.slice(start, start + (this.#options.pageSize ?? 1000))
    const more = start + page.length < all.length
    response.writeHead(200, {
      'Content-Type': 'application/json',
      ...(more && { Link: `</v2/${name}/tags/list?last=${page.at(-1)}>; rel="next"` }),
    })
    response.end(JSON.stringify({ name, tags: page }))
  }
}

export function fail(
  response: ServerResponse,
  status: number,
  code: string,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll('_', ' ') }] }))
}
