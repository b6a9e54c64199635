import { writeSome } from '../host/transfer.ts'

/**
 * Where a session's output goes: the stream that the main thread reads and, once that has carried much, the client's connection itself.
 * Between the two, output waits until the main thread has passed on all that is in the stream.
 */
export class SessionOutput {
  #fd: number
  /** What the client has not taken yet: nothing more is read from the sources until it has. */
  #pending: Buffer | undefined
  /** The client's connection, before and after the move. */
  #connection: number | undefined
  #isMoving = false
  #sent = 0

  constructor(fd: number) {
    this.#fd = fd
  }

  get fd(): number {
    return this.#fd
  }

  /** Nothing may be sent for the moment. */
  get isBusy(): boolean {
    return this.#pending !== undefined || this.#isMoving
  }

  /** Something waits for the descriptor to take more. */
  get isFull(): boolean {
    return this.#pending !== undefined
  }

  /** The client's connection, if it was given: to be closed in the end. */
  get connection(): number | undefined {
    return this.#connection
  }

  /** How much went into the stream, once it is known that no more will; undefined before. */
  get total(): number | undefined {
    return this.#isMoving && this.#pending === undefined ? this.#sent : undefined
  }

  /** What is not taken at once is copied. False when nobody reads. */
  send(data: Buffer): boolean {
    const sent = writeSome(this.#fd, data)
    if (sent === 'failed') return false
    this.#sent += sent
    if (sent < data.length) this.#pending = Buffer.from(data.subarray(sent))
    return true
  }

  flush(): boolean {
    const data = this.#pending
    if (data === undefined) return true
    const sent = writeSome(this.#fd, data)
    if (sent === 'failed') return false
    this.#sent += sent
    this.#pending = sent < data.length ? data.subarray(sent) : undefined
    return true
  }

  beginMove(connection: number): void {
    this.#connection = connection
    this.#isMoving = true
  }

  endMove(): void {
    if (this.#connection !== undefined) this.#fd = this.#connection
    this.#isMoving = false
  }

  /** Nobody reads any more. */
  drop(): void {
    this.#pending = undefined
    this.#isMoving = false
  }
}
