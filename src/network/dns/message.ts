import { decode, encode, RECURSION_AVAILABLE, RECURSION_DESIRED, type Answer } from 'dns-packet'

/** Numbers of the registry (RFC 1035, 3596, 6895). */
export const TYPE = { A: 1, PTR: 12, AAAA: 28, ANY: 255 } as const
export const RCODE = { ok: 0, formErr: 1, servFail: 2, nxDomain: 3, notImp: 4, refused: 5 } as const
const classIn = 1

const headerSize = 12
const QR = 0x8000
const TC = 0x0200

/** Docker's: long for names that change, but every client that matters asks again. Seconds. */
const ttl = 600
/** What a client takes that says nothing else. Bytes. */
const plainUdpSize = 512
const maxSize = 65_535

export interface Query {
  readonly bytes: Buffer
  readonly id: number
  readonly flags: number
  readonly opcode: number
  /** As asked, without the last dot. */
  readonly name: string
  readonly type: number
  readonly internet: boolean
  /** Where the first question ends. */
  readonly end: number
}

/** The first question of a query. Undefined: no query, or none that could be answered. */
export function parseQuery(bytes: Buffer): Query | undefined {
  if (bytes.length < headerSize) return undefined
  const flags = bytes.readUInt16BE(2)
  if (flags & QR || bytes.readUInt16BE(4) !== 1) return undefined
  const name = readName(bytes)
  if (!name || name.end + 4 > bytes.length) return undefined
  return {
    bytes,
    id: bytes.readUInt16BE(0),
    flags,
    opcode: (flags >> 11) & 15,
    name: name.text,
    type: bytes.readUInt16BE(name.end),
    internet: bytes.readUInt16BE(name.end + 2) === classIn,
    end: name.end + 4,
  }
}

/** A question's name is never compressed. Bytes that could be mistaken for another name are escaped as \ddd. */
function readName(bytes: Buffer): { text: string; end: number } | undefined {
  const labels: string[] = []
  for (let at = headerSize; ;) {
    const size = bytes[at]
    if (size === undefined || size > 63 || at + 1 + size > bytes.length || at - headerSize > 255)
      return undefined
    if (size === 0) return { text: labels.join('.'), end: at + 1 }
    const label = bytes.toString('latin1', at + 1, at + 1 + size)
    labels.push(label.replace(/[^!-~]|[.\\]/g, (c) => `\\${String(c.charCodeAt(0)).padStart(3, '0')}`))
    at += 1 + size
  }
}

/** An answer without records. */
export function empty(query: Query, rcode: number): Buffer {
  const reply = Buffer.from(query.bytes.subarray(0, query.end))
  // Opcode and RD are the query's.
  reply.writeUInt16BE(QR | (query.flags & 0x7900) | RECURSION_AVAILABLE | rcode, 2)
  reply.writeUInt16BE(1, 4)
  reply.fill(0, 6, headerSize)
  return reply
}

export function addresses(query: Query, list: readonly string[], stream: boolean): Buffer {
  const records = list.map((data): Answer => ({
    name: query.name,
    ttl,
    data,
    type: data.includes(':') ? 'AAAA' : 'A',
  }))
  return answer(query, records, stream)
}

export function pointer(query: Query, name: string, stream: boolean): Buffer {
  return answer(query, [{ name: query.name, ttl, data: name, type: 'PTR' }], stream)
}

/** Leaves out what the client cannot take, and says so. */
function answer(query: Query, records: readonly Answer[], stream: boolean): Buffer {
  const write = (count: number, flags: number): Buffer => {
    const { questions } = decode(empty(query, RCODE.ok))
    return encode({
      type: 'response',
      id: query.id,
      flags: (query.flags & RECURSION_DESIRED) | RECURSION_AVAILABLE | flags,
      ...(questions && { questions }),
      answers: records.slice(0, count),
    })
  }
  const whole = write(records.length, 0)
  if (whole.length <= plainUdpSize) return whole
  const limit = stream ? maxSize : Math.max(plainUdpSize, udpSize(query))
  if (whole.length <= limit) return whole
  const each = (whole.length - query.end) / records.length
  return write(Math.floor((limit - query.end) / each), stream ? 0 : TC)
}

/** What the client's EDNS record says it takes. */
function udpSize(query: Query): number {
  try {
    const option = decode(query.bytes).additionals?.find((a) => a.type === 'OPT')
    return option?.type === 'OPT' ? option.udpPayloadSize : 0
  } catch {
    // Nonsense after the question: as if it were not there.
    return 0
  }
}

/** True when `reply` answers the query that was sent as `sent` (which has one question, ending at `end`). */
export function answers(reply: Buffer, sent: Buffer, end: number): boolean {
  if (reply.length < headerSize || reply.readUInt16BE(0) !== sent.readUInt16BE(0)) return false
  if (!(reply.readUInt16BE(2) & QR)) return false
  // A server that did not understand may leave the question out.
  if (reply.readUInt16BE(4) === 0) return rcodeOf(reply) !== RCODE.ok
  return lower(reply, end) === lower(sent, end)
}

const lower = (bytes: Buffer, end: number): string => bytes.toString('latin1', headerSize, end).toLowerCase()

export const rcodeOf = (reply: Buffer): number => (reply[3] ?? 0) & 15
