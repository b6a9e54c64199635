import type { IncomingMessage } from 'node:http'
import { DistributionError } from '../../distribution/index.ts'
import { readBody } from '../read-body.ts'
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
      return await readBody(request, { max: o.max, tooLarge })
    } finally {
      this.#taken -= length
    }
  }
}
