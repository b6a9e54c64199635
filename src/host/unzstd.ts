import koffi from 'koffi'
import { EngineError } from '../lib/errors.ts'

/** Node itself, which brings zstd along and shows its functions to native modules. */
const node = koffi.load(null)
const createContext = node.func('void *ZSTD_createDStream()') as () => bigint | null
const freeContext = node.func('size_t ZSTD_freeDStream(void *)') as (context: bigint) => number
const decompress = node.func('size_t ZSTD_decompressStream(void *, void *, void *)') as (
  context: bigint,
  output: Buffer,
  input: Buffer,
) => number | bigint
const isError = node.func('unsigned int ZSTD_isError(size_t)') as (code: number | bigint) => number
const errorName = node.func('const char *ZSTD_getErrorName(size_t)') as (code: number | bigint) => string

/** struct ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position. */
const at = { pointer: 0, size: 8, position: 16 }
const structSize = 24
const outputSize = 1 << 18

/** Decompresses zstd as Gunzip does gzip: within the call, into memory that is used again. Frames in a row are one. */
export class Unzstd implements Disposable {
  readonly #read: (plain: Buffer) => void
  readonly #output = Buffer.allocUnsafeSlow(outputSize)
  readonly #in = Buffer.alloc(structSize)
  readonly #out = Buffer.alloc(structSize)
  #context: bigint | undefined
  /** In the middle of a frame. */
  #within = true

  constructor(read: (plain: Buffer) => void) {
    this.#read = read
    const context = createContext()
    if (context === null) throw new EngineError('internal', 'zstd cannot decompress: no memory')
    this.#context = context
    this.#out.writeBigUInt64LE(koffi.address(this.#output), at.pointer)
    this.#out.writeBigUInt64LE(BigInt(outputSize), at.size)
  }

  /** Throws kind `invalid` for damaged data, and what `read` throws. */
  write(data: Buffer): void {
    if (this.#context === undefined || data.length === 0) return
    this.#in.writeBigUInt64LE(koffi.address(data), at.pointer)
    this.#in.writeBigUInt64LE(BigInt(data.length), at.size)
    this.#in.writeBigUInt64LE(0n, at.position)
    for (;;) {
      this.#out.writeBigUInt64LE(0n, at.position)
      const result = decompress(this.#context, this.#out, this.#in)
      if (isError(result) !== 0) throw damaged(errorName(result))
      this.#within = Number(result) !== 0
      const length = Number(this.#out.readBigUInt64LE(at.position))
      if (length > 0) this.#read(this.#output.subarray(0, length))
      // Room left in the output: what was there to be said has been said.
      if (Number(this.#in.readBigUInt64LE(at.position)) === data.length && length < outputSize) return
    }
  }

  /** Throws kind `invalid` when the data was cut off. */
  end(): void {
    if (this.#within) throw damaged('unexpected end of file')
  }

  [Symbol.dispose](): void {
    if (this.#context !== undefined) freeContext(this.#context)
    this.#context = undefined
  }
}

const damaged = (why: string) => new EngineError('invalid', `the zstd data is damaged: ${why}`)
