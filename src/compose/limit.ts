/** Lets at most `size` pieces of work go on at once (COMPOSE_PARALLEL_LIMIT); others wait for their turn. */
export class Limit {
  #free: number
  readonly #waiting: (() => void)[] = []

  /** Zero and less: no limit. */
  constructor(size: number) {
    this.#free = size > 0 ? size : Infinity
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
