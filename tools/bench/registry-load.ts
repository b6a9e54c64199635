/** One client of a registry that pushes images and pulls them again, over connections that stay open, as docker's are. */
import { createHash, randomFillSync } from 'node:crypto'
import { Agent, request, type IncomingHttpHeaders } from 'node:http'

const manifestType = 'application/vnd.oci.image.manifest.v1+json'

export interface Counts {
  pushes: number
  pulls: number
  bytes: number
  errors: number
  firstError: string
  /** Milliseconds of each push and pull. */
  readonly times: number[]
}

export const noCounts = (): Counts => ({
  pushes: 0,
  pulls: 0,
  bytes: 0,
  errors: 0,
  firstError: '',
  times: [],
})

interface Blob {
  readonly digest: string
  readonly data: Buffer
}

const blobOf = (data: Buffer): Blob => ({
  digest: `sha256:${createHash('sha256').update(data).digest('hex')}`,
  data,
})

/** Of every image, as most have their base in common. */
export function sharedLayer(size: number): Blob {
  return blobOf(randomFillSync(Buffer.alloc(size)))
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export class LoadClient {
  readonly #url: URL
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 4 })
  readonly #repository: string
  readonly #o: { layerSize: number; base: Blob }
  readonly #layer: Buffer
  #serial = 0

  constructor(url: string, o: { name: string; layerSize: number; base: Blob }) {
    this.#url = new URL(url)
    this.#repository = `/v2/bench/${o.name}`
    this.#o = o
    this.#layer = randomFillSync(Buffer.alloc(o.layerSize))
  }

  /** Pushes a new image and pulls it, over and over. */
  async run(until: number, counts: Counts): Promise<void> {
    while (performance.now() < until)
      try {
        let started = performance.now()
        const tag = `t${this.#serial++ % 20}`
        const sent = await this.#push(tag)
        counts.bytes += sent
        counts.times.push(performance.now() - started)
        counts.pushes++
        started = performance.now()
        const received = await this.#pull(tag)
        counts.bytes += received
        counts.times.push(performance.now() - started)
        counts.pulls++
      } catch (error) {
        counts.errors++
        counts.firstError ||= String(error)
      }
  }

  close(): void {
    this.#agent.destroy()
  }

  async #push(tag: string): Promise<number> {
    // A layer of its own in every image, without making new random data each time.
    this.#layer.writeDoubleLE(performance.now() + Math.random(), 0)
    const layer = blobOf(this.#layer)
    const config = blobOf(
      Buffer.from(JSON.stringify({ os: 'linux', rootfs: { type: 'layers', diff_ids: [layer.digest] } })),
    )
    const sent = await Promise.all([this.#o.base, layer, config].map((blob) => this.#pushBlob(blob)))
    const descriptor = ({ digest, data }: Blob) => ({ digest, size: data.length })
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptor(config) },
      layers: [this.#o.base, layer].map((blob) => ({
        mediaType: 'application/vnd.oci.image.layer.v1.tar',
        ...descriptor(blob),
      })),
    }
    await this.#expect(201, 'PUT', `${this.#repository}/manifests/${tag}`, {
      body: Buffer.from(JSON.stringify(manifest)),
      headers: { 'Content-Type': manifestType },
    })
    return sent.reduce((sum, bytes) => sum + bytes, 0)
  }

  /** As docker does it: a look, an upload in one piece. */
  async #pushBlob({ digest, data }: Blob): Promise<number> {
    const { status } = await this.#call('HEAD', `${this.#repository}/blobs/${digest}`)
    if (status === 200) return 0
    const begun = await this.#expect(202, 'POST', `${this.#repository}/blobs/uploads/`)
    const patched = await this.#expect(202, 'PATCH', this.#location(begun), {
      body: data,
      headers: { 'Content-Type': 'application/octet-stream' },
    })
    const at = this.#location(patched)
    await this.#expect(201, 'PUT', `${at}${at.includes('?') ? '&' : '?'}digest=${encodeURIComponent(digest)}`)
    return data.length
  }

  async #pull(tag: string): Promise<number> {
    const headers = { Accept: manifestType }
    const { text } = await this.#expect(200, 'GET', `${this.#repository}/manifests/${tag}`, { headers })
    const { config, layers } = JSON.parse(text) as {
      config: { digest: string; size: number }
      layers: { digest: string; size: number }[]
    }
    const sizes = await Promise.all([config, ...layers].map(({ digest }) => this.#pullBlob(digest)))
    return sizes.reduce((sum, size) => sum + size, 0)
  }

  async #pullBlob(digest: string): Promise<number> {
    const hash = createHash('sha256')
    let size = 0
    const { status } = await this.#call('GET', `${this.#repository}/blobs/${digest}`, {
      onData: (chunk) => {
        hash.update(chunk)
        size += chunk.length
      },
    })
    if (status !== 200) throw new Error(`GET of a blob: ${status}`)
    if (`sha256:${hash.digest('hex')}` !== digest) throw new Error('a blob came back changed')
    return size
  }

  #location({ headers }: Answer): string {
    const { pathname, search } = new URL(headers.location ?? '', this.#url)
    return pathname + search
  }

  async #expect(
    status: number,
    method: string,
    path: string,
    o: { body?: Buffer; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const answer = await this.#call(method, path, o)
    if (answer.status !== status) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`)
    return answer
  }

  #call(
    method: string,
    path: string,
    o: { body?: Buffer; headers?: Record<string, string>; onData?: (chunk: Buffer) => void } = {},
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#url
      const headers = { ...o.headers, 'Content-Length': o.body?.length ?? 0 }
      const call = request({ hostname, port, method, path, agent: this.#agent, headers }, (response) => {
        let text = ''
        const onData = o.onData ?? ((chunk: Buffer) => (text += chunk.toString()))
        response.on('data', onData)
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text }),
        )
      })
      call.on('error', reject)
      call.end(o.body)
    })
  }
}
