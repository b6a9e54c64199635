import { open, type FileHandle } from 'node:fs/promises'
import { hasCode } from '../../lib/errors.ts'
import type { LogPlace } from './cursor.ts'
import { logFiles, type LogFile } from './files.ts'
import { endsLine, textOffset, timeAt } from './line.ts'

const blockSize = 256 * 1024
const newline = 0x0a

/**
 * Where to start reading for what was asked: the later of the first record of a time and of the last so many lines. The files
 * are not scanned: time is found by bisection, lines from the end. Undefined: from the beginning.
 */
export async function seek(
  path: string,
  o: { since?: bigint | undefined; tail?: number | undefined },
): Promise<LogPlace | undefined> {
  const files = await logFiles(path)
  const bySince = o.since === undefined ? undefined : await seekTime(files, o.since)
  const byTail = o.tail === undefined ? undefined : await seekTail(files, o.tail)
  if (!bySince || !byTail) return bySince ?? byTail
  const order = (place: LogPlace) => files.findIndex((file) => file.inode === place.inode)
  const later = order(bySince) - order(byTail) || bySince.offset - byTail.offset
  return later > 0 ? bySince : byTail
}

/** The file is opened by a name that it may have lost to a rotation: undefined then. */
async function openAs(file: LogFile): Promise<FileHandle | undefined> {
  try {
    const handle = await open(file.path, 'r')
    if ((await handle.stat()).ino === file.inode) return handle
    await handle.close()
    return undefined
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** The first record at or after a time, or a little before it: records are in the order of time. */
async function seekTime(files: readonly LogFile[], time: bigint): Promise<LogPlace | undefined> {
  for (const file of files.toReversed()) {
    await using handle = await openAs(file)
    if (!handle) continue
    const head = Buffer.alloc(textOffset)
    const { bytesRead } = await handle.read(head, 0, head.length, 0)
    // All of an older file is too early when this one begins early enough.
    if (bytesRead === head.length && timeAt(head, 0) < time)
      return { inode: file.inode, offset: await bisect(handle, file.size, time) }
  }
  return undefined
}

async function bisect(file: FileHandle, size: number, time: bigint): Promise<number> {
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

/** Where the last `lines` lines begin; undefined when there are no more than these. */
async function seekTail(files: readonly LogFile[], lines: number): Promise<LogPlace | undefined> {
  const count = { lines, found: 0, isNewest: true }
  for (const file of files.toReversed()) {
    if (lines === 0) return { inode: file.inode, offset: file.size }
    await using handle = await openAs(file)
    if (!handle) continue
    const offset = await seekLines(handle, file.size, count)
    if (offset !== undefined) return { inode: file.inode, offset }
  }
  return undefined
}

/** Reads in blocks from the end; undefined when lines are still wanting at the file's beginning. */
async function seekLines(
  file: FileHandle,
  size: number,
  count: { readonly lines: number; found: number; isNewest: boolean },
): Promise<number | undefined> {
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
      if ((at >= 0 || start === 0) && absolute < size) {
        // The newest record counts although its line may not have ended yet.
        if ((endsLine(data, record) || count.isNewest) && ++count.found > count.lines) return following
        count.isNewest = false
        following = absolute
      }
      if (at <= 0) break
    }
    block = data
    end = start
  }
  return undefined
}
