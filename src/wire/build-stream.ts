/**
 * The answer to a build whose outputs travel to the client: channel 0 has the BuildEvents as NDJSON, channel n the tar
 * of output n (counted from 1). Each piece is preceded by 8 bytes: channel, three zeros, and the piece's length,
 * big-endian. A piece without bytes ends its channel: a channel without such an end is cut off.
 */
export const buildStreamType = 'application/vnd.gantry.build-stream'
export const maxOutputs = 100

const headerSize = 8

export function pieceHeader(channel: number, length: number): Buffer {
  const header = Buffer.alloc(headerSize)
  header[0] = channel
  header.writeUInt32BE(length, 4)
  return header
}

export interface Piece {
  readonly channel: number
  readonly data: Buffer
  /** The channel is complete. */
  readonly end: boolean
}

/** Takes such a stream apart, whatever the chunking; pieces may come in parts. */
export class PieceDecoder {
  readonly #header = Buffer.alloc(headerSize)
  #filled = 0
  #remaining = 0

  #channel(): number {
    return this.#header[0] ?? 0
  }

  *push(chunk: Buffer): Generator<Piece> {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#remaining > 0) {
        const end = Math.min(chunk.length, offset + this.#remaining)
        this.#remaining -= end - offset
        yield { channel: this.#channel(), data: chunk.subarray(offset, end), end: false }
        offset = end
        continue
      }
      const copied = chunk.copy(this.#header, this.#filled, offset)
      offset += copied
      this.#filled += copied
      if (this.#filled < headerSize) return
      this.#filled = 0
      this.#remaining = this.#header.readUInt32BE(4)
      if (this.#remaining === 0) yield { channel: this.#channel(), data: Buffer.alloc(0), end: true }
    }
  }
}
