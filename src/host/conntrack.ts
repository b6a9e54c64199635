import { attribute, attributesOf, u32, type NetlinkSocket } from './netlink.ts'
import { addressBytes } from './rtnetlink.ts'

const NFNL_SUBSYS_CTNETLINK = 1
const IPCTNL_MSG_CT_GET = (NFNL_SUBSYS_CTNETLINK << 8) | 1
const IPCTNL_MSG_CT_DELETE = (NFNL_SUBSYS_CTNETLINK << 8) | 2
const CTA_TUPLE_ORIG = 1
const CTA_TUPLE_REPLY = 2
const CTA_ID = 12
const CTA_FILTER = 25
const CTA_TUPLE_IP = 1
const CTA_TUPLE_PROTO = 2
const CTA_IP_V4_SRC = 1
const CTA_IP_V4_DST = 2
const CTA_PROTO_NUM = 1
const CTA_PROTO_DST_PORT = 3
const CTA_FILTER_ORIG_FLAGS = 1
const CTA_FILTER_REPLY_FLAGS = 2
const matchSource = 1 << 0
const matchProtocol = 1 << 3
const matchDestinationPort = 1 << 5

const AF_INET = 2
const IPPROTO_UDP = 17
const family = Buffer.from([AF_INET, 0, 0, 0])

/**
 * Forgets the UDP flows that were redirected to `ip`: their next datagram is judged by the rules of then.
 * Both functions want a socket of openNftSocket().
 */
export function forgetFlowsTo(socket: NetlinkSocket, ip: string): void {
  const address = addressBytes(ip)
  forget(
    socket,
    [
      attribute(CTA_TUPLE_REPLY, [
        attribute(CTA_TUPLE_IP, [attribute(CTA_IP_V4_SRC, address)]),
        attribute(CTA_TUPLE_PROTO, [attribute(CTA_PROTO_NUM, Buffer.from([IPPROTO_UDP]))]),
      ]),
      filter(0, matchSource | matchProtocol),
    ],
    (flow) => flow.replySource.equals(address),
  )
}

/**
 * Forgets the UDP flows to a port of one of the host's `addresses` (IPv4) that are not redirected. Without that a client that sent
 * something before the port was published keeps talking to nobody.
 */
export function forgetFlowsAt(
  socket: NetlinkSocket,
  o: { port: number; addresses: readonly string[] },
): void {
  const portBytes = Buffer.alloc(2)
  portBytes.writeUInt16BE(o.port)
  const own = new Set(o.addresses)
  forget(
    socket,
    [
      attribute(CTA_TUPLE_ORIG, [
        attribute(CTA_TUPLE_PROTO, [
          attribute(CTA_PROTO_NUM, Buffer.from([IPPROTO_UDP])),
          attribute(CTA_PROTO_DST_PORT, portBytes),
        ]),
      ]),
      filter(matchProtocol | matchDestinationPort, 0),
    ],
    (flow) =>
      flow.port === o.port &&
      flow.replySource.equals(flow.destination) &&
      own.has([...flow.destination].join('.')),
  )
}

interface Flow {
  readonly destination: Buffer
  readonly port: number
  readonly replySource: Buffer
}

/** Kernels before 5.8 ignore the filter and list everything: hence `match`. */
function forget(socket: NetlinkSocket, query: readonly Buffer[], match: (flow: Flow) => boolean): void {
  for (const entry of socket.dump(IPCTNL_MSG_CT_GET, Buffer.concat([family, ...query]), 'list flows')) {
    const fields = attributesOf(entry, 4)
    const original = attributesOf(fields.get(CTA_TUPLE_ORIG) ?? none)
    const protocol = attributesOf(original.get(CTA_TUPLE_PROTO) ?? none)
    const reply = attributesOf(attributesOf(fields.get(CTA_TUPLE_REPLY) ?? none).get(CTA_TUPLE_IP) ?? none)
    const flow = {
      destination: attributesOf(original.get(CTA_TUPLE_IP) ?? none).get(CTA_IP_V4_DST) ?? none,
      port: protocol.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? 0,
      replySource: reply.get(CTA_IP_V4_SRC) ?? none,
    }
    if (protocol.get(CTA_PROTO_NUM)?.[0] !== IPPROTO_UDP || !match(flow)) continue
    const id = fields.get(CTA_ID)
    const tuple = fields.get(CTA_TUPLE_ORIG)
    if (!tuple) continue
    const body = [family, attribute(CTA_TUPLE_ORIG | nested, tuple), ...(id ? [attribute(CTA_ID, id)] : [])]
    socket.request({
      type: IPCTNL_MSG_CT_DELETE,
      body: Buffer.concat(body),
      what: 'forget flow',
      gone: ['ENOENT'],
    })
  }
}

const none = Buffer.alloc(0)
const nested = 0x8000

function filter(original: number, reply: number): Buffer {
  return attribute(CTA_FILTER, [
    attribute(CTA_FILTER_ORIG_FLAGS, u32(original)),
    attribute(CTA_FILTER_REPLY_FLAGS, u32(reply)),
  ])
}
