import { createHash, randomBytes } from 'node:crypto'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { parseXml } from './s3-xml.ts'

/** What a request of a test is to meet in place of an answer. */
export type Mishap =
  | { readonly status: number; readonly code: string }
  /** The connection breaks before an answer. */
  | 'reset'
  /** No answer ever comes. */
  | 'silence'
  /** After so many bytes of the body. */
  | { readonly cutAfter: number }
  /** The work is done, and the answer is lost. */
  | 'lost answer'
  /** CompleteMultipartUpload: 200, and the failure in the body. */
  | 'late error'

export interface SeenRequest {
  readonly method: string
  /** Of the object, without the bucket. */
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: http.IncomingHttpHeaders
}

interface Stored {
  readonly data: Buffer
  readonly modified: Date
  readonly etag: string
}

/**
 * An S3 server in memory for what a third party's cannot show: objects that change as one, lists in pages of any size, hashes of bodies
 * compared, and mishaps. One bucket, path style; signatures are not checked (s3rver does).
 */
export class FakeS3 implements AsyncDisposable {
  readonly objects = new Map<string, Stored>()
  readonly uploads = new Map<string, { key: string; initiated: Date; parts: Map<number, Buffer> }>()
  readonly requests: SeenRequest[] = []
  pageSize = 1000
  /** Conditional writes: servers of old ignore them, or refuse them. */
  conditions: 'known' | 'ignored' | 'refused' = 'known'
  mishap: (request: SeenRequest) => Mishap | undefined = () => undefined
  readonly #server: http.Server
  readonly #bucket: string

  private constructor(bucket: string) {
    this.#bucket = bucket
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch((error: unknown) => response.destroy(error as Error))
    })
  }

  static async start(bucket: string): Promise<FakeS3> {
    const fake = new FakeS3(bucket)
    await new Promise<void>((resolve) => fake.#server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  put(key: string, data: Buffer): string {
    const etag = `"${createHash('md5').update(data).digest('hex')}"`
    this.objects.set(key, { data, modified: new Date(), etag })
    return etag
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://s3')
    const [, bucket, ...rest] = url.pathname.split('/')
    const key = rest.join('/')
    const method = request.method ?? 'GET'
    const seen = { method, key, query: url.searchParams, headers: request.headers }
    this.requests.push(seen)
    const mishap = this.mishap(seen)
    if (mishap === 'reset') return void request.socket.destroy()
    const body = await buffer(request)
    if (mishap === 'silence') return
    const fail = (status: number, code: string) =>
      void response
        .writeHead(status, { 'Content-Type': 'application/xml' })
        .end(
          method === 'HEAD'
            ? undefined
            : `<Error><Code>${code}</Code><Message>says the fake</Message></Error>`,
        )
    if (typeof mishap === 'object' && 'status' in mishap) return fail(mishap.status, mishap.code)
    if (bucket !== this.#bucket) return fail(404, 'NoSuchBucket')
    if (createHash('sha256').update(body).digest('hex') !== request.headers['x-amz-content-sha256'])
      return fail(400, 'XAmzContentSHA256Mismatch')
    if (mishap === 'lost answer') response.end = () => response.destroy()
    if (mishap === 'late error') {
      response.writeHead(200).write('  ')
      return void response.end('<Error><Code>InternalError</Code><Message>late</Message></Error>')
    }
    const xml = (text: string) =>
      void response.writeHead(200, { 'Content-Type': 'application/xml' }).end(text)
    if (key === '') {
      if (method !== 'GET') return fail(405, 'MethodNotAllowed')
      return xml(url.searchParams.has('uploads') ? this.#listUploads() : this.#list(url.searchParams))
    }
    if (url.searchParams.has('uploads') || url.searchParams.has('uploadId')) {
      const done = this.#multipart(method, { key, query: url.searchParams, body })
      if (done === undefined) return fail(404, 'NoSuchUpload')
      return done.etag === undefined
        ? xml(done.text)
        : void response.writeHead(200, { ETag: done.etag }).end()
    }
    switch (method) {
      case 'PUT': {
        const there = this.objects.get(key)
        const { 'if-match': match, 'if-none-match': none } = request.headers
        if (this.conditions === 'refused' && (match ?? none) !== undefined) return fail(501, 'NotImplemented')
        if (
          this.conditions === 'known' &&
          ((match !== undefined && match !== there?.etag) || (none === '*' && there))
        )
          return fail(412, 'PreconditionFailed')
        return void response.writeHead(200, { ETag: this.put(key, body) }).end()
      }
      case 'DELETE':
        this.objects.delete(key)
        return void response.writeHead(204).end()
      default: {
        const stored = this.objects.get(key)
        if (!stored) return fail(404, 'NoSuchKey')
        if ((request.headers['if-match'] ?? stored.etag) !== stored.etag)
          return fail(412, 'PreconditionFailed')
        return this.#send(stored, {
          request,
          response,
          cutAfter: typeof mishap === 'object' ? mishap.cutAfter : undefined,
        })
      }
    }
  }

  #send(
    stored: Stored,
    o: { request: http.IncomingMessage; response: http.ServerResponse; cutAfter: number | undefined },
  ): void {
    const range = /^bytes=(\d+)-(\d+)$/.exec(o.request.headers.range ?? '')
    const start = Number(range?.[1] ?? 0)
    const data = stored.data.subarray(start, Number(range?.[2] ?? stored.data.length - 1) + 1)
    o.response.writeHead(range ? 206 : 200, {
      'Content-Length': data.length,
      'Last-Modified': stored.modified.toUTCString(),
      ETag: stored.etag,
      ...(range && { 'Content-Range': `bytes ${start}-${start + data.length - 1}/${stored.data.length}` }),
    })
    if (o.request.method === 'HEAD') return void o.response.end()
    if (o.cutAfter === undefined) return void o.response.end(data)
    o.response.write(data.subarray(0, o.cutAfter), () => o.response.destroy())
  }

  #multipart(
    method: string,
    o: { key: string; query: URLSearchParams; body: Buffer },
  ): { text: string; etag?: string } | undefined {
    if (o.query.has('uploads')) {
      const id = randomBytes(8).toString('hex')
      this.uploads.set(id, { key: o.key, initiated: new Date(), parts: new Map() })
      return {
        text: `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
      }
    }
    const id = o.query.get('uploadId') ?? ''
    const upload = this.uploads.get(id)
    if (!upload) return undefined
    if (method === 'DELETE') this.uploads.delete(id)
    if (method === 'PUT') {
      upload.parts.set(Number(o.query.get('partNumber')), o.body)
      return { text: '', etag: `"${createHash('md5').update(o.body).digest('hex')}"` }
    }
    if (method !== 'POST') return { text: '' }
    const numbers = parseXml(o.body.toString())
      .all('Part')
      .map((part) => Number(part.text('PartNumber')))
    this.put(o.key, Buffer.concat(numbers.map((number) => upload.parts.get(number) ?? Buffer.alloc(0))))
    this.uploads.delete(id)
    return { text: '<CompleteMultipartUploadResult/>' }
  }

  #list(query: URLSearchParams): string {
    const prefix = query.get('prefix') ?? ''
    const delimiter = query.get('delimiter')
    const after = query.get('continuation-token') ?? query.get('start-after') ?? ''
    const items: string[] = []
    let last = ''
    let more = false
    for (const key of [...this.objects.keys()].sort()) {
      if (!key.startsWith(prefix)) continue
      const at = delimiter === null ? -1 : key.indexOf(delimiter, prefix.length)
      const name = at === -1 ? key : key.slice(0, at + 1)
      if (name <= after || name === last) continue
      if ((more = items.length === this.pageSize)) break
      last = name
      const stored = this.objects.get(key)
      items.push(
        at === -1 && stored
          ? `<Contents><Key>${key}</Key><LastModified>${stored.modified.toISOString()}</LastModified><Size>${stored.data.length}</Size></Contents>`
          : `<CommonPrefixes><Prefix>${name}</Prefix></CommonPrefixes>`,
      )
    }
    const next = more ? `<NextContinuationToken>${last}</NextContinuationToken>` : ''
    return `<?xml version="1.0"?><ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${items.join('')}</ListBucketResult>`
  }

  #listUploads(): string {
    const items = [...this.uploads].map(
      ([id, { key, initiated }]) =>
        `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${initiated.toISOString()}</Initiated></Upload>`,
    )
    return `<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>${items.join('')}</ListMultipartUploadsResult>`
  }
}
