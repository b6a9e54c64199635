import type { Readable } from 'node:stream'
import { allDone } from './all-done.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import type { Holds } from './holds.ts'
import { blobKey, linkKey } from './layout.ts'
import type { ByteRange, ObjectStat, Storage } from './storage.ts'
import type { Upload } from './upload.ts'
import type { Uploads } from './uploads.ts'

export interface BlobsOptions {
  readonly repository: string
  readonly storage: Storage
  readonly uploads: Uploads
  readonly holds: Holds
}

/** The blobs of one repository: bytes are kept once for all repositories, a link says who may serve them. */
export class Blobs {
  readonly #o: BlobsOptions

  constructor(o: BlobsOptions) {
    this.#o = o
  }

  /** Throws BLOB_UNKNOWN when the repository has no such blob. */
  async stat(op: Op, digest: Digest): Promise<ObjectStat> {
    const found = await this.#find(op, digest)
    if (!found) throw unknown(this.#o.repository, digest)
    return found
  }

  /** As `stat`, for somebody who may count on it: no collection removes it within the grace period. */
  async promise(op: Op, digest: Digest): Promise<ObjectStat> {
    // Digests of nothing would fill the memory of the holds.
    await this.stat(op, digest)
    await this.#o.holds.hold(digest)
    return await this.stat(op, digest)
  }

  /** For one that `stat` has found. Throws BLOB_UNKNOWN when it went meanwhile. */
  async read(op: Op, digest: Digest, range?: ByteRange): Promise<Readable> {
    try {
      return await this.#o.storage.read(op, blobKey(digest), range)
    } catch (error) {
      if (error instanceof EngineError && error.kind === 'not-found')
        throw unknown(this.#o.repository, digest)
      throw error
    }
  }

  async start(op: Op): Promise<Upload> {
    const { repository, uploads, holds } = this.#o
    await holds.hold(repository)
    return await uploads.start(op, repository)
  }

  /** Throws BLOB_UPLOAD_UNKNOWN. */
  async upload(op: Op, id: string): Promise<Upload> {
    const { repository, uploads, holds } = this.#o
    await holds.hold(repository)
    return await uploads.get(op, repository, id)
  }

  /** What was uploaded becomes a blob of the repository; durable when it resolves. Throws DIGEST_INVALID. */
  async commit(op: Op, upload: Upload, digest: Digest): Promise<void> {
    const { repository, storage, holds } = this.#o
    await upload.finish(op, digest, async ({ path, size }) => {
      await holds.hold(digest, repository)
      // A blob is here when both are: it does not matter which comes first.
      await allDone([
        storage.place(op, blobKey(digest), path, size),
        storage.write(op, linkKey(repository, digest), new Uint8Array()),
      ])
    })
  }

  /** The blob of another repository becomes one of this, too; false when that has none. */
  async mount(op: Op, digest: Digest, from: Blobs): Promise<boolean> {
    if (!(await from.#find(op, digest))) return false
    const { repository, storage, holds } = this.#o
    await holds.hold(digest, repository)
    if (!(await from.#find(op, digest))) return false
    await storage.write(op, linkKey(repository, digest), new Uint8Array())
    return true
  }

  /** The repository serves it no more; its space is free after a collection. Throws BLOB_UNKNOWN. */
  async remove(op: Op, digest: Digest): Promise<void> {
    const { repository, storage } = this.#o
    const link = linkKey(repository, digest)
    if (!(await storage.stat(op, link))) throw unknown(repository, digest)
    await storage.remove(op, link)
  }

  async #find(op: Op, digest: Digest): Promise<ObjectStat | undefined> {
    const { repository, storage } = this.#o
    const [link, blob] = await Promise.all([
      storage.stat(op, linkKey(repository, digest)),
      storage.stat(op, blobKey(digest)),
    ])
    return link && blob
  }
}

const unknown = (repository: string, digest: Digest) =>
  new DistributionError('BLOB_UNKNOWN', `blob ${digest} is not in ${repository}`, { digest })
