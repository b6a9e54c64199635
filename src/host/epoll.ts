import koffi from 'koffi'
import { check, libc, SyscallError } from './libc.ts'
import { close } from './socket-calls.ts'

const cCreate = libc.func('int epoll_create1(int flags)')
const cCtl = libc.func('int epoll_ctl(int epoll, int operation, int fd, void *event)')
const cWait = libc.func('int epoll_wait(int epoll, void *events, int capacity, int timeout)')

const EPOLL_CLOEXEC = 0o2000000
const EPOLL_CTL_ADD = 1
const EPOLL_CTL_DEL = 2
const EPOLL_CTL_MOD = 3
const EINTR = 4

export const EPOLLIN = 1
export const EPOLLOUT = 4
export const EPOLLERR = 8
export const EPOLLHUP = 16

/** struct epoll_event is packed on x86-64 alone. */
const dataOffset = process.arch === 'x64' ? 4 : 8
const eventSize = dataOffset + 8
const capacity = 256

/** Waiting for many descriptors, level-triggered. For worker threads: `wait` blocks the thread it is called on. */
export class Epoll implements Disposable {
  readonly #fd: number
  readonly #event = Buffer.alloc(eventSize)
  readonly #events = Buffer.alloc(eventSize * capacity)
  readonly #interests = new Map<number, number>()

  constructor() {
    this.#fd = check(cCreate(EPOLL_CLOEXEC), 'epoll_create1')
  }

  /**
   * What to wait for on a descriptor; undefined takes it out. (With 0 the kernel still reports errors and hang-ups.)
   * To be called before the descriptor is closed.
   */
  watch(fd: number, events: number | undefined): void {
    const before = this.#interests.get(fd)
    if (before === events) return
    const operation =
      events === undefined ? EPOLL_CTL_DEL : before === undefined ? EPOLL_CTL_ADD : EPOLL_CTL_MOD
    this.#event.writeUInt32LE(events ?? 0, 0)
    this.#event.writeInt32LE(fd, dataOffset)
    check(cCtl(this.#fd, operation, fd, this.#event), 'epoll_ctl')
    if (events === undefined) this.#interests.delete(fd)
    else this.#interests.set(fd, events)
  }

  /** Blocks until something happens, at most `timeout` ms (-1: for ever), and reports each descriptor that is still watched. */
  wait(timeout: number, report: (fd: number, events: number) => void): void {
    const count = cWait(this.#fd, this.#events, capacity, timeout) as number
    if (count === -1) {
      if (koffi.errno() === EINTR) return
      throw new SyscallError('epoll_wait', koffi.errno())
    }
    const ready: [number, number][] = []
    for (let i = 0; i < count; i++) {
      const at = i * eventSize
      ready.push([this.#events.readInt32LE(at + dataOffset), this.#events.readUInt32LE(at)])
    }
    for (const [fd, events] of ready) if (this.#interests.has(fd)) report(fd, events)
  }

  [Symbol.dispose](): void {
    close(this.#fd)
  }
}
