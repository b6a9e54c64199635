import { Readable } from 'node:stream'
import { EngineError } from '../../lib/errors.ts'

/** A body that is made of several parts, one after the other. What no part took stays in it. */
export class BodyParts {
  readonly #body: Readable

  constructor(body: Readable) {
    this.#body = body
  }

  /** So many bytes. Throws kind `invalid` when the body ends before. */
  async take(length: number, what: string): Promise<Buffer> {
    const chunks: Buffer[] = []
    let missing = length
    while (missing > 0) {
      const chunk = await this.#read()
      if (!chunk) throw new EngineError('invalid', `the request ends before ${what} do`)
      if (chunk.length > missing) this.#body.unshift(chunk.subarray(missing))
      const own = chunk.subarray(0, missing)
      chunks.push(own)
      missing -= own.length
    }
    return Buffer.concat(chunks)
  }

  /** The next part that is written in chunks; it has to be read to its end before the next one is asked for. */
  part(what: string): Readable {
    return Readable.from(this.#chunks(what), { objectMode: false })
  }

  async *#chunks(what: string): AsyncGenerator<Buffer> {
    for (;;) {
      let left = (await this.take(4, what)).readUInt32BE()
      if (left === 0) return
      while (left > 0) {
        const chunk = await this.#read()
        if (!chunk) throw new EngineError('invalid', `the request ends before ${what} do`)
        if (chunk.length > left) this.#body.unshift(chunk.subarray(left))
        const own = chunk.subarray(0, left)
        left -= own.length
        yield own
      }
    }
  }

  /** Some bytes; undefined at the end. */
  async #read(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#body.read() as Buffer | null
      if (chunk !== null) return chunk
      if (this.#body.readableEnded || this.#body.destroyed) return undefined
      await new Promise<void>((resolve) => {
        const done = () => {
          for (const event of ['readable', 'end', 'close', 'error']) this.#body.off(event, done)
          resolve()
        }
        for (const event of ['readable', 'end', 'close', 'error']) this.#body.once(event, done)
      })
      if (this.#body.errored) throw this.#body.errored
    }
  }
}
