import { createWriteStream, openSync, type WriteStream } from 'node:fs'
import { open } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import { StringDecoder } from 'node:string_decoder'
import type { Op } from '../../lib/op.ts'

/** A log of lines that is written while others read it. */
export class LogWriter {
  readonly #stream: WriteStream
  readonly #onFailure: (error: unknown) => void
  readonly #waiting = new Set<() => void>()
  #size = 0
  #written = 0
  #ended = false
  #failed = false

  constructor(path: string, onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure
    // There at once, for readers.
    this.#stream = createWriteStream(path, { fd: openSync(path, 'wx', 0o600) })
    // A full disk must not fail the build that is told of.
    this.#stream.on('error', (error) => {
      if (!this.#failed) this.#onFailure(error)
      this.#failed = true
      this.#wake()
    })
  }

  /** Bytes given so far. */
  get size(): number {
    return this.#size
  }

  get isOver(): boolean {
    return this.#ended || this.#failed
  }

  write(line: string): void {
    if (this.#failed || this.#ended) return
    const data = Buffer.from(`${line}\n`)
    this.#size += data.length
    this.#stream.write(data, () => {
      this.#written += data.length
      this.#wake()
    })
  }

  /** Resolves when all is in the file. */
  async end(): Promise<void> {
    if (!this.#ended) {
      this.#ended = true
      this.#stream.end()
    }
    // Its failure has been told.
    await finished(this.#stream).catch(() => undefined)
    this.#wake()
  }

  /** Resolves when there is more in the file than `position`, or there will be no more. */
  async beyond(op: Op, position: number): Promise<void> {
    while (this.#written <= position && !(this.#ended && this.#stream.closed) && !this.#failed) {
      op.signal.throwIfAborted()
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.add(resolve)
      op.signal.addEventListener('abort', () => resolve(), { once: true })
      await promise
      this.#waiting.delete(resolve)
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
  }
}

/**
 * The complete lines of a log. With a `writer` it is still being written: its lines come as they are there, and the end
 * comes with the writer's when `follow` is set, else after what had been written at the call.
 */
export async function* readLines(
  op: Op,
  path: string,
  o: { writer: LogWriter | undefined; follow: boolean },
): AsyncGenerator<string> {
  const { writer } = o
  const until = o.follow ? Infinity : (writer?.size ?? Infinity)
  await using file = await open(path)
  const decoder = new StringDecoder('utf8')
  const buffer = Buffer.alloc(1 << 16)
  let rest = ''
  let position = 0
  while (position < until) {
    op.signal.throwIfAborted()
    const over = writer?.isOver ?? true
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position)
    if (bytesRead === 0) {
      if (!writer || (over && position >= writer.size)) return
      await writer.beyond(op, position)
      if (writer.isOver && position >= writer.size) return
      continue
    }
    position += bytesRead
    const lines = (rest + decoder.write(buffer.subarray(0, bytesRead))).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
}
