import { closeSync, constants, ftruncateSync, openSync, readSync, writeSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'
import { check, libc } from './libc.ts'

const flock = libc.func('int flock(int fd, int operation)')
const exclusiveNow = 2 | 4 // LOCK_EX | LOCK_NB

/** Held until disposed or until the process ends, however it ends. */
export type FileLock = Disposable

/** Locks the file (made when missing) and writes our pid into it; when another process holds it, its pid as it wrote it. */
export function lockFile(path: string): { lock: FileLock } | { heldBy: string } {
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
  try {
    check(flock(fd, exclusiveNow) as number, 'flock', path)
  } catch (error) {
    const buffer = Buffer.alloc(16)
    const heldBy = buffer.toString('utf8', 0, readSync(fd, buffer, 0, 16, 0)).trim()
    closeSync(fd)
    if (!hasCode(error, 'EAGAIN', 'EWOULDBLOCK')) throw error
    return { heldBy }
  }
  ftruncateSync(fd)
  writeSync(fd, `${process.pid}\n`)
  return { lock: { [Symbol.dispose]: () => closeSync(fd) } }
}
