/**
 * Docker's stream framing (`application/vnd.docker.multiplexed-stream`): each chunk of a container without a
 * terminal is preceded by 8 bytes: stream (1 stdout, 2 stderr), three zeros, and the payload's length, big-endian.
 */
export type StreamId = 1 | 2
export const frameHeaderSize = 8

export function frameHeader(stream: StreamId, length: number): Buffer {
  const header = Buffer.alloc(frameHeaderSize)
  header[0] = stream
  header.writeUInt32BE(length, 4)
  return header
}

/** Takes a multiplexed stream apart, whatever the chunking. A header with another stream id throws. */
export class FrameDecoder {
  readonly #onData: (stream: StreamId, data: Buffer, begins: boolean) => void
  readonly #header = Buffer.alloc(frameHeaderSize)
  #headerFilled = 0
  #remaining = 0
  #begins = false

  /** `begins`: the data is the first of its frame. */
  constructor(onData: (stream: StreamId, data: Buffer, begins: boolean) => void) {
    this.#onData = onData
  }

  push(chunk: Buffer): void {
    let offset = 0
    while (offset < chunk.length) {
      if (this.#remaining === 0) {
        const copied = chunk.copy(this.#header, this.#headerFilled, offset)
        offset += copied
        this.#headerFilled += copied
        if (this.#headerFilled < frameHeaderSize) return
        this.#headerFilled = 0
        this.#remaining = this.#header.readUInt32BE(4)
        this.#begins = true
        if (this.#header[0] !== 1 && this.#header[0] !== 2)
          throw new Error(`unknown stream ${this.#header[0]} in a multiplexed stream`)
        continue
      }
      const end = Math.min(chunk.length, offset + this.#remaining)
      this.#remaining -= end - offset
      // The header was checked when it was complete.
      this.#onData(this.#header[0] as StreamId, chunk.subarray(offset, end), this.#begins)
      this.#begins = false
      offset = end
    }
  }
}
