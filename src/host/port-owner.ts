import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import koffi from 'koffi'
import { isIPv4 } from 'node:net'
import { check } from './libc.ts'
import { describeProcess } from './proc.ts'
import { addressBytes } from './rtnetlink.ts'
import {
  AF_INET,
  AF_INET6,
  bind,
  close,
  listen,
  setsockopt,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_STREAM,
  socket,
  SOL_SOCKET,
} from './socket-calls.ts'

const SO_ATTACH_FILTER = 26
const SO_DETACH_FILTER = 27
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26

export type Protocol = 'tcp' | 'udp'

/**
 * Takes a host port for as long as the result is not disposed, by a real socket: no other program can bind it meanwhile, and
 * one that has it already is noticed (SyscallError EADDRINUSE; EADDRNOTAVAIL for an address that is not the host's).
 * Traffic is expected to be redirected before it gets here; datagrams that do arrive are dropped, not queued.
 */
export function reservePort(
  protocol: Protocol,
  ip: string,
  port: number,
): Disposable & { readonly fd: number } {
  const v4 = isIPv4(ip)
  const type = (protocol === 'tcp' ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC
  const fd = check(socket(v4 ? AF_INET : AF_INET6, type, 0), 'socket')
  const on = Buffer.from([1, 0, 0, 0])
  try {
    if (!v4) check(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, on, 4), 'setsockopt')
    // TCP: connections that linger in TIME_WAIT are no owner. UDP: this option would share the port instead.
    if (protocol === 'tcp') check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, on, 4), 'setsockopt')
    else dropEverything(fd)
    const address = socketAddress(ip, port)
    check(bind(fd, address, address.length), 'bind', `${ip}:${port}`)
    if (protocol === 'tcp') check(listen(fd, 1), 'listen', `${ip}:${port}`)
  } catch (error) {
    close(fd)
    throw error
  }
  let open = true
  return {
    fd,
    [Symbol.dispose]: () => {
      if (open) close(fd)
      open = false
    },
  }
}

/** A classic BPF program of one instruction, `return 0`. */
function dropEverything(fd: number): void {
  const program = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0])
  const descriptor = Buffer.alloc(16)
  descriptor.writeUInt16LE(1, 0)
  descriptor.writeBigUInt64LE(koffi.address(program), 8)
  check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, descriptor, 16), 'setsockopt')
}

/** For a UDP port of reservePort() that is to be served from its own socket: datagrams are queued from now on. */
export function acceptDatagrams(fd: number): void {
  check(setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, Buffer.alloc(4), 4), 'setsockopt')
}

function socketAddress(ip: string, port: number): Buffer {
  const v4 = isIPv4(ip)
  const address = Buffer.alloc(v4 ? 16 : 28)
  address.writeUInt16LE(v4 ? AF_INET : AF_INET6, 0)
  address.writeUInt16BE(port, 2)
  addressBytes(ip).copy(address, v4 ? 4 : 8)
  return address
}

export interface PortOwner {
  readonly pid: number
  readonly name: string
  readonly user: string
}

/**
 * The process with a socket on the port that excludes another on `ip`. Undefined when there is none, or none that /proc
 * shows (another pid namespace, the kernel itself). Reads all of /proc: for error texts only.
 */
export function portOwner(protocol: Protocol, ip: string, port: number): PortOwner | undefined {
  const inodes = new Set<string>()
  for (const file of [protocol, `${protocol}6`])
    for (const inode of holders(readProc(`/proc/net/${file}`), { ip, port, listening: protocol === 'tcp' }))
      inodes.add(`socket:[${inode}]`)
  if (inodes.size === 0) return undefined
  for (const pid of readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    for (const fd of listOf(`/proc/${pid}/fd`))
      if (inodes.has(linkOf(`/proc/${pid}/fd/${fd}`)))
        return { pid: Number(pid), ...(describeProcess(Number(pid)) ?? { name: 'unknown', user: 'unknown' }) }
  }
  return undefined
}

/** Inodes of the sockets in a table of /proc/net that hold the port on `ip`, on all addresses or, for all, on any. */
export function holders(table: string, o: { ip: string; port: number; listening: boolean }): string[] {
  const LISTEN = '0A'
  const wanted = procAddress(o.ip)
  const any = (hex: string) => /^0+$/.test(hex)
  const result: string[] = []
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    const [address = '', port = ''] = (fields[1] ?? '').split(':')
    if (Number.parseInt(port, 16) !== o.port) continue
    if (o.listening && fields[3] !== LISTEN) continue
    // A dual-stack socket holds the IPv4 port as ::ffff:a.b.c.d.
    const own = address.length === 32 && wanted.length === 8 ? address.replace(/^0{16}FFFF0000/, '') : address
    if (own === wanted || any(own) || any(wanted)) result.push(fields[9] ?? '')
  }
  return result
}

/** An address as /proc/net writes it: words of four bytes in host order. */
function procAddress(ip: string): string {
  return Buffer.from(addressBytes(ip)).swap32().toString('hex').toUpperCase()
}

// Processes end while they are looked at: what cannot be read is not there.
function readProc(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

function listOf(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path)
  } catch {
    return ''
  }
}
