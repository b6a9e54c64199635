import { Readable } from 'node:stream'
import type { Op } from '../../lib/op.ts'
import { LogCursor } from './cursor.ts'
import { LogFramer } from './framer.ts'
import { seek } from './seek.ts'
import { watchLog } from './watch-log.ts'

export interface LogOptions {
  readonly path: string
  /** Go on with what is written until `ended` aborts. */
  readonly follow: boolean
  /** Nanoseconds since 1970: records of that moment and later. */
  readonly since?: bigint
  /** Nanoseconds since 1970: records of that moment and earlier. */
  readonly until?: bigint
  /** Only so many lines from the end. */
  readonly tail?: number
  readonly timestamps: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** `raw` for a container with a terminal. */
  readonly framing: 'multiplexed' | 'raw'
  /** What stands before each line (`--details`); may be empty. */
  readonly details?: string
  /** Aborts when nothing more will be written: the reader takes what is there and ends. */
  readonly ended: AbortSignal
}

const highWaterMark = 256 * 1024

/**
 * A container's log, its rotated files included, as bytes ready to be sent to a client. Reading by time or from the end
 * seeks: it does not scan the files. A container that never started has an empty log.
 */
export function openLog(op: Op, o: LogOptions): Readable {
  return Readable.from(read(op, o), { objectMode: false, highWaterMark })
}

async function* read(op: Op, o: LogOptions): AsyncGenerator<Buffer> {
  using changes = o.follow ? watchLog(o.path, [o.ended, op.signal]) : undefined
  await using cursor = new LogCursor(o.path, await seek(o.path, o))
  const framer = new LogFramer(o)
  for (;;) {
    op.signal.throwIfAborted()
    const over = !o.follow || o.ended.aborted
    const data = await cursor.read()
    if (data === undefined) {
      if (over || !changes) return
      await changes.next()
      continue
    }
    const { output, done } = framer.frame(data)
    if (output.length > 0) yield output
    if (done) return
  }
}
