import { Socket } from 'node:net'
import type { Writable } from 'node:stream'
import { descriptorOf } from '../host/socket.ts'

/** What one read brings at most. Bytes. */
const room = 64 << 10
/** Once this much has passed there will be more: it is worth the trouble to take this thread out of the way. Bytes. */
const loud = 1 << 20

/** The worker's side of a session that becomes loud. */
export interface Loudness {
  /** Called once. */
  readonly loud: () => void
  /** Output is to go to that descriptor itself, once `moved` says so. */
  readonly move: (connection: number) => void
  readonly moved: () => void
}

/**
 * Our end of a stdio session. A stream like any other; poured into a client's connection it needs one buffer for all that passes: a fresh
 * one for each read would have gigabytes of output collected as garbage. When much has passed, the worker writes to the connection itself:
 * each byte is copied twice less, and the main thread is free.
 */
export class RelayStream extends Socket {
  readonly #loudness: Loudness
  #take: (data: Buffer) => boolean
  #received = 0
  /** How much comes this way before the move; undefined while none is under way. */
  #total: number | undefined
  #target: Writable | undefined

  constructor(fd: number, loudness: Loudness) {
    // The callback comes after the constructor.
    const held: { stream?: RelayStream } = {}
    super({
      fd,
      allowHalfOpen: true,
      readable: true,
      writable: true,
      onread: {
        buffer: Buffer.allocUnsafeSlow(room),
        callback: (size, buffer) => {
          const data = Buffer.from(buffer.buffer, buffer.byteOffset, size)
          return held.stream ? held.stream.#receive(data) : false
        },
      },
    })
    held.stream = this
    this.#loudness = loudness
    this.#take = (data) => this.push(Buffer.from(data))
  }

  /** Hands all output on, no faster than it is taken. `unpour()` ends that; the target is not ended. */
  pour(target: Writable): void {
    this.#target = target
    // What came before.
    for (let chunk = this.read() as Buffer | null; chunk !== null; chunk = this.read() as Buffer | null)
      target.write(chunk)
    this.#take = (data) => {
      let waits = false
      target.write(data, () => {
        if (waits && !this.destroyed) this.resume()
        this.#mayMove()
      })
      // Written at once, as a rule: then the buffer is free again. Else it belongs to the target until its callback.
      waits = target.writableLength > 0
      if (waits) this.pause()
      return !waits
    }
    this.resume()
  }

  unpour(): void {
    this.#target = undefined
    this.#take = (data) => this.push(Buffer.from(data))
    this.pause()
  }

  /** The worker has sent that much, and waits until the target has it. */
  moveAfter(total: number): void {
    this.#total = total
    this.#mayMove()
  }

  #receive(data: Buffer): boolean {
    const before = this.#received
    this.#received += data.length
    const goesOn = this.#take(data)
    if (before < loud && this.#received >= loud) this.#becomeLoud()
    return goesOn
  }

  #becomeLoud(): void {
    this.#loudness.loud()
    const connection = this.#target instanceof Socket ? descriptorOf(this.#target) : undefined
    if (connection !== undefined) this.#loudness.move(connection)
  }

  #mayMove(): void {
    if (this.#total !== this.#received || this.#target === undefined || this.#target.writableLength > 0)
      return
    this.#total = undefined
    this.#loudness.moved()
  }
}
