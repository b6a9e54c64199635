import type { IncomingMessage } from 'node:http'
import { DistributionError } from '../../distribution/index.ts'
import { Refusal } from './access.ts'

/** What bodies may take of the memory together: slow clients hold theirs for a while. */
export class BodyBudget {
  readonly #total: number
  #taken = 0

  /** Bytes. */
  constructor(total: number) {
    this.#total = total
  }

  /**
   * A body whole; `what` names it. Throws TOO_LARGE, before reading when its length is told, and a Refusal with 429 while too many
   * others are read.
   */
  async read(request: IncomingMessage, o: { max: number; what: string }): Promise<Buffer> {
    const told = request.headers['content-length']
    const length = told === undefined ? o.max : Number(told)
    const tooLarge = () =>
      new DistributionError('TOO_LARGE', `${o.what} is larger than the ${o.max} bytes allowed here`)
    if (length > o.max) throw tooLarge()
    if (this.#taken + length > this.#total)
      throw new Refusal('TOOMANYREQUESTS', 'too many uploads at the same time', {
        headers: { 'Retry-After': '1' },
      })
    this.#taken += length
    try {
      const chunks: Buffer[] = []
      let size = 0
      // Not destroyed when it is too large: its sender is to see the answer.
      for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length
        if (size > o.max) throw tooLarge()
        chunks.push(chunk)
      }
      return Buffer.concat(chunks)
    } finally {
      this.#taken -= length
    }
  }
}
