import koffi from 'koffi'
import { EngineError } from '../lib/errors.ts'

/** Node itself, which brings zlib along and shows its functions to native modules. */
const node = koffi.load(null)
const zlibVersion = (node.func('const char *zlibVersion()') as () => string)()
const deflateInit2 = node.func('int deflateInit2_(void *, int, int, int, int, int, const char *, int)') as (
  stream: Buffer,
  level: number,
  method: number,
  windowBits: number,
  memory: number,
  strategy: number,
  version: string,
  size: number,
) => number
const deflate = node.func('int deflate(void *, int)') as (stream: Buffer, flush: number) => number
const deflateEnd = node.func('int deflateEnd(void *)') as (stream: Buffer) => number

/** struct z_stream where pointers and longs have 64 bits. */
const streamSize = 112
const at = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32 }
const Z_DEFLATED = 8
/** 15 bits of window, and a gzip header. */
const gzipBits = 15 + 16
const usualMemory = 8
const Z_DEFAULT_STRATEGY = 0
const Z_NO_FLUSH = 0
const Z_FINISH = 4
const Z_OK = 0
const Z_STREAM_END = 1
const Z_BUF_ERROR = -5
const outputSize = 1 << 18

/** Compresses within the call; what comes out depends on the bytes alone, not on the pieces they came in. */
export class Gzip implements Disposable {
  readonly #send: (packed: Buffer) => void
  readonly #stream = Buffer.alloc(streamSize)
  #output = Buffer.allocUnsafeSlow(outputSize)
  #closed = false

  /** `send` gets pieces with memory of their own. */
  constructor(o: { level: number; send: (packed: Buffer) => void }) {
    this.#send = o.send
    const result = deflateInit2(
      this.#stream,
      o.level,
      Z_DEFLATED,
      gzipBits,
      usualMemory,
      Z_DEFAULT_STRATEGY,
      zlibVersion,
      streamSize,
    )
    if (result !== Z_OK)
      throw new EngineError('internal', `zlib cannot compress at level ${o.level} (${result})`)
    this.#renew()
  }

  write(plain: Buffer): void {
    if (plain.length > 0) this.#run(plain, Z_NO_FLUSH)
  }

  end(): void {
    this.#run(Buffer.alloc(0), Z_FINISH)
    const room = this.#stream.readUInt32LE(at.availOut)
    if (room < outputSize)
      this.#send(Buffer.from(new Uint8Array(this.#output.subarray(0, outputSize - room)).buffer))
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    deflateEnd(this.#stream)
  }

  #run(plain: Buffer, flush: number): void {
    const stream = this.#stream
    stream.writeBigUInt64LE(plain.length === 0 ? 0n : koffi.address(plain), at.nextIn)
    stream.writeUInt32LE(plain.length, at.availIn)
    for (;;) {
      const result = deflate(stream, flush)
      // Nothing more to do is no failure: the output was just full when the input was used up.
      if (result !== Z_OK && result !== Z_STREAM_END && result !== Z_BUF_ERROR)
        throw new EngineError('internal', `zlib failed (${result})`)
      if (stream.readUInt32LE(at.availOut) > 0) return
      this.#send(this.#output)
      this.#output = Buffer.allocUnsafeSlow(outputSize)
      this.#renew()
      if (result === Z_STREAM_END) return
    }
  }

  #renew(): void {
    this.#stream.writeBigUInt64LE(koffi.address(this.#output), at.nextOut)
    this.#stream.writeUInt32LE(outputSize, at.availOut)
  }
}
