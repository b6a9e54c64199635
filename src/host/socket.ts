import type { Socket } from 'node:net'
import koffi from 'koffi'
import { hasCode } from '../lib/errors.ts'
import { check, libc, SyscallError } from './libc.ts'
import {
  AF_UNIX,
  bind,
  close,
  connect,
  F_DUPFD_CLOEXEC,
  fcntl,
  listen,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
} from './socket-calls.ts'

const cSocketpair = libc.func('int socketpair(int domain, int type, int protocol, _Out_ int *fds)')
const cAccept4 = libc.func('int accept4(int fd, void *address, void *length, int flags)')
const cShutdown = libc.func('int shutdown(int fd, int how)')

const SOCK_SEQPACKET = 5
const SHUT_WR = 1
const F_GETFL = 3
const F_SETFL = 4
const O_NONBLOCK = 0o4000

/** Longest path that a unix socket's address holds, in bytes. */
const maxSocketPath = 107

/** Two connected stream sockets, non-blocking and close-on-exec. */
export function socketPair(): [number, number] {
  const fds = [-1, -1]
  check(cSocketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 'socketpair')
  return [fds[0] ?? -1, fds[1] ?? -1]
}

/**
 * A connection to a SOCK_SEQPACKET socket, non-blocking; `undefined` when its queue of connections is full for the moment.
 * Throws with the system's code when nobody listens (ENOENT, ECONNREFUSED).
 */
export function connectSeqpacket(path: string): number | undefined {
  const fd = check(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
  const address = unixAddress(path)
  if (connect(fd, address, address.length) === 0) return fd
  const error = new SyscallError('connect', koffi.errno(), path)
  closeFd(fd)
  if (hasCode(error, 'EAGAIN')) return undefined
  throw error
}

/** A connection to a SOCK_DGRAM socket, non-blocking. Throws with the system's code when nobody listens. */
export function connectDatagrams(path: string): number {
  const fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
  const address = unixAddress(path)
  try {
    check(connect(fd, address, address.length), 'connect', path)
    return fd
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

/** A listening stream socket at the path, non-blocking. */
export function listenUnix(path: string): number {
  const fd = check(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
  const address = unixAddress(path)
  try {
    check(bind(fd, address, address.length), 'bind', path)
    check(listen(fd, 8), 'listen', path)
    return fd
  } catch (error) {
    closeFd(fd)
    throw error
  }
}

/** The next connection of a listening socket, non-blocking; `undefined` when there is none. */
export function acceptConnection(fd: number): number | undefined {
  const connection = cAccept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC) as number
  if (connection !== -1) return connection
  const error = new SyscallError('accept4', koffi.errno())
  if (hasCode(error, 'EAGAIN', 'ECONNABORTED')) return undefined
  throw error
}

/** Tells the other side that nothing more comes. */
export function shutdownWrite(fd: number): void {
  if (cShutdown(fd, SHUT_WR) === -1) {
    const error = new SyscallError('shutdown', koffi.errno())
    // The other side has gone already.
    if (!hasCode(error, 'ENOTCONN')) throw error
  }
}

export function setNonBlocking(fd: number): void {
  check(fcntl(fd, F_SETFL, check(fcntl(fd, F_GETFL, 0), 'fcntl') | O_NONBLOCK), 'fcntl')
}

/** Another descriptor of the same file, close-on-exec. */
export function duplicateFd(fd: number): number {
  return check(fcntl(fd, F_DUPFD_CLOEXEC, 0), 'fcntl')
}

/** close(2), whose failures tell nothing that a caller could act on: the descriptor is gone in any case. */
export function closeFd(fd: number): void {
  close(fd)
}

/** The descriptor below a connection, which stays the connection's; undefined where there is none, or what it carries is encrypted. */
export function descriptorOf(socket: Socket): number | undefined {
  if ('encrypted' in socket) return undefined
  // Node gives no public way to it; a missing one means that we cannot know.
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd
  return fd === undefined || fd < 0 ? undefined : fd
}

function unixAddress(path: string): Buffer {
  const name = Buffer.from(path)
  if (name.length > maxSocketPath) throw new Error(`socket path longer than ${maxSocketPath} bytes: ${path}`)
  const address = Buffer.alloc(2 + name.length + 1)
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, 2)
  return address
}
