import koffi from 'koffi'
import { isIPv4 } from 'node:net'
import { check, libc, SyscallError } from './libc.ts'
import { addressBytes } from './rtnetlink.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  connect,
  listen,
  MSG_NOSIGNAL,
  send,
  setsockopt,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from './socket-calls.ts'

const cGetsockname = libc.func('int getsockname(int fd, _Out_ void *address, _Inout_ uint32_t *length)')
const cIfNameToIndex = libc.func('unsigned int if_nametoindex(const char *name)')

const SO_RCVBUFFORCE = 33
const MSG_DONTWAIT = 0x40
const EINPROGRESS = 115

/**
 * Sockets as bare descriptors (non-blocking, close-on-exec), for those that belong to another network namespace than the one in
 * which Node would open them: made inside netns.inNetns(), they stay there, and Node's own classes take them over.
 */
export interface BoundSocket {
  readonly fd: number
  readonly port: number
}

/** Port 0: the kernel chooses. `room` is the queue of datagrams that wait to be read, in bytes. */
export function bindUdp(ip: string, port: number, room: number): BoundSocket {
  const fd = open(ip, SOCK_DGRAM)
  return guarded(fd, () => {
    check(setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, int(room), 4), 'setsockopt')
    return { fd, port: bindTo(fd, ip, port) }
  })
}

export function listenTcp(ip: string, port: number): BoundSocket {
  const fd = open(ip, SOCK_STREAM)
  return guarded(fd, () => {
    // Connections that linger in TIME_WAIT are no owner.
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, int(1), 4), 'setsockopt')
    const bound = bindTo(fd, ip, port)
    check(listen(fd, 128), 'listen', ip)
    return { fd, port: bound }
  })
}

/** A UDP socket that hears the peer alone, on a port that the kernel picks at random. Throws when there is no route. */
export function connectUdp(ip: string, port: number): number {
  const fd = open(ip, SOCK_DGRAM)
  return guarded(fd, () => {
    const address = socketAddress(ip, port)
    check(connect(fd, address, address.length), 'connect', ip)
    return fd
  })
}

/** A TCP connection under way: writes wait until it stands, errors come with the first read. */
export function connectTcp(ip: string, port: number): number {
  const fd = open(ip, SOCK_STREAM)
  return guarded(fd, () => {
    const address = socketAddress(ip, port)
    if (connect(fd, address, address.length) === -1 && koffi.errno() !== EINPROGRESS)
      throw new SyscallError('connect', koffi.errno(), ip)
    return fd
  })
}

/** One datagram to the peer. Throws what the network said about an earlier one too (ECONNREFUSED). */
export function sendDatagram(fd: number, data: Buffer): void {
  check(Number(send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL)), 'send')
}

function open(ip: string, type: number): number {
  const domain = isIPv4(ip) ? AF_INET : AF_INET6
  return check(socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket')
}

function guarded<T>(fd: number, work: () => T): T {
  try {
    return work()
  } catch (error) {
    close(fd)
    throw error
  }
}

function bindTo(fd: number, ip: string, port: number): number {
  const address = socketAddress(ip, port)
  check(bind(fd, address, address.length), 'bind', `${ip}:${port}`)
  const bound = Buffer.alloc(28)
  check(Number(cGetsockname(fd, bound, [bound.length])), 'getsockname')
  return bound.readUInt16BE(2)
}

/** An IPv6 address may carry its zone: `fe80::1%eth0`. */
function socketAddress(ip: string, port: number): Buffer {
  const v4 = isIPv4(ip)
  const [plain = '', zone] = ip.split('%')
  const address = Buffer.alloc(v4 ? 16 : 28)
  address.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0)
  address.writeUInt16BE(port, 2)
  addressBytes(plain).copy(address, v4 ? 4 : 8)
  if (zone !== undefined) address.writeUInt32LE(Number(cIfNameToIndex(zone)), 24)
  return address
}

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
