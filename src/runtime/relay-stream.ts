import { Socket } from 'node:net'
import type { Writable } from 'node:stream'

/** What one read brings at most. Bytes. */
const room = 64 << 10

/**
 * Our end of a stdio session. A stream like any other; poured into a client's connection it needs one buffer for all that passes: a fresh
 * one for each read would have gigabytes of output collected as garbage.
 */
export class RelayStream extends Socket {
  #take: (data: Buffer) => boolean

  constructor(fd: number) {
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
          return held.stream ? held.stream.#take(data) : false
        },
      },
    })
    held.stream = this
    this.#take = (data) => this.push(Buffer.from(data))
  }

  /** Hands all output on, no faster than it is taken. `unpour()` ends that; the target is not ended. */
  pour(target: Writable): void {
    // What came before.
    for (let chunk = this.read() as Buffer | null; chunk !== null; chunk = this.read() as Buffer | null)
      target.write(chunk)
    this.#take = (data) => {
      let waits = false
      target.write(data, () => {
        if (waits && !this.destroyed) this.resume()
      })
      // Written at once, as a rule: then the buffer is free again. Else it belongs to the target until its callback.
      waits = target.writableLength > 0
      if (waits) this.pause()
      return !waits
    }
    this.resume()
  }

  unpour(): void {
    this.#take = (data) => this.push(Buffer.from(data))
    this.pause()
  }
}
