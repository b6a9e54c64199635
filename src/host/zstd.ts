import koffi from 'koffi'
import { EngineError } from '../lib/errors.ts'

/** Node itself, which brings zstd along and shows its functions to native modules. */
const node = koffi.load(null)
const createContext = node.func('void *ZSTD_createCCtx()') as () => bigint | null
const freeContext = node.func('size_t ZSTD_freeCCtx(void *)') as (context: bigint) => number
const setParameter = node.func('size_t ZSTD_CCtx_setParameter(void *, int, int)') as (
  context: bigint,
  parameter: number,
  value: number,
) => number | bigint
const compress = node.func('size_t ZSTD_compressStream2(void *, void *, void *, int)') as (
  context: bigint,
  output: Buffer,
  input: Buffer,
  directive: number,
) => number | bigint
const isError = node.func('unsigned int ZSTD_isError(size_t)') as (code: number | bigint) => number
const errorName = node.func('const char *ZSTD_getErrorName(size_t)') as (code: number | bigint) => string

/** struct ZSTD_inBuffer and ZSTD_outBuffer: pointer, size, position. */
const at = { pointer: 0, size: 8, position: 16 }
const structSize = 24
const ZSTD_c_compressionLevel = 100
const ZSTD_e_continue = 0
const ZSTD_e_end = 2
const outputSize = 1 << 18

/** As Gzip does, for zstd. */
export class Zstd implements Disposable {
  readonly #send: (packed: Buffer) => void
  readonly #in = Buffer.alloc(structSize)
  readonly #out = Buffer.alloc(structSize)
  #output = Buffer.allocUnsafeSlow(outputSize)
  #context: bigint | undefined

  /** `send` gets pieces with memory of their own. */
  constructor(o: { level: number; send: (packed: Buffer) => void }) {
    this.#send = o.send
    const context = createContext()
    if (context === null) throw new EngineError('internal', 'zstd cannot compress: no memory')
    this.#context = context
    checked(setParameter(context, ZSTD_c_compressionLevel, o.level))
    this.#renew()
  }

  write(plain: Buffer): void {
    if (plain.length > 0) this.#run(plain, ZSTD_e_continue)
  }

  end(): void {
    this.#run(Buffer.alloc(0), ZSTD_e_end)
    const used = this.#used
    if (used > 0) this.#send(Buffer.from(new Uint8Array(this.#output.subarray(0, used)).buffer))
  }

  [Symbol.dispose](): void {
    if (this.#context !== undefined) freeContext(this.#context)
    this.#context = undefined
  }

  get #used(): number {
    return Number(this.#out.readBigUInt64LE(at.position))
  }

  #run(plain: Buffer, directive: number): void {
    if (this.#context === undefined) return
    this.#in.writeBigUInt64LE(plain.length === 0 ? 0n : koffi.address(plain), at.pointer)
    this.#in.writeBigUInt64LE(BigInt(plain.length), at.size)
    this.#in.writeBigUInt64LE(0n, at.position)
    for (;;) {
      const left = checked(compress(this.#context, this.#out, this.#in, directive))
      const taken = Number(this.#in.readBigUInt64LE(at.position)) === plain.length
      if (this.#used < outputSize && taken && (directive === ZSTD_e_continue || left === 0)) return
      if (this.#used < outputSize) continue
      this.#send(this.#output)
      this.#output = Buffer.allocUnsafeSlow(outputSize)
      this.#renew()
    }
  }

  #renew(): void {
    this.#out.writeBigUInt64LE(koffi.address(this.#output), at.pointer)
    this.#out.writeBigUInt64LE(BigInt(outputSize), at.size)
    this.#out.writeBigUInt64LE(0n, at.position)
  }
}

/** What the function returned, or its error. */
function checked(result: number | bigint): number {
  if (isError(result) !== 0) throw new EngineError('internal', `zstd failed: ${errorName(result)}`)
  return Number(result)
}
