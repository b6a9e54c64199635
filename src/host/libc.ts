import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

/** The C library of the process. Declare functions beside their use, in the file of their subject. */
export const libc = koffi.load('libc.so.6')

const EOPNOTSUPP = 95

/** A failed system call: shaped like Node's own system errors, so that `hasCode` and messages work alike. */
export class SyscallError extends Error {
  readonly code: string
  readonly errno: number
  readonly syscall: string
  constructor(syscall: string, errno: number, subject?: string) {
    // libuv has another name for it than Linux and its manual pages.
    const code = errno === EOPNOTSUPP ? 'EOPNOTSUPP' : getSystemErrorName(-errno)
    super(`${code}: ${syscall}${subject === undefined ? '' : ` ${JSON.stringify(subject)}`}`)
    this.name = 'SyscallError'
    this.code = code
    this.errno = errno
    this.syscall = syscall
  }
}

/** Passes a result through, or throws a SyscallError when it is -1 (call it right after the call: it reads errno). */
export function check(result: number, syscall: string, subject?: string): number {
  if (result === -1) throw new SyscallError(syscall, koffi.errno(), subject)
  return result
}
