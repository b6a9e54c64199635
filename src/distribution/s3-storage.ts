import { rm } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Op } from '../lib/op.ts'
import { bodyOf, S3Client } from './s3-client.ts'
import { S3Error } from './s3-errors.ts'
import { listPages, oldUploads } from './s3-list.ts'
import { abortUpload, fileBody, uploadParts } from './s3-multipart.ts'
import { readObject } from './s3-read.ts'
import type { S3Settings } from './s3-settings.ts'
import { assertKey, type ByteRange, type ObjectEntry, type ObjectStat, type Storage } from './storage.ts'
import { digestOfKey } from './layout.ts'

/** Longer than any upload takes. */
const abandonedMs = 24 * 3_600_000

/**
 * Objects in a bucket. S3 answers a write when it is durable, shows objects whole, and lists in order of the keys' bytes: what
 * `Storage` promises is what it does. Nothing keeps a second server from the same prefix: that is for whoever configures it.
 */
export class S3Storage implements Storage {
  readonly #client: S3Client
  readonly #settings: S3Settings

  private constructor(settings: S3Settings) {
    this.#settings = settings
    this.#client = new S3Client(settings)
  }

  /** Fails when the bucket is not there or the credentials are not good for it. Uploads that a server before us left go. */
  static async open(op: Op, settings: S3Settings): Promise<S3Storage> {
    const storage = new S3Storage(settings)
    try {
      await storage.children(op, '')[Symbol.asyncIterator]().next()
      await storage.#abortOldUploads(op)
      return storage
    } catch (error) {
      await storage[Symbol.asyncDispose]()
      throw error
    }
  }

  async stat(op: Op, key: string): Promise<ObjectStat | undefined> {
    assertKey(key)
    const { status, headers, body } = await this.#client.send(op, { method: 'HEAD', key, ok: [200, 404] })
    body.resume()
    if (status === 404) return undefined
    const size = Number(headers['content-length'])
    const modified = new Date(headers['last-modified'] ?? '')
    if (!Number.isSafeInteger(size) || Number.isNaN(modified.getTime()))
      throw new S3Error(
        `${this.#client.nameOf({ method: 'HEAD', key })}: the S3 server tells no size or time`,
        {
          temporary: false,
        },
      )
    return { size, modified }
  }

  async read(op: Op, key: string, range?: ByteRange): Promise<Readable> {
    assertKey(key)
    return await readObject(op, this.#client, { key, range })
  }

  async write(op: Op, key: string, data: Uint8Array): Promise<void> {
    assertKey(key)
    const response = await this.#client.send(op, { method: 'PUT', key, body: bodyOf(data), ok: [200] })
    response.body.resume()
  }

  async place(op: Op, key: string, file: string, size: number): Promise<void> {
    assertKey(key)
    // Objects that are placed are named after their content.
    if ((await this.stat(op, key))?.size !== size) await this.#upload(op, { key, file, size })
    await rm(file, { force: true })
  }

  async *list(op: Op, prefix: string): AsyncIterable<ObjectEntry> {
    for await (const page of this.#pages(op, prefix, { folders: false })) yield* page.objects
  }

  async *children(op: Op, prefix: string, after?: string): AsyncIterable<string> {
    const root = prefix === '' ? '' : `${prefix}/`
    for await (const page of this.#pages(op, prefix, { folders: true, after })) {
      const objects = page.objects.map((object) => object.key)
      for (const key of mergeSorted(objects, page.folders)) {
        const name = key.slice(root.length)
        if (name.endsWith('/')) {
          if (after === undefined || name > `${after}/`) yield name.slice(0, -1)
        } else if (after === undefined || name > after) yield name
      }
    }
  }

  async remove(op: Op, key: string): Promise<void> {
    assertKey(key)
    const response = await this.#client.send(op, { method: 'DELETE', key, ok: [200, 204, 404] })
    response.body.resume()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#client.close()
    return Promise.resolve()
  }

  #pages(op: Op, prefix: string, o: { folders: boolean; after?: string | undefined }) {
    if (prefix !== '') assertKey(prefix)
    const below = prefix === '' ? '' : `${prefix}/`
    return listPages(op, this.#client, {
      root: this.#settings.prefix,
      prefix: below,
      folders: o.folders,
      after: o.after === undefined ? undefined : below + o.after,
    })
  }

  async #upload(op: Op, o: { key: string; file: string; size: number }): Promise<void> {
    const { partSize } = this.#settings
    if (o.size > partSize) return await uploadParts(op, this.#client, { ...o, partSize })
    const digest = digestOfKey(o.key)
    const sha256 = digest?.startsWith('sha256:') === true ? digest.slice('sha256:'.length) : undefined
    const body = await fileBody(op, o.file, { start: 0, size: o.size, sha256 })
    const response = await this.#client.send(op, { method: 'PUT', key: o.key, body, ok: [200] })
    response.body.resume()
  }

  async #abortOldUploads(op: Op): Promise<void> {
    try {
      const before = new Date(Date.now() - abandonedMs)
      for await (const upload of oldUploads(op, this.#client, { root: this.#settings.prefix, before })) {
        await abortUpload(op, this.#client, upload)
        op.log.info('an upload to S3 that was never completed is given up', { key: upload.key })
      }
    } catch (error) {
      // Not every server lists them, and not every key may: they cost space, and the bucket's own rules can remove them.
      if (!(error instanceof S3Error) || error.temporary) throw error
      op.log.warn('uploads to S3 that were never completed cannot be listed', { error: error.message })
    }
  }
}

/** Both are sorted. */
function mergeSorted(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length === 0) return b
  return b.length === 0 ? a : [...a, ...b].sort((one, other) => (one < other ? -1 : 1))
}
