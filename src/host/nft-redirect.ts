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
const dstnat = -100
const NFT_META_L4PROTO = 16
const network = { base: 1, destination: 16 }
const transport = { base: 2, destination: 2 }
const [reg1, reg2] = [1, 2]

/**
 * What this namespace's own programs send to `address`:`port` over TCP and UDP goes to `address`:`to`. Everything of it is in the table
 * `ip <table>`, which is replaced unless it says so already: the kernel takes 30 ms to forget rules, and 1 to 3 to learn them.
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
    ...[6, 17].map((protocol) =>
      request(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, table, ...ruleOf(o, protocol)),
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
  const hook = [attribute(1, be32(NF_INET_LOCAL_OUT)), attribute(2, be32(dstnat))]
  return [attribute(3, chainTo(to)), attribute(4, hook), attribute(7, 'nat')]
}

function ruleOf(o: { address: string; port: number; to: number }, protocol: number): Buffer[] {
  const address = addressBytes(o.address)
  const expressions = [
    expression('meta', attribute(1, be32(reg1)), attribute(2, be32(NFT_META_L4PROTO))),
    equal(Buffer.from([protocol])),
    load(network.base, network.destination, address.length),
    equal(address),
    load(transport.base, transport.destination, 2),
    equal(be16(o.port)),
    immediate(reg1, address),
    immediate(reg2, be16(o.to)),
    expression(
      'nat',
      attribute(1, be32(1)), // to a destination
      attribute(2, be32(NFPROTO_IPV4)),
      attribute(3, be32(reg1)),
      attribute(5, be32(reg2)),
    ),
  ]
  return [attribute(2, chainTo(o.to)), attribute(4, expressions)]
}

const expression = (name: string, ...data: Buffer[]): Buffer =>
  attribute(1, [attribute(1, name), attribute(2, data)])

const load = (base: number, offset: number, length: number): Buffer =>
  expression(
    'payload',
    attribute(1, be32(reg1)),
    attribute(2, be32(base)),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  )

const equal = (value: Buffer): Buffer =>
  expression('cmp', attribute(1, be32(reg1)), attribute(2, be32(0)), attribute(3, [attribute(1, value)]))

const immediate = (register: number, value: Buffer): Buffer =>
  expression('immediate', attribute(1, be32(register)), attribute(2, [attribute(1, value)]))

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
