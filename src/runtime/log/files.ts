import { stat } from 'node:fs/promises'
import { close, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { hasCode } from '../../lib/errors.ts'

/** One file of a log that is rotated: `log` is written, `log.1` was before it, `log.2` before that. */
export interface LogFile {
  readonly path: string
  /** What it is known by while rotation gives it other names. */
  readonly inode: number
  readonly size: number
}

const rotatedPath = (path: string, number: number): string => (number === 0 ? path : `${path}.${number}`)

/** The files of a log, oldest first. One that a rotation renames meanwhile is there, once. */
export async function logFiles(path: string): Promise<LogFile[]> {
  const files = new Map<number, LogFile>()
  // Newest first, the way that a rotation moves them: it may show one twice, and hides none.
  for (let number = 0, missing = 0; missing < 2; number++) {
    try {
      const { ino, size } = await stat(rotatedPath(path, number))
      files.set(ino, { path: rotatedPath(path, number), inode: ino, size })
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error
      // The newest is missing for a moment when it has just been renamed; so is a number in a shift.
      missing++
    }
  }
  return [...files.values()].reverse()
}

/** The same at once, with the number that each file has. Newest first. */
function numbered(path: string): { number: number; inode: number }[] {
  const files: { number: number; inode: number }[] = []
  for (let number = 0, missing = 0; missing < 2; number++) {
    const found = statSync(rotatedPath(path, number), { throwIfNoEntry: false })
    if (found) files.push({ number, inode: found.ino })
    else missing++
  }
  return files
}

/** Gives each file the next number, so that `path` is free. */
export function shiftFiles(path: string): void {
  for (const { number } of numbered(path).reverse())
    renameSync(rotatedPath(path, number), rotatedPath(path, number + 1))
}

/**
 * Takes away what is more than `maxFiles`, but for what somebody has still to read: the file of `readFrom` and newer ones, up to as many
 * again. True when such are left.
 */
export function dropSurplus(path: string, o: { maxFiles: number; readFrom: number | undefined }): boolean {
  const files = numbered(path)
  const reader = files.find(({ inode }) => inode === o.readFrom)
  let kept = false
  for (const { number } of files) {
    if (number < o.maxFiles) continue
    if (reader && number <= reader.number && number < 2 * o.maxFiles) kept = true
    else removeFile(rotatedPath(path, number))
  }
  return kept
}

/**
 * Takes the name away now, so that no rotation meets it. The kernel gives back what a file held with its last close, which is
 * milliseconds for a log of full size: a thread of the pool spends them.
 */
function removeFile(path: string): void {
  const fd = openSync(path, 'r')
  rmSync(path)
  // Nothing was written through it that a close could fail to keep.
  close(fd, () => {})
}
