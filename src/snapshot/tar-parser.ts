import { EngineError } from '../lib/errors.ts'
import {
  blockSize,
  damaged,
  padded,
  parseHeader,
  parsePax,
  toEntry,
  type RawHeader,
  type TarEntry,
} from './tar-header.ts'

/** What becomes of an archive's entries. An exception ends the parse and is the caller's. */
export interface TarSink {
  entry(entry: TarEntry): void
  /** A piece of the current entry's content; the buffer is the caller's again afterwards. */
  data(chunk: Buffer): void
  /** All `size` bytes of the entry have come. */
  endEntry(): void
}

/** Extended headers longer than this are hostile (the same bound as Go's archive/tar). */
const maxExtended = 1 << 20
const maxName = 4096

/** Takes an uncompressed tar stream in pieces of any size and calls the sink, synchronously. */
export class TarParser {
  readonly #sink: TarSink
  /** Bytes of an unfinished header block or extended header. */
  #pending: Buffer[] = []
  #pendingSize = 0
  #need = blockSize
  #state: 'header' | 'extended' | 'data' | 'padding' | 'done' = 'header'
  #left = 0
  #padding = 0
  #zeroBlocks = 0
  #extended: RawHeader | undefined
  #pax = new Map<string, Buffer>()
  #gnu: { name?: string; linkName?: string } = {}

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  push(chunk: Buffer): void {
    let offset = 0
    while (offset < chunk.length) {
      switch (this.#state) {
        case 'done':
          return
        case 'data': {
          const length = Math.min(this.#left, chunk.length - offset)
          this.#sink.data(chunk.subarray(offset, offset + length))
          offset += length
          this.#left -= length
          if (this.#left === 0) this.#endData()
          break
        }
        case 'padding': {
          const length = Math.min(this.#padding, chunk.length - offset)
          offset += length
          this.#padding -= length
          if (this.#padding === 0) this.#state = 'header'
          break
        }
        case 'header':
        case 'extended': {
          const length = Math.min(this.#need - this.#pendingSize, chunk.length - offset)
          const part = chunk.subarray(offset, offset + length)
          offset += length
          if (length === this.#need && this.#pendingSize === 0) {
            this.#collected(part)
            break
          }
          this.#pending.push(Buffer.from(part))
          this.#pendingSize += length
          if (this.#pendingSize < this.#need) break
          const whole = Buffer.concat(this.#pending)
          this.#pending = []
          this.#pendingSize = 0
          this.#collected(whole)
        }
      }
    }
  }

  /** The stream is over. Throws kind `invalid` when the archive is not. */
  end(): void {
    // Docker's client ends the context that it adds a Dockerfile to without the last entry's padding; Go's reader takes it.
    const atBoundary = this.#state === 'padding' || (this.#state === 'header' && this.#pendingSize === 0)
    if (this.#state !== 'done' && !atBoundary) throw damaged('it ends in the middle of an entry')
    if (
      this.#extended ||
      this.#pax.size > 0 ||
      this.#gnu.name !== undefined ||
      this.#gnu.linkName !== undefined
    )
      throw damaged('it ends with an extended header')
  }

  #collected(data: Buffer): void {
    if (this.#state === 'extended') this.#readExtended(data)
    else this.#readHeader(data)
  }

  #readHeader(block: Buffer): void {
    const raw = parseHeader(block)
    if (!raw) {
      if (++this.#zeroBlocks === 2) this.#state = 'done'
      return
    }
    if (this.#zeroBlocks > 0) throw damaged('an entry follows its end mark')
    if ('xgLK'.includes(raw.flag)) {
      if (raw.size < 0 || raw.size > maxExtended)
        throw new EngineError(
          'invalid',
          `the archive has an extended header of ${raw.size} bytes: more than the ${maxExtended} allowed`,
        )
      this.#extended = raw
      this.#need = padded(raw.size)
      this.#state = 'extended'
      if (this.#need === 0) this.#readExtended(Buffer.alloc(0))
      return
    }
    const entry = toEntry(raw, this.#pax, this.#gnu)
    this.#pax = new Map()
    this.#gnu = {}
    if (entry.name.length > maxName || entry.linkName.length > maxName)
      throw damaged(`a name has ${Math.max(entry.name.length, entry.linkName.length)} bytes`)
    this.#sink.entry(entry)
    this.#left = entry.size
    this.#padding = padded(entry.size) - entry.size
    if (entry.size > 0) this.#state = 'data'
    else this.#sink.endEntry()
  }

  #endData(): void {
    this.#state = this.#padding > 0 ? 'padding' : 'header'
    this.#sink.endEntry()
  }

  #readExtended(data: Buffer): void {
    const raw = this.#extended
    this.#extended = undefined
    this.#need = blockSize
    this.#state = 'header'
    if (!raw) return
    const body = data.subarray(0, raw.size)
    if (raw.flag === 'x') for (const [key, value] of parsePax(body)) this.#pax.set(key, value)
    // Global records carry comments (git's commit id); Docker and Go's reader give them no effect either.
    if (raw.flag === 'g') parsePax(body)
    const end = body.indexOf(0)
    const name = body.toString('latin1', 0, end < 0 ? body.length : end)
    if (raw.flag === 'L') this.#gnu.name = name
    if (raw.flag === 'K') this.#gnu.linkName = name
  }
}
