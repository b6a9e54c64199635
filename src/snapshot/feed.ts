import { windowSize, type ToWorker } from './jobs.ts'

/** A job that goes on in a worker. */
export interface Session {
  readonly id: number
  readonly done: Promise<unknown>
  send(message: ToWorker): void
  /** Makes `done` reject with this, once the worker has stopped. */
  abort(error: Error): void
}

/** The worker has used up so many bytes, and gives their memory back. */
export type Ack = (bytes: number, memory: ArrayBuffer) => void

const batchSize = 1 << 18

/**
 * The input of a job on its way to the worker: few messages in place of many, in memory that goes back and forth, and no more
 * of it at a time than a window.
 */
export class Feed {
  readonly session: Session
  readonly #spare: ArrayBuffer[] = []
  #batch: Buffer | undefined
  #used = 0
  #inFlight = 0
  #failure: Error | undefined
  #waiting: { resolve(): void; reject(error: Error): void } | undefined

  constructor(start: (ack: Ack) => Session) {
    this.session = start((bytes, memory) => {
      if (memory.byteLength === batchSize) this.#spare.push(memory)
      this.#inFlight -= bytes
      if (this.#inFlight <= windowSize) this.#waiting?.resolve()
    })
  }

  /** The bytes are copied. A promise: the job is behind, and the next write waits for it. Throws what `fail` was told. */
  write(chunk: Buffer): Promise<void> | undefined {
    if (this.#failure) throw this.#failure
    for (let taken = 0; taken < chunk.length;) {
      this.#batch ??= this.#memory()
      const count = chunk.copy(this.#batch, this.#used, taken)
      taken += count
      this.#used += count
      if (this.#used === batchSize) this.#send(this.#batch)
    }
    if (this.#inFlight <= windowSize) return undefined
    return new Promise((resolve, reject) => (this.#waiting = { resolve, reject }))
  }

  end(): void {
    if (this.#failure) return
    // What is left has memory of just its size.
    if (this.#batch && this.#used > 0)
      this.#send(Buffer.from(new Uint8Array(this.#batch.subarray(0, this.#used)).buffer))
    this.session.send({ type: 'end', id: this.session.id })
  }

  /** The job is over before its time. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#waiting?.reject(error)
  }

  #send(batch: Buffer): void {
    this.#batch = undefined
    this.#used = 0
    this.#inFlight += batch.length
    this.session.send({ type: 'chunk', id: this.session.id, chunk: batch })
  }

  #memory(): Buffer {
    const memory = this.#spare.pop()
    return memory ? Buffer.from(memory) : Buffer.allocUnsafeSlow(batchSize)
  }
}
