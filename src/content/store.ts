import { createHash, randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, open, readdir, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { digestOf, hexOf, type Digest } from '../lib/digest.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import type { Lease } from '../store/index.ts'

export interface Blob {
  readonly digest: Digest
  readonly size: number
}

export interface Ingest extends AsyncDisposable {
  readonly path: string
  commit(digest: Digest): Promise<void>
}

const batchSize = 1 << 20

/** Blobs in `<root>/blobs/sha256/<hex>`; what is being written is in `<root>/ingest`. */
export class ContentStore {
  readonly #blobs: string
  readonly #ingest: string

  private constructor(root: string) {
    this.#blobs = join(root, 'blobs', 'sha256')
    this.#ingest = join(root, 'ingest')
  }

  static async open(root: string): Promise<ContentStore> {
    const store = new ContentStore(root)
    await mkdir(store.#blobs, { recursive: true, mode: 0o700 })
    await mkdir(store.#ingest, { recursive: true, mode: 0o700 })
    return store
  }

  /** Where a blob is, or would be. For readers that want the file itself; nobody may write there. */
  path(digest: Digest): string {
    return join(this.#blobs, hexOf(digest))
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#stat(digest)) !== undefined
  }

  /** Bytes. Throws kind `not-found`. */
  async size(digest: Digest): Promise<number> {
    const size = await this.#stat(digest)
    if (size === undefined) throw missing(digest)
    return size
  }

  /** The stream fails with ENOENT when there is no such blob. */
  read(digest: Digest): Readable {
    return createReadStream(this.path(digest), { highWaterMark: batchSize })
  }

  /** A small blob whole. Throws kind `not-found`, or `invalid` when it is longer than `max` bytes. */
  async bytes(digest: Digest, max: number): Promise<Buffer> {
    try {
      await using file = await open(this.path(digest))
      const { size } = await file.stat()
      if (size > max)
        throw new EngineError(
          'invalid',
          `content ${digest} has ${size} bytes: more than the ${max} allowed here`,
        )
      return await file.readFile()
    } catch (error) {
      if (hasCode(error, 'ENOENT')) throw missing(digest)
      throw error
    }
  }

  /**
   * Stores a stream. Throws kind `invalid` when it does not have the `expected` digest or is longer than `maxBytes`;
   * nothing is left of a failed write. The source is destroyed in any case. `lease` holds the blob before it is there.
   * `sync: false`: the bytes reach the disk in their own time; for a caller who throws the blob away after a power failure.
   */
  async write(
    op: Op,
    source: Readable,
    o: { expected?: Digest; maxBytes?: number; lease?: Lease; sync?: boolean } = {},
  ): Promise<Blob> {
    const temporary = join(this.#ingest, randomBytes(8).toString('hex'))
    const hash = createHash('sha256')
    let size = 0
    const cancel = () => source.destroy(abortReason(op.signal))
    // The loop below reports it; until that runs, an early failure must not count as unhandled.
    source.on('error', () => {})
    try {
      op.signal.throwIfAborted()
      op.signal.addEventListener('abort', cancel, { once: true })
      {
        await using file = await open(temporary, 'wx', 0o600)
        const batch = new Batch(file)
        for await (const chunk of source as AsyncIterable<Buffer>) {
          size += chunk.length
          if (o.maxBytes !== undefined && size > o.maxBytes)
            throw new EngineError('invalid', `content is larger than the ${o.maxBytes} bytes allowed`)
          hash.update(chunk)
          await batch.add(chunk)
        }
        op.signal.throwIfAborted()
        await batch.flush()
        if (o.sync ?? true) await file.sync()
      }
      const digest: Digest = `sha256:${hash.digest('hex')}`
      if (o.expected !== undefined && o.expected !== digest)
        throw new EngineError('invalid', `content has the digest ${digest}, not ${o.expected} as promised`)
      o.lease?.add(`blob:${digest}`)
      await rename(temporary, this.path(digest))
      return { digest, size }
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    } finally {
      op.signal.removeEventListener('abort', cancel)
      source.destroy()
    }
  }

  /**
   * For a caller who writes the bytes and checks the digest himself: a file to be made at `path`, which `commit` turns into the
   * blob. Disposed, it is gone if that did not happen. It reaches the disk in its own time, as with `sync: false`.
   */
  ingest(): Ingest {
    const path = join(this.#ingest, randomBytes(8).toString('hex'))
    return {
      path,
      commit: (digest) => rename(path, this.path(digest)),
      [Symbol.asyncDispose]: () => rm(path, { force: true }),
    }
  }

  async put(op: Op, data: Uint8Array): Promise<Digest> {
    const digest = digestOf(data)
    if (!(await this.has(digest))) await this.write(op, Readable.from([data]), { expected: digest })
    return digest
  }

  /** False when there was none. */
  async delete(digest: Digest): Promise<boolean> {
    try {
      await rm(this.path(digest))
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  async list(): Promise<Digest[]> {
    const names = await readdir(this.#blobs)
    return names.filter((name) => /^[0-9a-f]{64}$/.test(name)).map((name): Digest => `sha256:${name}`)
  }

  /** At boot only: takes away half-written content and every blob that is not kept. */
  async reconcile(op: Op, keep: (digest: Digest) => boolean): Promise<void> {
    for (const name of await readdir(this.#ingest)) await rm(join(this.#ingest, name), { force: true })
    for (const digest of await this.list()) {
      if (keep(digest)) continue
      op.log.info('content is not referenced: removed', { digest })
      await this.delete(digest)
    }
  }

  async #stat(digest: Digest): Promise<number | undefined> {
    try {
      return (await stat(this.path(digest))).size
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined
      throw error
    }
  }
}

/** Turns many small writes into few large ones. */
class Batch {
  readonly #file: FileHandle
  #chunks: Buffer[] = []
  #size = 0

  constructor(file: FileHandle) {
    this.#file = file
  }

  async add(chunk: Buffer): Promise<void> {
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size >= batchSize) await this.flush()
  }

  async flush(): Promise<void> {
    let pending = this.#chunks
    let left = this.#size
    this.#chunks = []
    this.#size = 0
    while (left > 0) {
      const { bytesWritten } = await this.#file.writev(pending)
      left -= bytesWritten
      if (left > 0) pending = [Buffer.concat(pending).subarray(bytesWritten)]
    }
  }
}

function missing(digest: Digest): EngineError {
  return new EngineError('not-found', `content ${digest} is missing`)
}
