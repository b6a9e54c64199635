import koffi from 'koffi'
import { EngineError } from '../lib/errors.ts'

/** Node itself, which brings zlib along and shows its functions to native modules. */
const node = koffi.load(null)
const zlibVersion = (node.func('const char *zlibVersion()') as () => string)()
const inflateInit2 = node.func('int inflateInit2_(void *, int, const char *, int)') as (
  stream: Buffer,
  windowBits: number,
  version: string,
  size: number,
) => number
const inflate = node.func('int inflate(void *, int)') as (stream: Buffer, flush: number) => number
const inflateReset = node.func('int inflateReset(void *)') as (stream: Buffer) => number
const inflateEnd = node.func('int inflateEnd(void *)') as (stream: Buffer) => number

/** struct z_stream where pointers and longs have 64 bits. */
const streamSize = 112
const at = { nextIn: 0, availIn: 8, nextOut: 24, availOut: 32, message: 48 }
/** 15 bits of window, and a gzip header. */
const gzipBits = 15 + 16
const Z_NO_FLUSH = 0
const Z_OK = 0
const Z_STREAM_END = 1
const Z_BUF_ERROR = -5
const gzipMagic = 0x1f
const outputSize = 1 << 18

/**
 * Decompresses gzip within the call, into memory that is used again for each piece: `node:zlib` goes through another thread
 * and leaves all of its output to the garbage collector. `read` has the piece until it returns. Several streams in a row are
 * one; what follows the last and is none is passed over, as gzip does.
 */
export class Gunzip implements Disposable {
  readonly #read: (plain: Buffer) => void
  readonly #stream = Buffer.alloc(streamSize)
  readonly #output = Buffer.allocUnsafeSlow(outputSize)
  /** `between`: a stream has ended, and nothing has come since. */
  #state: 'within' | 'between' | 'over' = 'within'
  #closed = false

  constructor(read: (plain: Buffer) => void) {
    this.#read = read
    const result = inflateInit2(this.#stream, gzipBits, zlibVersion, streamSize)
    if (result !== Z_OK) throw new EngineError('internal', `zlib cannot decompress (${result})`)
  }

  /** Throws kind `invalid` for damaged data, and what `read` throws. */
  write(data: Buffer): void {
    const stream = this.#stream
    this.#point(at.nextIn, data)
    stream.writeUInt32LE(data.length, at.availIn)
    while (this.#state !== 'over') {
      const left = stream.readUInt32LE(at.availIn)
      if (this.#state === 'between') {
        if (left === 0) return
        this.#state = data[data.length - left] === gzipMagic ? 'within' : 'over'
        if (this.#state === 'over') return
        inflateReset(stream)
      }
      this.#point(at.nextOut, this.#output)
      stream.writeUInt32LE(outputSize, at.availOut)
      const result = inflate(stream, Z_NO_FLUSH)
      if (result !== Z_OK && result !== Z_STREAM_END && result !== Z_BUF_ERROR) throw damaged(this.#message())
      const room = stream.readUInt32LE(at.availOut)
      if (room < outputSize) this.#read(this.#output.subarray(0, outputSize - room))
      if (result === Z_STREAM_END) this.#state = 'between'
      else if (room > 0) return
    }
  }

  /** Throws kind `invalid` when the data was cut off. */
  end(): void {
    if (this.#state === 'within') throw damaged('unexpected end of file')
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    inflateEnd(this.#stream)
  }

  #point(offset: number, to: Buffer): void {
    this.#stream.writeBigUInt64LE(to.length === 0 ? 0n : koffi.address(to), offset)
  }

  #message(): string {
    const message = this.#stream.readBigUInt64LE(at.message)
    return message === 0n ? 'unknown error' : (koffi.decode(message, 'char', -1) as string)
  }
}

const damaged = (why: string) => new EngineError('invalid', `the gzip data is damaged: ${why}`)
