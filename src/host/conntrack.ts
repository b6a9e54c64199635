import { attribute, attributesOf, NETLINK_NETFILTER, NetlinkSocket, u32 } from './netlink.ts'
import { addressText } from './rtnetlink.ts'

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
const CTA_IP_V6_SRC = 3
const CTA_IP_V6_DST = 4
const CTA_PROTO_NUM = 1
const CTA_PROTO_DST_PORT = 3
const CTA_FILTER_ORIG_FLAGS = 1
const CTA_FILTER_REPLY_FLAGS = 2
const matchProtocol = 1 << 3

const AF_INET = 2
const AF_INET6 = 10
const IPPROTO_UDP = 17
const families = {
  4: { header: Buffer.from([AF_INET, 0, 0, 0]), source: CTA_IP_V4_SRC, destination: CTA_IP_V4_DST },
  6: { header: Buffer.from([AF_INET6, 0, 0, 0]), source: CTA_IP_V6_SRC, destination: CTA_IP_V6_DST },
}

export interface Flow {
  /** The address that the client sent to, and its port. */
  readonly destination: string
  readonly port: number
  /** Who answers: another than the destination when the flow is redirected. */
  readonly answeredBy: string
}

/**
 * Forgets the UDP flows of a family that match: their next datagram is judged by the rules of then. The kernel walks all flows of
 * the host for it, 10 to 20 ms, in another thread.
 */
export async function forgetFlows(version: 4 | 6, match: (flow: Flow) => boolean): Promise<void> {
  const family = families[version]
  using socket = new NetlinkSocket(NETLINK_NETFILTER)
  const udp = [
    attribute(CTA_TUPLE_ORIG, [
      attribute(CTA_TUPLE_PROTO, [attribute(CTA_PROTO_NUM, Buffer.from([IPPROTO_UDP]))]),
    ]),
    // Kernels before 5.8 do not know it and list everything.
    attribute(CTA_FILTER, [
      attribute(CTA_FILTER_ORIG_FLAGS, u32(matchProtocol)),
      attribute(CTA_FILTER_REPLY_FLAGS, u32(0)),
    ]),
  ]
  const entries = await socket.dumpSlowly(
    IPCTNL_MSG_CT_GET,
    Buffer.concat([family.header, ...udp]),
    'list flows',
  )
  for (const entry of entries) {
    const fields = attributesOf(entry, 4)
    const tuple = fields.get(CTA_TUPLE_ORIG) ?? none
    const original = attributesOf(tuple)
    const protocol = attributesOf(original.get(CTA_TUPLE_PROTO) ?? none)
    const reply = attributesOf(attributesOf(fields.get(CTA_TUPLE_REPLY) ?? none).get(CTA_TUPLE_IP) ?? none)
    const destination = attributesOf(original.get(CTA_TUPLE_IP) ?? none).get(family.destination)
    const answeredBy = reply.get(family.source)
    if (protocol.get(CTA_PROTO_NUM)?.[0] !== IPPROTO_UDP || !destination || !answeredBy) continue
    const port = protocol.get(CTA_PROTO_DST_PORT)?.readUInt16BE(0) ?? 0
    if (!match({ destination: addressText(destination), port, answeredBy: addressText(answeredBy) })) continue
    const id = fields.get(CTA_ID)
    const body = [
      family.header,
      attribute(CTA_TUPLE_ORIG | nested, tuple),
      ...(id ? [attribute(CTA_ID, id)] : []),
    ]
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
