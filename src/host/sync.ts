import { closeSync, constants, openSync } from 'node:fs'
import { check, libc } from './libc.ts'

const cSyncfs = libc.func('int syncfs(int)') as (fd: number) => number

/** Writes all changed data of the file system that holds the directory to the disk; blocks until it is there. */
export function syncFileSystem(path: string): void {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    check(cSyncfs(fd), 'syncfs', path)
  } finally {
    closeSync(fd)
  }
}
