import type { Readable } from 'node:stream'
import type { Op } from '../lib/op.ts'
import { Blobs, type BlobsOptions } from './blobs.ts'
import type { Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import { blobKey, linkKey } from './layout.ts'
import { refuse, type Origin } from './origin.ts'
import type { ByteRange, ObjectStat } from './storage.ts'
import type { Upload } from './upload.ts'

/** Blobs of a copy: what is not here is streamed from the upstream while it is kept. */
export class CachedBlobs extends Blobs {
  readonly #o: BlobsOptions & Origin

  constructor(o: BlobsOptions & Origin) {
    super(o)
    this.#o = o
  }

  override async stat(op: Op, digest: Digest): Promise<ObjectStat> {
    const { pullThrough, upstream, storage, holds, repository } = this.#o
    const coming = pullThrough.underWay(repository, digest)
    if (coming) return { size: coming.size, modified: new Date() }
    try {
      const found = await super.stat(op, digest)
      pullThrough.use.touch(digest)
      return found
    } catch (error) {
      if (!(error instanceof DistributionError && error.code === 'BLOB_UNKNOWN')) throw error
      // Asked even when another repository has the blob: whether this one has is the upstream's to say.
      const size = await pullThrough.once(`${repository}#${digest}`, (each) =>
        upstream.blobSize(each, digest),
      )
      if (size === undefined) throw error
      await holds.hold(digest)
      const other = await storage.stat(op, blobKey(digest))
      if (other?.size === size) await storage.write(op, linkKey(repository, digest), new Uint8Array())
      return { size, modified: new Date() }
    }
  }

  override async promise(op: Op, digest: Digest): Promise<ObjectStat> {
    return await this.stat(op, digest)
  }

  override async read(op: Op, digest: Digest, range?: ByteRange): Promise<Readable> {
    try {
      return await super.read(op, digest, range)
    } catch (error) {
      if (!(error instanceof DistributionError && error.code === 'BLOB_UNKNOWN')) throw error
      const { pullThrough, upstream } = this.#o
      const { size } = await this.stat(op, digest)
      const download = pullThrough.download(upstream, { ...this.#o, digest, size })
      const stream = await download.follow(op, range ?? { start: 0, end: size - 1 })
      return stream ?? (await super.read(op, digest, range))
    }
  }

  override start(): Promise<Upload> {
    return refuse(this.#o)
  }

  override upload(): Promise<Upload> {
    return refuse(this.#o)
  }

  override mount(): Promise<boolean> {
    return refuse(this.#o)
  }
}
