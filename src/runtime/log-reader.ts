import { watch } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { LogFramer } from './log-framer.ts'
import { endsLine, textOffset, timeAt } from './log-line.ts'

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
  /** Aborts when nothing more will be written: the reader takes what is there and ends. */
  readonly ended: AbortSignal
}

const blockSize = 256 * 1024
const newline = 0x0a

/**
 * A container's log as bytes ready to be sent to a client. Reading by time or from the end seeks: it does not scan
 * the file. A container that never started has an empty log.
 */
export function openLog(op: Op, o: LogOptions): Readable {
  return Readable.from(read(op, o), { objectMode: false, highWaterMark: blockSize })
}

async function* read(op: Op, o: LogOptions): AsyncGenerator<Buffer> {
  await using file = await openOrNone(o.path)
  if (!file) return
  const { size } = await file.stat()
  let position = 0
  if (o.since !== undefined) position = await seekTime(file, size, o.since)
  if (o.tail !== undefined) position = Math.max(position, await seekTail(file, size, o.tail))
  const framer = new LogFramer(o)
  const block = Buffer.allocUnsafe(blockSize)
  // An incomplete record at the end of what was read so far.
  let rest = Buffer.alloc(0)
  using changes = o.follow ? watchFile(o.path, [o.ended, op.signal]) : undefined
  for (;;) {
    op.signal.throwIfAborted()
    const over = !o.follow || o.ended.aborted
    const { bytesRead } = await file.read(block, 0, blockSize, position)
    if (bytesRead === 0) {
      if (over || !changes) return
      await changes.next()
      continue
    }
    position += bytesRead
    const data =
      rest.length === 0 ? block.subarray(0, bytesRead) : Buffer.concat([rest, block.subarray(0, bytesRead)])
    const end = data.lastIndexOf(newline) + 1
    const { output, done } = framer.frame(data.subarray(0, end))
    rest = Buffer.from(data.subarray(end))
    if (output.length > 0) yield output
    if (done) return
  }
}

async function openOrNone(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Wakes the reader when the file or one of the signals changes; a change between two calls is not lost. */
function watchFile(path: string, signals: readonly AbortSignal[]): Disposable & { next(): Promise<void> } {
  let changed = false
  let wake: (() => void) | undefined
  const notify = () => {
    changed = true
    wake?.()
  }
  const watcher = watch(path, { persistent: false }, notify)
  for (const signal of signals) signal.addEventListener('abort', notify, { once: true })
  return {
    async next() {
      if (!changed && !signals.some((signal) => signal.aborted))
        await new Promise<void>((resolve) => (wake = resolve))
      changed = false
    },
    [Symbol.dispose]() {
      watcher.close()
      for (const signal of signals) signal.removeEventListener('abort', notify)
    },
  }
}

/** The offset of the first record at or after a time, by bisection: records are in the order of time. */
async function seekTime(file: FileHandle, size: number, time: bigint): Promise<number> {
  let low = 0 // a record starts here, and all before it are too early
  let high = size
  while (high - low > blockSize) {
    const middle = Math.floor((low + high) / 2)
    const start = await nextRecord(file, middle, high)
    if (start === undefined) {
      high = middle
      continue
    }
    const head = Buffer.alloc(textOffset)
    await file.read(head, 0, head.length, start)
    if (timeAt(head, 0) < time) low = start
    else high = middle
  }
  return low
}

/** The first record that starts after `from` and before `limit`. */
async function nextRecord(file: FileHandle, from: number, limit: number): Promise<number | undefined> {
  const block = Buffer.alloc(64 * 1024)
  for (let position = from; position < limit; position += block.length) {
    const { bytesRead } = await file.read(block, 0, block.length, position)
    const at = block.subarray(0, bytesRead).indexOf(newline)
    if (at >= 0) return position + at + 1 < limit ? position + at + 1 : undefined
    if (bytesRead === 0) return undefined
  }
  return undefined
}

/** The offset from which `lines` whole lines remain, read in blocks from the end. */
async function seekTail(file: FileHandle, size: number, lines: number): Promise<number> {
  if (lines === 0) return size
  let found = 0
  // Where the record after the one in hand starts: the answer when that one is a line too many.
  let following = size
  let block: Buffer = Buffer.alloc(0)
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - 64 * 1024)
    // The head of the later block is kept: a record's tag may stand there.
    const data = Buffer.concat([Buffer.alloc(end - start), block.subarray(0, textOffset)])
    await file.read(data, 0, end - start, start)
    for (let at = data.lastIndexOf(newline, end - start - 1); ; at = data.lastIndexOf(newline, at - 1)) {
      const record = at + 1
      const absolute = start + record
      const isRecord = (at >= 0 || start === 0) && absolute < size
      if (isRecord) {
        // The newest record counts although its line may not have ended yet.
        const counts = endsLine(data, record) || following === size
        if (counts && ++found > lines) return following
        following = absolute
      }
      if (at <= 0) break
    }
    block = data
    end = start
  }
  return following === size ? 0 : following
}
