/** A container's log as lines with their times, whatever pieces it comes in. */
import type { Readable } from 'node:stream'
import { FrameDecoder, type StreamId } from '../../wire/frame.ts'

export interface LogLine {
  readonly stream: StreamId
  /** As the engine writes it, with nanoseconds; empty where it wrote none. */
  readonly time: string
  /** Without its end. */
  readonly text: string
}

/** A line that does not end is cut here. */
const maxLine = 1 << 20

const timestamp = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[-+]\d\d:\d\d)) /

export interface LogSource {
  readonly raw: boolean
  readonly stream: Readable
  /** False: lines do not begin with their times. */
  readonly timed?: boolean
}

/**
 * The answer of `GET /containers/:id/logs?timestamps=1`, a piece of the stream at a time: the lines that it completed.
 * Ends with the stream; a connection that is cut is its end as well.
 */
export async function* logLines({ raw, stream, timed = true }: LogSource): AsyncGenerator<LogLine[]> {
  const splitter = new Splitter(timed)
  const decoder = new FrameDecoder((id, data, begins) => splitter.push(id, data, begins))
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    if (raw) splitter.push(1, chunk, false)
    else decoder.push(chunk)
    const lines = splitter.take()
    if (lines.length > 0) yield lines
  }
  const rest = splitter.end()
  if (rest.length > 0) yield rest
}

class Splitter {
  readonly #timed: boolean
  #lines: LogLine[] = []
  /** What has come of the line that each stream is in. */
  readonly #open: Record<StreamId, Buffer[]> = { 1: [], 2: [] }
  readonly #length: Record<StreamId, number> = { 1: 0, 2: 0 }

  constructor(timed: boolean) {
    this.#timed = timed
  }

  /** `begins`: the data is the beginning of a frame. */
  push(stream: StreamId, data: Buffer, begins: boolean): void {
    let start = 0
    // Docker: a line longer than 16 KiB comes in several frames, each with a time of its own.
    if (begins && this.#timed && this.#length[stream] > 0)
      start = timestamp.exec(data.toString('latin1', 0, 40))?.[0].length ?? 0
    for (let end = data.indexOf(10, start); end >= 0; end = data.indexOf(10, start)) {
      if (this.#length[stream] === 0) this.#push(stream, data.toString('utf8', start, end))
      else {
        this.#add(stream, data.subarray(start, end))
        this.#close(stream)
      }
      start = end + 1
    }
    if (start >= data.length) return
    this.#add(stream, data.subarray(start))
    if (this.#length[stream] > maxLine) this.#close(stream)
  }

  take(): LogLine[] {
    const lines = this.#lines
    this.#lines = []
    return lines
  }

  end(): LogLine[] {
    for (const stream of [1, 2] as const) if (this.#length[stream] > 0) this.#close(stream)
    return this.take()
  }

  #add(stream: StreamId, data: Buffer): void {
    this.#open[stream].push(data)
    this.#length[stream] += data.length
  }

  #close(stream: StreamId): void {
    const whole = Buffer.concat(this.#open[stream]).toString('utf8')
    this.#open[stream] = []
    this.#length[stream] = 0
    this.#push(stream, whole)
  }

  #push(stream: StreamId, whole: string): void {
    const end = this.#timed ? timeEnd(whole) : 0
    const time = whole.slice(0, end)
    const text = whole.slice(end === 0 ? 0 : end + 1)
    this.#lines.push({ stream, time, text: text.endsWith('\r') ? text.slice(0, -1) : text })
  }
}

/** Where the time ends that the line begins with; 0 when it has none. */
function timeEnd(line: string): number {
  // Looked at first, since it is asked for every line.
  const space = line.indexOf(' ')
  return space >= 20 && space <= 35 && line[10] === 'T' && timestamp.test(line.slice(0, space + 1))
    ? space
    : 0
}
