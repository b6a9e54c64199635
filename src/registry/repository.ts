import type { Readable } from 'node:stream'
import { z } from 'zod'
import { digestOf, isDigest, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import {
  blobStream,
  fetchBlob,
  type BlobDescriptor,
  type BlobProgress,
  type BlobWrite,
  type Download,
} from './blob.ts'
import type { Connection, RegistryRequest } from './connection.ts'
import { isTemporary, RegistryError } from './errors.ts'
import { maxJson, readBody, type HttpResponse } from './http.ts'
import { mountBlob, uploadBlob, type Upload } from './upload.ts'

export interface FetchedManifest {
  readonly mediaType: string
  readonly digest: Digest
  readonly data: Buffer
}

/** Everything that can be a manifest here. Schema 1 is asked for so that it can be refused by name. */
const manifestTypes = [
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.v1+prettyjws',
  'application/vnd.docker.distribution.manifest.v1+json',
]

const referrerList = z.object({
  manifests: z.array(
    z.object({
      mediaType: z.string().max(255),
      digest: z.string().max(200),
      size: z.number().int().min(0),
      artifactType: z.string().max(255).optional(),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
  ),
})
export type ReferrerDescriptor = z.infer<typeof referrerList>['manifests'][number]

const tagList = z.object({ tags: z.array(z.string()).nullish() })
const maxTagPages = 10_000
const commitMs = 300_000

/** One repository, at the servers that may have it. What is read is verified against the digest that was asked for. */
export class Repository {
  /** `library/busybox`. */
  readonly name: string
  readonly #connections: readonly Connection[]
  readonly #attempts: number
  readonly #pauseMs: number

  constructor(o: { name: string; connections: readonly Connection[]; attempts: number; pauseMs: number }) {
    this.name = o.name
    this.#connections = o.connections
    this.#attempts = o.attempts
    this.#pauseMs = o.pauseMs
  }

  /** By tag or digest. Throws kind `not-found` when there is none. */
  async manifest(op: Op, reference: string): Promise<FetchedManifest> {
    return await this.#each(op, async (connection) => {
      const what = `manifest ${connection.endpoint.base.host}/${this.name}:${reference}`
      const response = await connection.request(op, this.#manifestRequest('GET', reference))
      const data = await readBody(response, what, maxJson)
      const digest = digestOf(data)
      if (isDigest(reference) && digest !== reference)
        throw new RegistryError(
          'invalid',
          `manifest verification failed for digest ${reference}: the registry sent ${digest}`,
        )
      return { mediaType: mediaTypeOf(response, data, what), digest, data }
    })
  }

  /** What a reference leads to, without reading it; undefined when there is nothing. */
  async head(
    op: Op,
    reference: string,
  ): Promise<{ mediaType: string; digest: Digest; size: number } | undefined> {
    const request = this.#manifestRequest('HEAD', reference)
    const response = await this.#each(op, (connection) =>
      connection.request(op, { ...request, ok: [200, 404] }),
    )
    response.body.resume()
    if (response.status === 404) return undefined
    const digest = String(response.headers['docker-content-digest'] ?? '')
    if (!isDigest(digest)) {
      const whole = await this.manifest(op, reference)
      return { mediaType: whole.mediaType, digest: whole.digest, size: whole.data.length }
    }
    return {
      mediaType: contentType(response),
      digest,
      size: Number(response.headers['content-length'] ?? 0),
    }
  }

  /** All tags, page by page. */
  async *tags(op: Op): AsyncGenerator<string> {
    let path: string | URL = `${this.name}/tags/list?n=1000`
    for (let page = 0; page < maxTagPages; page++) {
      const at: string | URL = path
      const { response, base } = await this.#each(op, async (connection) => ({
        response: await connection.request(op, { method: 'GET', path: at, ok: [200] }),
        base: connection.endpoint.base,
      }))
      const data = await readBody(response, `tags of ${this.name}`)
      yield* decode(data, tagList, `the tag list of ${this.name}`).tags ?? []
      const next = nextPage(response, { base, what: `tags of ${this.name}` })
      if (next === undefined) return
      path = next
    }
    throw new RegistryError('invalid', `the tag list of ${this.name} does not end`)
  }

  /**
   * Descriptors of the manifests whose subject is this one, page by page, from the API or from the tag that stands for it (distribution
   * specification, "Listing Referrers").
   */
  async *referrers(op: Op, subject: Digest): AsyncGenerator<ReferrerDescriptor> {
    const what = `referrers of ${this.name}@${subject}`
    let path: string | URL = `${this.name}/referrers/${subject}`
    for (let page = 0; page < maxTagPages; page++) {
      const at: string | URL = path
      const { response, base } = await this.#each(op, async (connection) => ({
        response: await connection.request(op, { method: 'GET', path: at, ok: [200, 404] }),
        base: connection.endpoint.base,
      }))
      const data = await readBody(response, what)
      if (response.status === 404 || !contentType(response).endsWith('image.index.v1+json'))
        return yield* await this.#taggedReferrers(op, subject)
      yield* decode(data, referrerList, what).manifests
      const next = nextPage(response, { base, what })
      if (next === undefined) return
      path = next
    }
    throw new RegistryError('invalid', `the list of ${what} does not end`)
  }

  /** "Referrers Tag Schema". */
  async #taggedReferrers(op: Op, subject: Digest): Promise<ReferrerDescriptor[]> {
    try {
      const { data } = await this.manifest(op, subject.replace(':', '-'))
      return decode(data, referrerList, `referrers of ${this.name}@${subject}`).manifests
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'not-found') return []
      throw error
    }
  }

  /**
   * The bytes of a blob. A connection that breaks is taken up where it broke. Fails with kind `invalid` when there are more
   * or fewer bytes than the descriptor says; the digest is for the reader to check.
   */
  blob(op: Op, blob: BlobDescriptor): Readable {
    return blobStream(op, blob, this.#download(blob))
  }

  /** As `blob`, without a stream in between: `write` has each chunk until it returns, and then its memory is used again. */
  async fetch(op: Op, blob: BlobDescriptor, o: { write: BlobWrite; progress?: BlobProgress }): Promise<void> {
    await fetchBlob(op, blob, { ...this.#download(blob), ...o })
  }

  async hasBlob(op: Op, digest: Digest): Promise<boolean> {
    const request: RegistryRequest = { method: 'HEAD', path: `${this.name}/blobs/${digest}`, ok: [200, 404] }
    const response = await this.#first.request(op, request)
    response.body.resume()
    return response.status === 200
  }

  /** In bytes, without reading it; undefined when there is none. Throws kind `invalid` when the registry does not tell. */
  async blobSize(op: Op, digest: Digest): Promise<number | undefined> {
    const request: RegistryRequest = { method: 'HEAD', path: `${this.name}/blobs/${digest}`, ok: [200, 404] }
    const response = await this.#each(op, (connection) => connection.request(op, request))
    response.body.resume()
    if (response.status === 404) return undefined
    const size = Number(response.headers['content-length'] ?? Number.NaN)
    if (!Number.isSafeInteger(size))
      throw new RegistryError('invalid', `the registry does not tell the size of blob ${digest}`)
    return size
  }

  /** Stores a blob; `from` names repositories of the same registry that may have it already. */
  async upload(op: Op, upload: Upload): Promise<{ digest: Digest; size: number; mountedFrom?: string }> {
    return await uploadBlob(op, {
      ...upload,
      name: this.name,
      connection: this.#first,
      attempts: this.#attempts,
      pauseMs: this.#pauseMs,
    })
  }

  /** Takes a blob over from one of the repositories `from` of the same registry: which; undefined when none gave it. */
  async mount(op: Op, blob: { digest: Digest }, from: readonly string[]): Promise<string | undefined> {
    return await mountBlob(op, { blob, from, name: this.name, connection: this.#first })
  }

  /** `reference`: a tag, or the manifest's own digest. */
  async putManifest(
    op: Op,
    reference: string,
    manifest: { mediaType: string; data: Buffer },
  ): Promise<Digest> {
    const digest = digestOf(manifest.data)
    const response = await this.#first.request(op, {
      method: 'PUT',
      path: `${this.name}/manifests/${reference}`,
      headers: { 'Content-Type': manifest.mediaType },
      body: () => manifest.data,
      ok: [200, 201, 202],
      patience: commitMs,
    })
    response.body.resume()
    const stored = response.headers['docker-content-digest']
    if (stored !== undefined && stored !== digest)
      throw new RegistryError(
        'unavailable',
        `the registry stored manifest ${digest} as ${JSON.stringify(String(stored).slice(0, 100))}`,
      )
    return digest
  }

  get #first(): Connection {
    const [first] = this.#connections
    if (!first) throw new EngineError('internal', `no registry for ${this.name}`)
    return first
  }

  #download(blob: BlobDescriptor): Download {
    return {
      open: (op, from) =>
        this.#each(op, (connection) =>
          connection.request(op, {
            method: 'GET',
            path: `${this.name}/blobs/${blob.digest}`,
            headers: { 'Accept-Encoding': 'identity', ...(from > 0 && { Range: `bytes=${from}-` }) },
            ok: [200, 206],
            // fetchBlob counts the tries: it knows of progress.
            retry: false,
          }),
        ),
      attempts: this.#attempts,
      pauseMs: this.#pauseMs,
    }
  }

  #manifestRequest(method: 'GET' | 'HEAD', reference: string): RegistryRequest {
    return {
      method,
      path: `${this.name}/manifests/${reference}`,
      headers: { Accept: manifestTypes.join(', ') },
      ok: [200],
    }
  }

  /** Docker: whatever goes wrong with a mirror, the next server is asked. */
  async #each<T>(op: Op, work: (connection: Connection) => Promise<T>): Promise<T> {
    for (const connection of this.#connections.slice(0, -1))
      try {
        return await work(connection)
      } catch (error) {
        op.signal.throwIfAborted()
        const level = isTemporary(error) ? 'warn' : 'debug'
        op.log[level]('a mirror did not help: the next server is asked', {
          mirror: connection.endpoint.base.host,
          repository: this.name,
          error: String(error),
        })
      }
    const last = this.#connections.at(-1)
    if (!last) throw new EngineError('internal', `no registry for ${this.name}`)
    return await work(last)
  }
}

function contentType(response: HttpResponse): string {
  return (response.headers['content-type'] ?? '').split(';', 1)[0]?.trim() ?? ''
}

/** RFC 8288. Throws kind `invalid` when it is at another host. */
function nextPage(response: HttpResponse, o: { base: URL; what: string }): URL | undefined {
  const next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(String(response.headers['link'] ?? ''))?.[1]
  if (next === undefined) return undefined
  const url = new URL(next, response.url)
  if (url.host !== o.base.host)
    throw new RegistryError('invalid', `the list of ${o.what} goes on at another host: refused`)
  return url
}

const typed = z.object({ mediaType: z.string().optional(), schemaVersion: z.number().optional() })

/** What the document calls itself counts; the header may be a file server's guess. */
function mediaTypeOf(response: HttpResponse, data: Buffer, what: string): string {
  const { mediaType, schemaVersion } = decode(data, typed, what)
  if (schemaVersion === 1) return 'application/vnd.docker.distribution.manifest.v1+json'
  const header = contentType(response)
  if (mediaType === undefined || mediaType === '') return header
  if (manifestTypes.includes(header) && header !== mediaType)
    throw new RegistryError(
      'invalid',
      `${what} is called ${header} by the registry and ${mediaType} by itself`,
    )
  return mediaType
}

function decode<T>(data: Buffer, schema: z.ZodType<T>, what: string): T {
  try {
    return schema.parse(JSON.parse(data.toString()))
  } catch (cause) {
    throw new RegistryError('invalid', `${what} is not understood: this is no answer of a registry`, {
      cause,
    })
  }
}
