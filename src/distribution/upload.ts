import { createHash, type Hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rmdir, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { hasCode } from '../lib/errors.ts'
import { Lock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { BatchWriter } from './batch-writer.ts'
import { algorithmOf, type Algorithm, type Digest } from './digest.ts'
import { DistributionError } from './errors.ts'

/** Bytes of the file that are read at once when it is hashed again. */
const readSize = 1 << 20

export interface AppendOptions {
  /** Where the bytes must begin; undefined: wherever the last ones ended. */
  readonly start?: number | undefined
  /** How many bytes were announced; undefined: not known. */
  readonly length?: number | undefined
  /** Most bytes that the whole may have. */
  readonly limit: number
}

/**
 * One blob on its way in: bytes are appended in order and hashed while they come. A request that breaks leaves what had come, and the
 * next goes on there. A later request takes over from an earlier one that still seems to run: its sender has given that up.
 */
export class Upload {
  readonly id: string
  readonly repository: string
  readonly startedAt: Date
  readonly #directory: string
  readonly #data: string
  readonly #onEnd: () => void
  readonly #lock = new Lock()
  /** Of the first `#size` bytes; undefined when that has to be made from the file. */
  #hash: Hash | undefined
  #size: number
  #ended = false
  #usedAt = Date.now()
  #interrupt: (() => void) | undefined

  constructor(o: {
    id: string
    repository: string
    startedAt: Date
    directory: string
    size: number
    onEnd: () => void
  }) {
    this.id = o.id
    this.repository = o.repository
    this.startedAt = o.startedAt
    this.#directory = o.directory
    this.#data = join(o.directory, 'data')
    this.#size = o.size
    this.#onEnd = o.onEnd
    if (o.size === 0) this.#hash = createHash('sha256')
  }

  /** Bytes that are here. */
  get size(): number {
    return this.#size
  }

  /** Nobody uses it, nor has for some milliseconds: whoever comes next can read its state from the disk. */
  isIdle(ms: number): boolean {
    return this.#lock.idle && !this.#ended && this.#usedAt < Date.now() - ms
  }

  /** It is about to be used. */
  touch(): void {
    this.#usedAt = Date.now()
  }

  /**
   * Takes the source to its end. Throws RANGE_INVALID when it does not begin at the end of what is here, SIZE_INVALID when it is not
   * as long as announced, TOO_LARGE beyond the limit; a source that fails leaves what had come. When the disk fails, or the limit is
   * passed, the upload is over and nothing is left.
   */
  async append(op: Op, source: Readable, o: AppendOptions): Promise<void> {
    using _held = await this.#take(op)
    if (o.start !== undefined && o.start !== this.#size)
      throw new DistributionError(
        'RANGE_INVALID',
        `the chunk begins at byte ${o.start}, but ${this.#size} bytes are here`,
      )
    const before = this.#size
    const hash = this.#hash ?? (await this.#rehash(op, 'sha256'))
    this.#hash = undefined
    this.#interrupt = () =>
      source.destroy(new DistributionError('BLOB_UPLOAD_INVALID', 'another request took over the upload'))
    try {
      await this.#receive(source, hash, o)
    } finally {
      this.#interrupt = undefined
    }
    this.#hash = hash
    if (o.length !== undefined && this.#size - before !== o.length)
      throw new DistributionError(
        'SIZE_INVALID',
        `${o.length} bytes were announced, ${this.#size - before} came`,
      )
  }

  /**
   * The bytes have the digest and are on the disk: `use` gets the file, which it may take away. Throws DIGEST_INVALID when they have
   * another. The upload is over in any case.
   */
  async finish<T>(
    op: Op,
    digest: Digest,
    use: (file: { path: string; size: number }) => Promise<T>,
  ): Promise<T> {
    using _held = await this.#take(op)
    const algorithm = algorithmOf(digest)
    const hash = (algorithm === 'sha256' && this.#hash) || (await this.#rehash(op, algorithm))
    const actual = `${algorithm}:${hash.copy().digest('hex')}`
    if (actual !== digest) {
      await this.#end()
      throw new DistributionError(
        'DIGEST_INVALID',
        `the content has the digest ${actual}, not ${digest} as promised`,
        { digest },
      )
    }
    try {
      {
        await using file = await open(this.#data, 'r')
        await file.datasync()
      }
      return await use({ path: this.#data, size: this.#size })
    } finally {
      await this.#end()
    }
  }

  /** Gives it up, and whatever request is under way for it. */
  async remove(op: Op): Promise<void> {
    if (this.#ended) return
    using _held = await this.#take(op)
    await this.#end()
  }

  async #take(op: Op): Promise<Disposable> {
    this.#interrupt?.()
    const held = await this.#lock.acquire(op.signal)
    this.touch()
    if (!this.#ended) return held
    held[Symbol.dispose]()
    throw new DistributionError('BLOB_UPLOAD_UNKNOWN', `the upload ${this.id} is finished or was cancelled`)
  }

  async #receive(source: Readable, hash: Hash, o: AppendOptions): Promise<void> {
    let failure: { readonly error: unknown; readonly fatal: boolean } | undefined
    try {
      await using file = await open(this.#data, 'a', 0o600)
      const writer = new BatchWriter(file)
      try {
        // A request is not to be destroyed with its connection: its sender is to see the answer.
        for await (const chunk of source.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
          if (this.#size + writer.pending + chunk.length > o.limit)
            throw new DistributionError(
              'TOO_LARGE',
              `the blob is larger than the ${o.limit} bytes allowed here`,
            )
          hash.update(chunk)
          this.#size += await writer.add(chunk)
        }
      } catch (error) {
        failure = {
          error,
          fatal: writer.failed || (error instanceof DistributionError && error.code === 'TOO_LARGE'),
        }
      }
      if (!failure?.fatal) this.#size += await writer.flush()
    } catch (error) {
      failure = { error, fatal: true }
    }
    if (!failure) return
    if (failure.fatal) await this.#end()
    // What had come was hashed and written alike: the next request can go on from here.
    else this.#hash = hash
    throw failure.error
  }

  async #rehash(op: Op, algorithm: Algorithm): Promise<Hash> {
    const { size } = await stat(this.#data)
    this.#size = size
    const hash = createHash(algorithm)
    if (size === 0) return hash
    const file = createReadStream(this.#data, { highWaterMark: readSize, end: size - 1, signal: op.signal })
    for await (const chunk of file as AsyncIterable<Buffer>) hash.update(chunk)
    return hash
  }

  async #end(): Promise<void> {
    this.#ended = true
    try {
      await Promise.all([removeFile(this.#data), removeFile(join(this.#directory, 'state'))])
      await rmdir(this.#directory)
    } finally {
      // Known until then: what is left of it is not taken for one of an earlier process.
      this.#onEnd()
    }
  }
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    // What was used is where it belongs.
    if (!hasCode(error, 'ENOENT')) throw error
  })
}
