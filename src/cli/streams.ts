import type { Readable } from 'node:stream'
import { FrameDecoder } from '../wire/frame.ts'
import type { OutputQueue } from './output-queue.ts'

/**
 * Copies a container's output to ours until it ends. A multiplexed stream is taken apart; what belongs to one stream is
 * written in one piece per chunk read, not frame by frame.
 */
export function copyOutput(source: Readable, queue: OutputQueue, o: { raw: boolean }): Promise<void> {
  const splitter = new Splitter(queue)
  return new Promise((resolve, reject) => {
    source.on('data', (chunk: Buffer) => {
      let more
      try {
        more = o.raw ? queue.write(1, chunk) : splitter.push(chunk)
      } catch (error) {
        source.destroy()
        reject(error instanceof Error ? error : new Error(String(error)))
        return
      }
      if (more) return
      source.pause()
      void queue.drained().then(() => source.resume())
    })
    // A hijacked stream is paused, so that nothing is lost before somebody listens.
    source.resume()
    source.on('end', resolve)
    // A stream that is cut is over; how the container ended is asked elsewhere.
    source.on('close', resolve)
    source.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNRESET' || error.code === 'EPIPE') resolve()
      else reject(error)
    })
  })
}

class Splitter {
  readonly #queue: OutputQueue
  readonly #decoder: FrameDecoder
  #chunk: Buffer = Buffer.alloc(0)
  #start = 0
  #end = 0
  #stream: 1 | 2 = 1
  #more = true

  constructor(queue: OutputQueue) {
    this.#queue = queue
    this.#decoder = new FrameDecoder((stream, data) => this.#add(stream, data))
  }

  push(chunk: Buffer): boolean {
    this.#chunk = chunk
    this.#start = 0
    this.#end = 0
    this.#more = true
    this.#decoder.push(chunk)
    this.#flush()
    return this.#more
  }

  /** Payloads are moved together over the headers between them, within the chunk they came in. */
  #add(stream: 1 | 2, data: Buffer): void {
    if (stream !== this.#stream || this.#end === this.#start) {
      this.#flush()
      this.#stream = stream
      this.#start = this.#end = data.byteOffset - this.#chunk.byteOffset
    } else data.copy(this.#chunk, this.#end)
    this.#end += data.length
  }

  #flush(): void {
    if (this.#end === this.#start) return
    if (!this.#queue.write(this.#stream, this.#chunk.subarray(this.#start, this.#end))) this.#more = false
    this.#start = this.#end
  }
}
