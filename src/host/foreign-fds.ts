/**
 * Descriptors that other processes hold, and how much they let wait in the kernel. Where the system refuses, its own sizes stay, which is
 * slower and no less right.
 */
import { closeSync, constants, openSync, readdirSync, readlinkSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'
import { libc } from './libc.ts'
import { enlargePipe } from './pipe.ts'
import { closeFd } from './socket.ts'

// syscall(2) only shifts registers, so it may be declared without its variadic tail.
const cPidfdOpen = libc.func('long syscall(long number, int pid, unsigned int flags)')
const cPidfdGetfd = libc.func('long syscall(long number, int pidfd, int fd, unsigned int flags)')
const cSetsockopt = libc.func('int setsockopt(int fd, int level, int name, void *value, unsigned int length)')
/** Linux 5.3 and 5.6; the same numbers on every architecture. */
const SYS_pidfd_open = 434
const SYS_pidfd_getfd = 438
const SOL_SOCKET = 1
const SO_SNDBUFFORCE = 32

/** Gone, or nobody's business: then there is nothing to enlarge. */
const harmless = ['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENXIO'] as const

/** Lets the pipes that a process writes its output to hold more (bytes). */
export function enlargeOutputPipes(pid: number, size: number): void {
  for (const number of [1, 2]) {
    const path = `/proc/${pid}/fd/${number}`
    try {
      if (!readlinkSync(path).startsWith('pipe:')) continue
      const fd = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
      enlargePipe(fd, size)
      closeSync(fd)
    } catch (error) {
      if (!hasCode(error, ...harmless)) throw error
    }
  }
}

/** Lets a process have more on its way in each of its sockets (bytes; the kernel counts what its own buffers take). */
export function enlargeSendBuffers(pid: number, size: number): void {
  const process = cPidfdOpen(SYS_pidfd_open, pid, 0) as number
  if (process === -1) return
  const value = Buffer.alloc(4)
  value.writeInt32LE(size)
  try {
    for (const name of readdirSync(`/proc/${pid}/fd`)) {
      if (!readlinkSync(`/proc/${pid}/fd/${name}`).startsWith('socket:')) continue
      const fd = cPidfdGetfd(SYS_pidfd_getfd, process, Number(name), 0) as number
      if (fd === -1) continue
      cSetsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, value, value.length)
      closeFd(fd)
    }
  } catch (error) {
    if (!hasCode(error, ...harmless)) throw error
  } finally {
    closeFd(process)
  }
}
