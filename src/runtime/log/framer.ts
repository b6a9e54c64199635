import { frameHeaderSize } from '../../wire/frame.ts'
import { endsLine, isRecord, streamAt, textOffset, timeAt, timestampAt } from './line.ts'

const newline = 0x0a

export interface FrameOptions {
  readonly since?: bigint
  readonly until?: bigint
  readonly timestamps: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  readonly framing: 'multiplexed' | 'raw'
  /** Stands before each line, with a space after it; empty is a space alone (`--details`). */
  readonly details?: string
}

/** Turns log records into what clients read: text, in Docker's frames unless the container has a terminal. */
export class LogFramer {
  readonly #o: FrameOptions
  readonly #details: Buffer | undefined
  #reached: boolean
  /** Streams (1, 2) whose last record did not end its line. */
  readonly #midLine: [boolean, boolean, boolean] = [false, false, false]

  constructor(o: FrameOptions) {
    this.#o = o
    this.#reached = o.since === undefined
    this.#details = o.details === undefined ? undefined : Buffer.from(`${o.details} `)
  }

  /**
   * Whole records in, bytes out. Neighbouring records of one stream share a frame: cheaper for both sides, and the
   * text is the same. `done` when a record after `until` was met.
   */
  frame(data: Buffer): { output: Buffer; done: boolean } {
    const o = this.#o
    const framed = o.framing === 'multiplexed'
    // A record's head is longer than a frame's header and a timestamp together.
    const output = Buffer.allocUnsafe(data.length + frameHeaderSize + this.#roomForDetails(data))
    let length = 0
    let frameStart = -1
    let frameStream = 0
    let done = false
    const closeFrame = () => {
      if (framed && frameStart >= 0)
        output.writeUInt32BE(length - frameStart - frameHeaderSize, frameStart + 4)
      frameStart = -1
    }
    for (let record = 0; record < data.length;) {
      const end = data.indexOf(newline, record)
      const stream = streamAt(data, record)
      const whole = endsLine(data, record)
      const start = record + textOffset
      const head = record
      record = end + 1
      if (!isRecord(data, head) || end < start) continue
      if (stream === 1 ? !o.stdout : !o.stderr) continue
      // Records are in the order of time: after the first that counts, all do.
      if (!this.#reached && timeAt(data, head) < (o.since ?? 0n)) continue
      this.#reached = true
      if (o.until !== undefined && timeAt(data, head) > o.until) {
        done = true
        break
      }
      if (framed && (frameStart < 0 || frameStream !== stream)) {
        closeFrame()
        frameStart = length
        frameStream = stream
        output.writeUInt32BE(stream << 24, length)
        length += frameHeaderSize
      }
      if (o.timestamps && !this.#midLine[stream])
        length += output.write(`${timestampAt(data, head)} `, length, 'latin1')
      if (this.#details && !this.#midLine[stream]) length += this.#details.copy(output, length)
      // The newline is the record's own: it is left out where the line goes on.
      length += data.copy(output, length, start, whole ? end + 1 : end)
      this.#midLine[stream] = !whole
    }
    closeFrame()
    return { output: output.subarray(0, length), done }
  }

  #roomForDetails(data: Buffer): number {
    if (!this.#details) return 0
    let lines = 0
    for (let at = data.indexOf(newline); at >= 0; at = data.indexOf(newline, at + 1)) lines++
    return lines * this.#details.length
  }
}
