import type { FileHandle } from 'node:fs/promises'

const batchSize = 1 << 20

/** Turns the small chunks of a connection into few large writes. */
export class BatchWriter {
  readonly #file: FileHandle
  #chunks: Buffer[] = []
  #pending = 0
  #failed = false

  constructor(file: FileHandle) {
    this.#file = file
  }

  /** Bytes that are not written yet. */
  get pending(): number {
    return this.#pending
  }

  /** True when the file took no more: how much of the last batch it has is not known. */
  get failed(): boolean {
    return this.#failed
  }

  /** How many bytes went into the file by this call. */
  async add(chunk: Buffer): Promise<number> {
    this.#chunks.push(chunk)
    this.#pending += chunk.length
    return this.#pending >= batchSize ? await this.flush() : 0
  }

  /** How many bytes went into the file by this call. */
  async flush(): Promise<number> {
    const size = this.#pending
    let chunks = this.#chunks
    this.#chunks = []
    this.#pending = 0
    try {
      for (let left = size; left > 0;) {
        const { bytesWritten } = await this.#file.writev(chunks)
        left -= bytesWritten
        if (left > 0) chunks = [Buffer.concat(chunks).subarray(bytesWritten)]
      }
    } catch (error) {
      this.#failed = true
      throw error
    }
    return size
  }
}
