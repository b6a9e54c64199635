const { writev } = process.getBuiltinModule('node:fs')

/** Beyond this the source is asked to pause: enough for large writes, little enough to stay a pipe. */
const highWater = 2 * 1024 * 1024
/** IOV_MAX is 1024. */
const maxParts = 512

/**
 * Streams of a container on their way to our own standard output and error, in the order in which they came. Writes
 * are asynchronous, so that signals and input are served while the reader is slow, and large.
 */
export class OutputQueue {
  #queue: { fd: number; data: Buffer }[] = []
  #bytes = 0
  #writing = false
  #waiters: (() => void)[] = []

  /** False when the source should wait for `drained()`. */
  write(fd: number, data: Buffer): boolean {
    if (data.length === 0) return true
    this.#queue.push({ fd, data })
    this.#bytes += data.length
    if (!this.#writing) this.#next()
    return this.#bytes < highWater
  }

  /** Resolves when little enough is waiting. */
  async drained(): Promise<void> {
    while (this.#bytes >= highWater) await this.#progress()
  }

  /** Resolves when all is written. */
  async flushed(): Promise<void> {
    while (this.#writing) await this.#progress()
  }

  #progress(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve))
  }

  #next(): void {
    const fd = this.#queue[0]?.fd
    if (fd === undefined) {
      this.#writing = false
      this.#wake()
      return
    }
    this.#writing = true
    let count = 0
    while (count < maxParts && this.#queue[count]?.fd === fd) count++
    const parts = this.#queue.slice(0, count).map((entry) => entry.data)
    writev(fd, parts, (error, written) => {
      if (error?.code === 'EAGAIN') {
        // The other end made the pipe non-blocking and is slow.
        setTimeout(() => this.#next(), 2)
        return
      }
      // Nobody reads any more: end as SIGPIPE would end a program.
      if (error) process.exit(error.code === 'EPIPE' ? 141 : 1)
      this.#take(written)
      this.#wake()
      this.#next()
    })
  }

  #take(written: number): void {
    this.#bytes -= written
    let rest = written
    let done = 0
    for (const entry of this.#queue) {
      if (rest < entry.data.length) {
        entry.data = entry.data.subarray(rest)
        break
      }
      rest -= entry.data.length
      done++
    }
    this.#queue.splice(0, done)
  }

  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const resolve of waiters) resolve()
  }
}
