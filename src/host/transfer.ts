import koffi from 'koffi'
import { libc } from './libc.ts'

const cRead = libc.func('long read(int fd, void *buffer, size_t size)') as Transfer
const cWrite = libc.func('long write(int fd, void *buffer, size_t size)') as Transfer
type Transfer = (fd: number, buffer: Uint8Array, size: number) => number

const { EAGAIN, EINTR } = koffi.os.errno

/**
 * read(2) on a non-blocking descriptor, without Node's exception for "nothing there": how many bytes, 0 at the end, `empty` when there
 * is nothing for the moment, `failed` when there never will be (a terminal whose last user is gone, a reset connection).
 */
export function readSome(fd: number, buffer: Uint8Array, size: number): number | 'empty' | 'failed' {
  for (;;) {
    const count = cRead(fd, buffer, size)
    if (count >= 0) return count
    const code = koffi.errno()
    if (code === EAGAIN) return 'empty'
    if (code !== EINTR) return 'failed'
  }
}

/** write(2) until the descriptor takes no more: how much went out, or `failed` when the reader has closed. */
export function writeSome(fd: number, data: Buffer): number | 'failed' {
  let sent = 0
  while (sent < data.length) {
    const count = cWrite(fd, data.subarray(sent), data.length - sent)
    if (count >= 0) {
      sent += count
      continue
    }
    const code = koffi.errno()
    if (code === EAGAIN) break
    if (code !== EINTR) return 'failed'
  }
  return sent
}
