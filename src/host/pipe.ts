import { check, libc } from './libc.ts'
import { fcntl } from './socket-calls.ts'

const pipe2 = libc.func('int pipe2(_Out_ int *fds, int flags)')

const O_CLOEXEC = 0o2000000

const F_SETPIPE_SZ = 1031

/**
 * A kernel pipe, both ends close-on-exec. Node's own `stdio: 'pipe'` makes socketpairs, and a process cannot open
 * `/dev/stdout` again when that is a socket: whatever runs in a container gets these instead.
 */
export function pipe(): { read: number; write: number } {
  const fds = [0, 0]
  check(pipe2(fds, O_CLOEXEC), 'pipe2')
  const [read, write] = fds
  if (read === undefined || write === undefined) throw new Error('pipe2 gave no descriptors')
  return { read, write }
}

/** Lets a pipe hold more (bytes). Where the system refuses, its default of 64 KiB stays, which is slower and no less right. */
export function enlargePipe(fd: number, size: number): void {
  fcntl(fd, F_SETPIPE_SZ, size)
}
