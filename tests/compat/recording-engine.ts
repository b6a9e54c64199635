/** An engine that has nothing and makes nothing: it says yes to what clients of Compose ask, and keeps what they sent. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { rmSync } from 'node:fs'

export interface Sent {
  /** Without the version: `/containers/create`. */
  readonly path: string
  /** Of what is made. */
  readonly name: string
  readonly body: unknown
}

interface Made {
  readonly Id: string
  readonly Name: string
  readonly Config: { readonly Labels: Readonly<Record<string, string>> }
}

export class RecordingEngine implements AsyncDisposable {
  readonly #server = createServer((request, response) => void this.#answer(request, response))
  readonly #socket: string
  /** Everything that was to be made since the last look. */
  #sent: Sent[] = []
  readonly #containers = new Map<string, Made>()
  readonly #networks = new Map<string, object>()
  readonly #volumes = new Map<string, object>()

  constructor(socket: string) {
    this.#socket = socket
    this.#server.listen(socket)
  }

  get address(): string {
    return `unix://${this.#socket}`
  }

  /** By path and name; then it has nothing again. */
  take(): Sent[] {
    const sent = this.#sent.toSorted((a, b) => (`${a.path} ${a.name}` < `${b.path} ${b.name}` ? -1 : 1))
    this.#sent = []
    this.#containers.clear()
    this.#networks.clear()
    this.#volumes.clear()
    return sent
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    rmSync(this.#socket, { force: true })
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://engine')
    const path = url.pathname.replace(/^\/v1\.\d+/, '')
    const body = await bodyOf(request)
    const made =
      request.method === 'POST' ? this.#make(path, url.searchParams.get('name') ?? '', body) : undefined
    const found = made ?? (path === '/containers/json' ? this.#list(url) : this.#find(path))
    response.writeHead(found === undefined ? 404 : made ? 201 : 200, {
      'content-type': 'application/json',
      'api-version': '1.51',
      ostype: 'linux',
    })
    response.end(request.method === 'HEAD' ? '' : JSON.stringify(found ?? { message: `nothing at ${path}` }))
  }

  #make(path: string, given: string, body: Record<string, unknown>): object | undefined {
    const name = given || (typeof body['Name'] === 'string' ? body['Name'] : '')
    if (!/^\/(containers|networks|volumes)\/create$/.test(path)) return undefined
    this.#sent.push({ path, name, body })
    const Id = Buffer.from(name).toString('hex').padEnd(64, '0').slice(0, 64)
    const found = { ...body, Id, Name: name, Warnings: [], Mountpoint: '/', Scope: 'local' }
    if (path.startsWith('/containers'))
      this.#containers.set(Id, { ...inspected, Id, Name: `/${name}`, Config: body as Made['Config'] }) // what clients send
    if (path.startsWith('/networks')) this.#networks.set(name, found)
    if (path.startsWith('/volumes')) this.#volumes.set(name, found)
    return found
  }

  /** Those with all of the labels that are asked for. */
  #list(url: URL): object[] {
    const filters = JSON.parse(url.searchParams.get('filters') ?? '{}') as {
      label?: Record<string, true> | string[]
    }
    const { label = [] } = filters
    const wanted = Array.isArray(label) ? label : Object.keys(label)
    return [...this.#containers.values()].flatMap(({ Id, Name, Config }) => {
      const labels = Object.entries(Config.Labels).flatMap(([key, value]) => [key, `${key}=${value}`])
      if (!wanted.every((one) => labels.includes(one))) return []
      return [
        {
          ...inspected,
          Created: 0,
          Id,
          Names: [Name],
          Labels: Config.Labels,
          ImageID: image.Id,
          State: 'created',
        },
      ]
    })
  }

  #find(path: string): unknown {
    const [, kind = '', ref = ''] = /^\/(\w+)\/(.+?)(\/json)?$/.exec(path) ?? []
    if (path === '/_ping') return {}
    if (path === '/version')
      return { ApiVersion: '1.51', MinAPIVersion: '1.24', Version: '28.5.2', Os: 'linux', Arch: 'amd64' }
    if (path === '/info')
      return { OSType: 'linux', Architecture: 'x86_64', ServerVersion: '28.5.2', Plugins: {} }
    if (path === '/networks') return [...this.#networks.values()]
    if (path === '/volumes') return { Volumes: [...this.#volumes.values(), shared], Warnings: [] }
    if (path === '/images/json') return []
    if (/^\/containers\/\w+\/archive$/.test(path)) return {}
    if (kind === 'images') return image
    if (kind === 'containers' && this.#containers.has(ref)) return this.#containers.get(ref)
    if (kind === 'networks') return this.#networks.get(ref)
    if (kind === 'volumes') return this.#volumes.get(ref) ?? (ref === shared.Name ? shared : undefined)
    return undefined
  }
}

const image = { Id: `sha256:${'1'.repeat(64)}`, RepoTags: [], Os: 'linux', Architecture: 'amd64', Config: {} }

/** As much of a container as clients look at. */
const inspected = {
  Image: image.Id,
  Created: '2026-01-01T00:00:00Z',
  State: { Status: 'created', Running: false, ExitCode: 0 },
  HostConfig: { NetworkMode: 'bridge', PortBindings: {} },
  NetworkSettings: { Networks: {}, Ports: {} },
  Mounts: [],
}

/** An external volume of the corpus. */
const shared = { Name: 'team-shared', Labels: {}, Mountpoint: '/', Driver: 'local', Scope: 'local' }

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : {}
}
