import { readSome } from '../host/transfer.ts'
import { frameHeaderSize, type StreamId } from '../wire/frame.ts'

/** What one turn of a session moves at most, so that a loud one does not keep others waiting. Bytes. */
const turnSize = 256 << 10
/** conmon's packets hold 8 KiB and the byte that names the stream; newer ones may hold more. */
const packetRoom = 64 << 10

export interface Wishes {
  /** Docker's headers before each run of one stream's bytes. */
  readonly framed: boolean
  readonly wants: (stream: StreamId) => boolean
}

/** How a source is after a turn: there may be more at once, nothing for the moment, or never again. */
export type SourceState = 'more' | 'empty' | 'ended'

/**
 * The output of one session's turn, read straight to where it is sent from. One for all sessions: what is in it is sent or copied before
 * the next turn.
 */
export class TurnBuffer {
  readonly #memory = Buffer.alloc(turnSize + packetRoom + 2 * frameHeaderSize)
  #begin = 0
  #end = 0

  get data(): Buffer {
    return this.#memory.subarray(this.#begin, this.#end)
  }

  /** From a pipe or a terminal. */
  readBytes(fd: number, stream: StreamId, { framed, wants }: Wishes): SourceState {
    const begin = framed ? frameHeaderSize : 0
    const wanted = wants(stream)
    let at = begin
    let state: SourceState = 'more'
    // Counted apart from `at`, which stands still while output is dropped.
    for (let taken = 0; taken < turnSize;) {
      const size = readSome(fd, this.#memory.subarray(at), this.#memory.length - at)
      if (typeof size === 'string' || size === 0) {
        state = size === 'empty' ? 'empty' : 'ended'
        break
      }
      taken += size
      if (wanted) at += size
    }
    this.#begin = this.#end = 0
    if (at > begin) {
      if (framed) this.#writeHeader(0, stream, at - begin)
      this.#end = at
    }
    return state
  }

  /** From conmon's attach socket: each packet starts with a byte, 2 for stdout and 3 for stderr. */
  readPackets(fd: number, { framed, wants }: Wishes): SourceState {
    // One byte ahead, so that the first packet's byte has room before its payload.
    this.#begin = framed ? 0 : 1
    const memory = this.#memory
    let at = this.#begin
    let frame: { at: number; stream: StreamId } | undefined
    let state: SourceState = 'more'
    for (let taken = 0; taken < turnSize;) {
      // Before its payload: over a byte that is put back, or where a header will be.
      const lead = framed && !frame ? at + frameHeaderSize - 1 : at - 1
      const overwritten = memory[lead] ?? 0
      const size = readSome(fd, memory.subarray(lead), packetRoom)
      if (typeof size === 'string' || size === 0) {
        state = size === 'empty' ? 'empty' : 'ended'
        break
      }
      taken += size
      // conmon's protocol: nothing else comes.
      const stream = ((memory[lead] ?? 0) - 1) as StreamId
      memory[lead] = overwritten
      if (!wants(stream)) continue
      if (framed && frame?.stream !== stream) {
        if (frame) {
          this.#writeHeader(frame.at, frame.stream, at - frame.at - frameHeaderSize)
          memory.copyWithin(at + frameHeaderSize, at, at + size - 1)
        }
        frame = { at, stream }
        at += frameHeaderSize
      }
      at += size - 1
    }
    if (frame) this.#writeHeader(frame.at, frame.stream, at - frame.at - frameHeaderSize)
    this.#end = at
    return state
  }

  #writeHeader(at: number, stream: StreamId, size: number): void {
    this.#memory.writeUInt32BE(stream << 24, at)
    this.#memory.writeUInt32BE(size, at + 4)
  }
}
