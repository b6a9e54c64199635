import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { check, SyscallError } from './libc.ts'
import {
  bind,
  close,
  recv,
  send,
  setsockopt,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  socket,
  SOL_SOCKET,
} from './socket-calls.ts'

const AF_NETLINK = 16
const SOCK_RAW = 3
const SO_RCVTIMEO = 20
const SOL_NETLINK = 270
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11

const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12

const NLM_F_REQUEST = 1
const NLM_F_ACK = 4
const NLM_F_DUMP = 0x300
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_REPLACE = 0x100
const NLM_F_ACK_TLVS = 0x200
const NLM_F_DUMP_INTR = 0x10

const NLMSG_ERROR = 2
const NLMSG_DONE = 3
const headerSize = 16
const EIO = 5
const NLA_F_NESTED = 0x8000
const nlaTypeMask = 0x3fff

/** One request of a batch. `flags` go beside REQUEST and ACK. */
export interface Request {
  readonly type: number
  readonly flags?: number
  readonly body: Buffer
  /** For messages that the kernel does not acknowledge (nftables' batch begin and end). */
  readonly noAck?: boolean
  /** Refusals that mean that there is nothing to do any more. */
  readonly gone?: readonly string[]
  /** What a failure names. */
  readonly what: string
}

/** The kernel's refusal of a request: a SyscallError with the kernel's own explanation where it gives one. */
class NetlinkError extends SyscallError {
  constructor(what: string, errno: number, explanation: string | undefined) {
    super('netlink', errno, what)
    if (explanation !== undefined) this.message += `: ${explanation}`
  }
}

/**
 * A netlink socket of the network namespace in which it was opened, whatever namespace its user is in later.
 * Every call is synchronous: requests and acknowledgements take microseconds and nothing can come between them.
 */
export class NetlinkSocket implements Disposable {
  readonly #fd: number
  readonly #buffer = Buffer.allocUnsafe(64 * 1024)
  #sequence = 1
  #closed = false

  constructor(protocol: number = NETLINK_ROUTE) {
    this.#fd = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', 'netlink')
    const one = Buffer.from([1, 0, 0, 0])
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK])
      check(setsockopt(this.#fd, SOL_NETLINK, option, one, 4), 'setsockopt', 'netlink')
    // The kernel answers before send() returns; a wait is a bug here or there and must not hang the daemon.
    const timeout = Buffer.alloc(16)
    timeout.writeBigInt64LE(5n)
    check(setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, timeout, 16), 'setsockopt', 'netlink')
  }

  /** Sends the requests together and waits for every answer. Throws the first refusal (the others were tried too). */
  request(...requests: readonly Request[]): void {
    const first = this.#send(requests)
    const pending = new Map<number, Request>()
    for (const [index, r] of requests.entries()) if (!r.noAck) pending.set(first + index, r)
    let failure: NetlinkError | undefined
    while (pending.size > 0) {
      for (const m of this.#receive()) {
        const request = requests[m.sequence - first]
        if (m.type !== NLMSG_ERROR || !request) continue
        pending.delete(m.sequence)
        const errno = -m.body.readInt32LE(0)
        if (errno === 0) continue
        const refusal = new NetlinkError(request.what, errno, explanationOf(m))
        if (!request.gone?.includes(refusal.code)) failure ??= refusal
        // nftables answers a batch that it refuses as a whole with an error for its frame alone.
        if (request.noAck) pending.clear()
      }
    }
    if (failure) throw failure
  }

  /** All messages of a dump. Repeats it when the kernel says that the table changed meanwhile. */
  dump(type: number, body: Buffer, what: string): Buffer[] {
    for (let attempt = 0; ; attempt++) {
      const collected = new Dump(this.#send([{ type, flags: NLM_F_DUMP, body, what, noAck: true }]), what)
      while (!collected.add(this.#receive()));
      if (!collected.interrupted || attempt === 5) return collected.bodies
    }
  }

  /**
   * The same for tables that take the kernel long to walk: it waits in another thread. Nothing else may use the socket
   * meanwhile. A table that changed is not read again.
   */
  async dumpSlowly(type: number, body: Buffer, what: string): Promise<Buffer[]> {
    const sequence = this.#sequence
    const message = this.#encode([{ type, flags: NLM_F_DUMP, body, what, noAck: true }])
    const collected = new Dump(sequence, what)
    await wait(send, [this.#fd, message, message.length, 0], what)
    const buffer = this.#buffer
    for (;;) {
      const length = await wait(recv, [this.#fd, buffer, buffer.length, 0], what)
      if (collected.add(messagesOf(buffer, length))) return collected.bodies
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    close(this.#fd)
  }

  /** Returns the sequence number of the first request. */
  #send(requests: readonly Request[]): number {
    const first = this.#sequence
    const message = this.#encode(requests)
    check(Number(send(this.#fd, message, message.length, 0)), 'send', requests[0]?.what)
    return first
  }

  #encode(requests: readonly Request[]): Buffer {
    const parts: Buffer[] = []
    for (const r of requests) {
      const header = Buffer.alloc(headerSize)
      header.writeUInt32LE(headerSize + r.body.length, 0)
      header.writeUInt16LE(r.type, 4)
      header.writeUInt16LE(NLM_F_REQUEST | (r.noAck ? 0 : NLM_F_ACK) | (r.flags ?? 0), 6)
      header.writeUInt32LE(this.#sequence++, 8)
      parts.push(header, r.body, padding(r.body.length))
    }
    return Buffer.concat(parts)
  }

  #receive(): Message[] {
    const length = check(Number(recv(this.#fd, this.#buffer, this.#buffer.length, 0)), 'recv', 'netlink')
    return messagesOf(this.#buffer, length)
  }
}

/** What the kernel tells all who listen to a group, on a non-blocking socket of the thread's network namespace. */
export class NetlinkListener implements Disposable {
  readonly fd: number
  readonly #buffer = Buffer.allocUnsafe(64 * 1024)
  #closed = false

  constructor(protocol: number, group: number) {
    this.fd = check(
      socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
      'socket',
      'netlink',
    )
    try {
      // A socket without an address of its own would count as the kernel's and hear nothing.
      const address = Buffer.alloc(12)
      address.writeUInt16LE(AF_NETLINK, 0)
      address.writeUInt32LE(1 << (group - 1), 8)
      check(bind(this.fd, address, address.length), 'bind', 'netlink')
    } catch (error) {
      close(this.fd)
      throw error
    }
  }

  /** What has come by now; `overrun` when more came than the socket holds. */
  read(): { readonly type: number; readonly body: Buffer }[] | 'overrun' {
    const messages: { type: number; body: Buffer }[] = []
    for (;;) {
      const length = Number(recv(this.fd, this.#buffer, this.#buffer.length, 0))
      if (length === -1) {
        const code = getSystemErrorName(-koffi.errno())
        if (code === 'EAGAIN') return messages
        if (code === 'ENOBUFS') return 'overrun'
        if (code !== 'EINTR') throw new SyscallError('recv', koffi.errno(), 'netlink')
        continue
      }
      for (const m of messagesOf(this.#buffer, length))
        messages.push({ type: m.type, body: Buffer.from(m.body) })
    }
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    close(this.fd)
  }
}

/** The answers to one dump. */
class Dump {
  readonly bodies: Buffer[] = []
  interrupted = false
  readonly #sequence: number
  readonly #what: string

  constructor(sequence: number, what: string) {
    this.#sequence = sequence
    this.#what = what
  }

  /** True when these were the last. */
  add(messages: readonly Message[]): boolean {
    for (const m of messages) {
      if (m.sequence !== this.#sequence) continue
      if (m.flags & NLM_F_DUMP_INTR) this.interrupted = true
      if (m.type === NLMSG_ERROR) throw new NetlinkError(this.#what, -m.body.readInt32LE(0), explanationOf(m))
      if (m.type === NLMSG_DONE) return true
      this.bodies.push(Buffer.from(m.body))
    }
    return false
  }
}

/** A libc call in a thread of koffi's. */
function wait(call: typeof send, args: Parameters<typeof send>, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: unknown, result: number | bigint) => {
      if (error) reject(error instanceof Error ? error : new Error('the call failed', { cause: error }))
      // errno belongs to the other thread: all that is known here is that it failed.
      else if (Number(result) === -1) reject(new NetlinkError(what, EIO, undefined))
      else resolve(Number(result))
    })
  })
}

function messagesOf(buffer: Buffer, length: number): Message[] {
  const messages: Message[] = []
  for (let at = 0; at + headerSize <= length;) {
    const size = buffer.readUInt32LE(at)
    if (size < headerSize || at + size > length) break
    messages.push({
      type: buffer.readUInt16LE(at + 4),
      flags: buffer.readUInt16LE(at + 6),
      sequence: buffer.readUInt32LE(at + 8),
      body: buffer.subarray(at + headerSize, at + size),
    })
    at += align(size)
  }
  return messages
}

interface Message {
  type: number
  flags: number
  sequence: number
  body: Buffer
}

const align = (n: number): number => (n + 3) & ~3
const padding = (n: number): Buffer => Buffer.alloc(align(n) - n)

/** The extended acknowledgement's text (NLMSGERR_ATTR_MSG): after the error code and the header of the request. */
function explanationOf(m: Message): string | undefined {
  if (!(m.flags & NLM_F_ACK_TLVS) || m.body.length <= 4 + headerSize) return undefined
  return attributesOf(m.body, 4 + headerSize)
    .get(1)
    ?.toString('utf8')
    .replace(/\0.*$/s, '')
}

/** Encodes one attribute. Numbers are 32 bits in host order, text is terminated by a zero, lists are nested attributes. */
export function attribute(type: number, value: number | string | Buffer | readonly Buffer[]): Buffer {
  const nested = Array.isArray(value)
  const data = nested
    ? Buffer.concat(value)
    : typeof value === 'number'
      ? u32(value)
      : typeof value === 'string'
        ? Buffer.from(`${value}\0`)
        : (value as Buffer) // Array.isArray() does not narrow readonly arrays: this is what is left
  const header = Buffer.alloc(4)
  header.writeUInt16LE(4 + data.length, 0)
  header.writeUInt16LE(nested ? type | NLA_F_NESTED : type, 2)
  return Buffer.concat([header, data, padding(data.length)])
}

/** The attributes from `offset` to the end by type; of repeated ones the last. */
export function attributesOf(data: Buffer, offset = 0): Map<number, Buffer> {
  return new Map(attributeList(data, offset))
}

/** The attributes from `offset` to the end in their order. */
export function attributeList(data: Buffer, offset = 0): [type: number, value: Buffer][] {
  const list: [number, Buffer][] = []
  for (let at = offset; at + 4 <= data.length;) {
    const size = data.readUInt16LE(at)
    if (size < 4 || at + size > data.length) break
    list.push([data.readUInt16LE(at + 2) & nlaTypeMask, data.subarray(at + 4, at + size)])
    at += align(size)
  }
  return list
}

export function u32(value: number): Buffer {
  const data = Buffer.alloc(4)
  data.writeUInt32LE(value >>> 0)
  return data
}
