import { closeSync, constants, openSync } from 'node:fs'
import koffi from 'koffi'
import { libc, SyscallError } from './libc.ts'

const cIoctl = libc.func('int ioctl(int, unsigned long, void *)') as (
  fd: number,
  request: number,
  flags: Uint32Array,
) => number
const FS_IOC_GETFLAGS = 0x8008_6601
const FS_IOC_SETFLAGS = 0x4008_6602
/** chattr(1): T, a directory below which each directory begins a tree of its own. */
const FS_TOPDIR_FL = 0x2_0000

/**
 * Tells the file system that the directories below this one have nothing to do with each other. ext4 puts each of them where there
 * is room then, with all that comes into it, and not beside the one before. Without a journal it looks at every inode that was
 * deleted in the last 35 seconds before it takes another in the same place: after the removal of large trees, new ones cost three
 * times as much there. False where a file system has no such thing: it is a hint.
 */
export function spreadBelow(path: string): boolean {
  const fd = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    const flags = new Uint32Array(2)
    for (const request of [FS_IOC_GETFLAGS, FS_IOC_SETFLAGS]) {
      if (cIoctl(fd, request, flags) === -1) {
        const error = new SyscallError('ioctl', koffi.errno(), path)
        if (['ENOTTY', 'EOPNOTSUPP', 'EINVAL', 'EPERM', 'ENOSYS'].includes(error.code)) return false
        throw error
      }
      flags[0] = (flags[0] ?? 0) | FS_TOPDIR_FL
    }
    return true
  } finally {
    closeSync(fd)
  }
}
