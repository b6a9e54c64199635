import {
  attribute,
  NETLINK_NETFILTER,
  NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  type Request,
} from './netlink.ts'
import { addressBytes } from './rtnetlink.ts'
import { hasCode } from '../lib/errors.ts'

const subsystem = 10
const batchBegin = 0x10
const batchEnd = 0x11
const message = (type: number): number => (subsystem << 8) | type
const NFT_MSG_NEWTABLE = message(0)
const NFT_MSG_DELTABLE = message(2)
const NFT_MSG_NEWCHAIN = message(3)
const NFT_MSG_GETCHAIN = message(4)
const NFT_MSG_NEWRULE = message(6)
const NLM_F_APPEND = 0x800
const NFPROTO_IPV4 = 2
const NF_INET_LOCAL_OUT = 3
/** Before connections would be tracked. */
const raw = -300
const NFT_META_L4PROTO = 16
/** Offsets in the headers, by direction. */
const network = { base: 1, there: 16, back: 12 }
const transport = { base: 2, there: 2, back: 0 }
const protocols = [
  { number: 6, checksum: 16 },
  { number: 17, checksum: 6 },
]
const register = 1

/**
 * What this namespace's own programs send to `address`:`port` over TCP and UDP goes to `address`:`to`, and what comes from there seems to
 * come from `port`. Everything of it is in the table `ip <table>`, which is replaced unless it says so already: the kernel takes 30
 * ms to forget rules, and 1 to 3 to learn them.
 *
 * The ports are rewritten packet by packet. A NAT rule would make the kernel track all connections of the namespace, remember each
 * query for half a minute, and lead those of a program that keeps its socket to where the first one went.
 */
export function redirectLocal(o: { table: string; address: string; port: number; to: number }): void {
  using socket = new NetlinkSocket(NETLINK_NETFILTER)
  const what = `nftables ip ${o.table}`
  const table = attribute(1, o.table)
  const request = (type: number, flags: number, ...attributes: Buffer[]): Request => ({
    type,
    flags,
    what,
    body: Buffer.concat([Buffer.from([NFPROTO_IPV4, 0, 0, 0]), ...attributes]),
  })
  const frame = (type: number): Request => ({
    type,
    body: Buffer.from([0, 0, 0, subsystem]),
    what,
    noAck: true,
  })
  const make = (exclusive: number): Request[] => [
    request(NFT_MSG_NEWTABLE, NLM_F_CREATE | exclusive, table),
    request(NFT_MSG_NEWCHAIN, NLM_F_CREATE, table, ...chainOf(o.to)),
    ...protocols.flatMap((protocol) =>
      (['there', 'back'] as const).map((way) =>
        request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table, ...ruleOf(o, protocol, way)),
      ),
    ),
  ]
  try {
    socket.request(frame(batchBegin), ...make(NLM_F_EXCL), frame(batchEnd))
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error
    if (isThere(socket, request(NFT_MSG_GETCHAIN, 0, table, attribute(3, chainTo(o.to))))) return
    socket.request(frame(batchBegin), request(NFT_MSG_DELTABLE, 0, table), ...make(0), frame(batchEnd))
  }
}

/** What the chain does is in its name, so that it need not be read to be known. */
const chainTo = (port: number): string => `to_${port}`

function isThere(socket: NetlinkSocket, request: Request): boolean {
  try {
    socket.request(request)
    return true
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false
    throw error
  }
}

function chainOf(to: number): Buffer[] {
  const hook = [attribute(1, be32(NF_INET_LOCAL_OUT)), attribute(2, be32(raw))]
  return [attribute(3, chainTo(to)), attribute(4, hook), attribute(7, 'filter')]
}

function ruleOf(
  o: { address: string; port: number; to: number },
  protocol: (typeof protocols)[number],
  way: 'there' | 'back',
): Buffer[] {
  const address = addressBytes(o.address)
  const [from, to] = way === 'there' ? [o.port, o.to] : [o.to, o.port]
  const expressions = [
    expression('meta', attribute(1, be32(register)), attribute(2, be32(NFT_META_L4PROTO))),
    equal(Buffer.from([protocol.number])),
    load(network.base, network[way], address.length),
    equal(address),
    load(transport.base, transport[way], 2),
    equal(be16(from)),
    expression('notrack'),
    expression('immediate', attribute(1, be32(register)), attribute(2, [attribute(1, be16(to))])),
    expression(
      'payload',
      attribute(5, be32(register)),
      attribute(2, be32(transport.base)),
      attribute(3, be32(transport[way])),
      attribute(4, be32(2)),
      attribute(6, be32(1)), // an internet checksum, at:
      attribute(7, be32(protocol.checksum)),
    ),
  ]
  return [attribute(2, chainTo(o.to)), attribute(4, expressions)]
}

const expression = (name: string, ...data: Buffer[]): Buffer =>
  attribute(1, [attribute(1, name), ...(data.length > 0 ? [attribute(2, data)] : [])])

const load = (base: number, offset: number, length: number): Buffer =>
  expression(
    'payload',
    attribute(1, be32(register)),
    attribute(2, be32(base)),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  )

const equal = (value: Buffer): Buffer =>
  expression('cmp', attribute(1, be32(register)), attribute(2, be32(0)), attribute(3, [attribute(1, value)]))

function be32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function be16(value: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(value)
  return bytes
}
