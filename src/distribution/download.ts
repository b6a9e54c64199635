import { createHash, randomBytes, type Hash } from 'node:crypto'
import { open, rm, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { EngineError, hasCode, messageOf } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import type { Digest } from './digest.ts'
import type { ByteRange } from './storage.ts'

/** Bytes that are read at once from the file, for somebody who follows. */
const readSize = 256 << 10

/**
 * A blob on its way from an upstream: it comes once, into a file, and everybody who wants it reads that file while it grows. The last
 * byte is given to nobody before the digest is verified: who has a whole blob has the right one.
 */
export class Download {
  readonly digest: Digest
  readonly size: number
  /** Resolves when it is over; rejects when it failed. Somebody has to look. */
  readonly done: Promise<void>
  readonly #path: string
  #received = 0
  #verified = false
  #failure: unknown
  #progress = Promise.withResolvers<void>()

  constructor(
    op: Op,
    o: {
      digest: Digest
      size: number
      directory: string
      source: (op: Op) => Promise<Readable>
      /** Takes the verified file, which is on the disk. */
      keep: (file: string) => Promise<void>
    },
  ) {
    this.digest = o.digest
    this.size = o.size
    this.#path = join(o.directory, randomBytes(12).toString('hex'))
    this.done = this.#run(op, o)
  }

  /** The bytes of the range as they come; fails when the download does. Undefined: it is over, and the blob is in the storage. */
  async follow(op: Op, range: ByteRange): Promise<Readable | undefined> {
    while (this.#received === 0 && !this.#verified && this.#failure === undefined) await this.#wait(op)
    // A copy that was right and could not be kept is asked for again.
    if (this.#failure !== undefined) throw this.#failed()
    let file: FileHandle
    try {
      // Whatever becomes of the file when the download is over: what is open stays readable.
      file = await open(this.#path, 'r')
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      if (this.#failure !== undefined) throw this.#failed()
      return undefined
    }
    const stream = Readable.from(this.#read(op, { file, range }), {
      objectMode: false,
      highWaterMark: readSize,
    })
    // Not by the generator: it does not run when the reader goes before it reads.
    stream.once('close', () => void file.close())
    return stream
  }

  async *#read(op: Op, o: { file: FileHandle; range: ByteRange }): AsyncGenerator<Buffer> {
    const { file } = o
    const end = o.range.end + 1
    for (let position = o.range.start; position < end;) {
      const available = Math.min(end, this.#verified ? this.size : Math.min(this.#received, this.size - 1))
      if (position >= available) {
        if (this.#failure !== undefined) throw this.#failed()
        await this.#wait(op)
        continue
      }
      const buffer = Buffer.allocUnsafe(Math.min(readSize, available - position))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
      if (bytesRead === 0) throw new EngineError('internal', `the copy of blob ${this.digest} was cut off`)
      position += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
  }

  async #run(
    op: Op,
    o: { source: (op: Op) => Promise<Readable>; keep: (file: string) => Promise<void> },
  ): Promise<void> {
    try {
      {
        await using file = await open(this.#path, 'wx', 0o600)
        const hash = createHash('sha256')
        await this.#receive(await o.source(op), { file, hash })
        const actual = `sha256:${hash.digest('hex')}`
        if (this.#received !== this.size || actual !== this.digest)
          throw new EngineError(
            'unavailable',
            `the upstream sent ${this.#received} bytes with the digest ${actual} for ${this.digest} of ${this.size} bytes`,
          )
        // Whoever follows has all of it, whatever becomes of the copy.
        this.#verified = true
        this.#moved()
        await file.datasync()
      }
      await o.keep(this.#path)
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#moved()
      await rm(this.#path, { force: true })
    }
  }

  async #receive(source: Readable, o: { file: FileHandle; hash: Hash }): Promise<void> {
    for await (const chunk of source as AsyncIterable<Buffer>) {
      if (this.#received + chunk.length > this.size)
        throw new EngineError(
          'unavailable',
          `the upstream sends more than the ${this.size} bytes of ${this.digest}`,
        )
      o.hash.update(chunk)
      for (let written = 0; written < chunk.length;)
        written += (await o.file.write(chunk, written, chunk.length - written)).bytesWritten
      this.#received += chunk.length
      this.#moved()
    }
  }

  #moved(): void {
    this.#progress.resolve()
    this.#progress = Promise.withResolvers()
  }

  async #wait(op: Op): Promise<void> {
    const aborted = Promise.withResolvers<never>()
    const onAbort = () => aborted.reject(abortReason(op.signal))
    op.signal.throwIfAborted()
    op.signal.addEventListener('abort', onAbort, { once: true })
    try {
      await Promise.race([this.#progress.promise, aborted.promise])
    } finally {
      op.signal.removeEventListener('abort', onAbort)
    }
  }

  #failed(): EngineError {
    return new EngineError('unavailable', `Cannot copy blob ${this.digest}: ${messageOf(this.#failure)}`, {
      cause: this.#failure,
    })
  }
}
