import { libc } from './libc.ts'

/** The calls for sockets and descriptors that several files make, and the constants that they share. All return -1 and set errno. */
type Call<Arguments extends unknown[]> = (...args: Arguments) => number
/** A length comes as either. `async` makes the call in a thread of its own. */
interface LongCall<Arguments extends unknown[]> {
  (...args: Arguments): number | bigint
  async(...args: [...Arguments, done: (error: Error | null, result: number | bigint) => void]): void
}

export const socket: Call<[domain: number, type: number, protocol: number]> = libc.func(
  'int socket(int domain, int type, int protocol)',
)
export const bind: Call<[fd: number, address: Buffer, length: number]> = libc.func(
  'int bind(int fd, const void *address, uint32_t length)',
)
export const connect: Call<[fd: number, address: Buffer, length: number]> = libc.func(
  'int connect(int fd, const void *address, uint32_t length)',
)
export const listen: Call<[fd: number, backlog: number]> = libc.func('int listen(int fd, int backlog)')
export const send: LongCall<[fd: number, data: Buffer, length: number, flags: number]> = libc.func(
  'long send(int fd, const void *data, size_t length, int flags)',
)
export const recv: LongCall<[fd: number, into: Buffer, length: number, flags: number]> = libc.func(
  'long recv(int fd, _Out_ void *into, size_t length, int flags)',
)
export const setsockopt: Call<[fd: number, level: number, name: number, value: Buffer, length: number]> =
  libc.func('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)')
export const fcntl: Call<[fd: number, command: number, argument: number]> = libc.func(
  'int fcntl(int fd, int command, int argument)',
)
export const close: Call<[fd: number]> = libc.func('int close(int fd)')

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOCK_NONBLOCK = 0o4000
export const SOCK_CLOEXEC = 0o2000000
export const SOL_SOCKET = 1
export const SO_REUSEADDR = 2
export const MSG_NOSIGNAL = 0x4000
export const F_DUPFD_CLOEXEC = 1030
