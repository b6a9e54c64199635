import { isIPv4, isIPv6 } from 'node:net'
import {
  attribute,
  attributeList,
  attributesOf,
  type NetlinkSocket,
  NLM_F_CREATE,
  NLM_F_EXCL,
  NLM_F_REPLACE,
  u32,
  type Request,
} from './netlink.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_NEWADDR = 20
const RTM_DELADDR = 21
const RTM_GETADDR = 22
const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26

const IFLA_ADDRESS = 1
const IFLA_IFNAME = 3
const IFLA_MTU = 4
const IFLA_LINK = 5
const IFLA_MASTER = 10
const IFLA_LINKINFO = 18
const IFLA_IFALIAS = 20
const IFLA_NET_NS_FD = 28
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_INFO_SLAVE_KIND = 4
const IFLA_INFO_SLAVE_DATA = 5
const IFLA_BRPORT_MODE = 4
const IFLA_BRPORT_ISOLATED = 33
const VETH_INFO_PEER = 1
const IFLA_MACVLAN_MODE = 1
const IFLA_IPVLAN_MODE = 1
const IFLA_IPVLAN_FLAGS = 2
const IFA_ADDRESS = 1
const IFA_LOCAL = 2
const IFA_BROADCAST = 4
const RTA_DST = 1
const RTA_OIF = 4
const RTA_GATEWAY = 5

const AF_INET = 2
const AF_INET6 = 10
const IFF_UP = 1
const RT_TABLE_MAIN = 254
const RTPROT_STATIC = 4
const RTN_UNICAST = 1
const RT_SCOPE_NOWHERE = 255
const IFA_F_NODAD = 2

export interface Link {
  readonly index: number
  readonly name: string
  readonly up: boolean
  /** `bridge`, `veth`, …; undefined for physical ones and lo. */
  readonly kind: string | undefined
  readonly mac: string
  readonly mtu: number
  /** Free text for people and for the link's owner. */
  readonly alias: string
  /** Index of the bridge it is a port of. */
  readonly master: number | undefined
}

export interface Route {
  readonly family: 4 | 6
  /** `0.0.0.0/0` or `::/0` for the default route. */
  readonly destination: string
  readonly gateway: string | undefined
  readonly linkIndex: number | undefined
  readonly table: number
}

export interface LinkAddress {
  readonly family: 4 | 6
  readonly linkIndex: number
  readonly address: string
  readonly prefix: number
}

/** Requests as values, so that several go to the kernel in one send. Names are resolved by the kernel: no look-up first. */
export const createBridge = (o: { name: string; mac: string; mtu: number }): Request => ({
  what: `create bridge ${o.name}`,
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: Buffer.concat([
    linkHeader({ up: true }),
    attribute(IFLA_IFNAME, o.name),
    attribute(IFLA_ADDRESS, macBytes(o.mac)),
    attribute(IFLA_MTU, o.mtu),
    attribute(IFLA_LINKINFO, [attribute(IFLA_INFO_KIND, 'bridge')]),
  ]),
})

/**
 * A veth pair: `name` here, up, as a port of the bridge `master`; the peer, down (the kernel refuses to open it before its
 * pair exists), in the namespace that the descriptor `namespace` refers to, where it gets the interface index `index`.
 */
export const createVeth = (o: {
  name: string
  master: number
  mtu: number
  peer: { name: string; namespace: number; mac: string; index: number }
}): Request => ({
  what: `create veth ${o.name}`,
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: Buffer.concat([
    linkHeader({ up: true }),
    attribute(IFLA_IFNAME, o.name),
    attribute(IFLA_MTU, o.mtu),
    attribute(IFLA_MASTER, o.master),
    attribute(IFLA_LINKINFO, [
      attribute(IFLA_INFO_KIND, 'veth'),
      attribute(IFLA_INFO_DATA, [
        attribute(
          VETH_INFO_PEER,
          Buffer.concat([
            linkHeader({ index: o.peer.index }),
            attribute(IFLA_IFNAME, o.peer.name),
            attribute(IFLA_MTU, o.mtu),
            attribute(IFLA_ADDRESS, macBytes(o.peer.mac)),
            attribute(IFLA_NET_NS_FD, o.peer.namespace),
          ]),
        ),
      ]),
    ]),
  ]),
})

export const macvlanModes = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const
export const ipvlanFlags = { bridge: 0, private: 1, vepa: 2 } as const
export type SharedLink =
  | { readonly kind: 'macvlan'; readonly mode: keyof typeof macvlanModes }
  /** Layer 2: the interfaces have the parent's MAC address. */
  | { readonly kind: 'ipvlan'; readonly flag: keyof typeof ipvlanFlags }

/**
 * An interface that shares the link `parent` of this namespace, made down in the namespace that the descriptor refers to.
 * EOPNOTSUPP: the kernel has no such links.
 */
export const createShared = (o: {
  name: string
  parent: number
  namespace: number
  link: SharedLink
  mtu: number
  mac: string
}): Request => ({
  what: `create ${o.link.kind} ${o.name}`,
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: Buffer.concat([
    linkHeader({}),
    attribute(IFLA_IFNAME, o.name),
    attribute(IFLA_LINK, o.parent),
    attribute(IFLA_MTU, o.mtu),
    attribute(IFLA_NET_NS_FD, o.namespace),
    ...(o.link.kind === 'macvlan' && o.mac !== '' ? [attribute(IFLA_ADDRESS, macBytes(o.mac))] : []),
    attribute(IFLA_LINKINFO, [
      attribute(IFLA_INFO_KIND, o.link.kind),
      attribute(
        IFLA_INFO_DATA,
        o.link.kind === 'macvlan'
          ? [attribute(IFLA_MACVLAN_MODE, macvlanModes[o.link.mode])]
          : [
              attribute(IFLA_IPVLAN_MODE, u16(0)),
              attribute(IFLA_IPVLAN_FLAGS, u16(ipvlanFlags[o.link.flag])),
            ],
      ),
    ]),
  ]),
})

/** Fails in every case, as it names no parent: with EOPNOTSUPP when the kernel does not know links of this kind. */
export const probeShared = (kind: SharedLink['kind']): Request => ({
  what: `probe ${kind}`,
  type: RTM_NEWLINK,
  flags: NLM_F_CREATE | NLM_F_EXCL,
  body: Buffer.concat([linkHeader({}), attribute(IFLA_LINKINFO, [attribute(IFLA_INFO_KIND, kind)])]),
})

/**
 * Lets a bridge port get its own frames back. With br_netfilter a container that calls its own published port is
 * redirected within the bridge, to the port that it came from: without this the frame is dropped there.
 */
export const setHairpin = (name: string): Request => ({
  what: `set hairpin mode of ${name}`,
  type: RTM_NEWLINK,
  body: Buffer.concat([
    linkHeader({}),
    attribute(IFLA_IFNAME, name),
    attribute(IFLA_LINKINFO, [
      attribute(IFLA_INFO_SLAVE_KIND, 'bridge'),
      attribute(IFLA_INFO_SLAVE_DATA, [attribute(IFLA_BRPORT_MODE, Buffer.from([1]))]),
    ]),
  ]),
})

/** Isolated ports of a bridge get no frames from each other, only what the host sends them. */
export const setIsolated = (name: string): Request => ({
  what: `isolate bridge port ${name}`,
  type: RTM_NEWLINK,
  body: Buffer.concat([
    linkHeader({}),
    attribute(IFLA_IFNAME, name),
    attribute(IFLA_LINKINFO, [
      attribute(IFLA_INFO_SLAVE_KIND, 'bridge'),
      attribute(IFLA_INFO_SLAVE_DATA, [attribute(IFLA_BRPORT_ISOLATED, Buffer.from([1]))]),
    ]),
  ]),
})

export const setUp = (index: number): Request => ({
  what: `set link ${index} up`,
  type: RTM_NEWLINK,
  body: linkHeader({ up: true, index }),
})

export const setAlias = (index: number, alias: string): Request => ({
  what: `set alias of link ${index}`,
  type: RTM_NEWLINK,
  body: Buffer.concat([linkHeader({ index }), attribute(IFLA_IFALIAS, alias)]),
})

export const setMtu = (index: number, mtu: number): Request => ({
  what: `set MTU of link ${index}`,
  type: RTM_NEWLINK,
  body: Buffer.concat([linkHeader({ index }), attribute(IFLA_MTU, mtu)]),
})

/** ENODEV when there is none of that name. */
export const deleteLink = (name: string): Request => ({
  what: `delete link ${name}`,
  type: RTM_DELLINK,
  body: Buffer.concat([linkHeader({}), attribute(IFLA_IFNAME, name)]),
})

/** Replaces an equal address. IPv6 addresses come without duplicate detection: they are usable at once. */
export const addAddress = (index: number, address: string, prefix: number): Request => ({
  what: `add address ${address}/${prefix}`,
  type: RTM_NEWADDR,
  flags: NLM_F_CREATE | NLM_F_REPLACE,
  body: addressBody(index, address, prefix),
})

export const deleteAddress = (index: number, address: string, prefix: number): Request => ({
  what: `delete address ${address}/${prefix}`,
  type: RTM_DELADDR,
  body: addressBody(index, address, prefix),
})

/** A route in the main table by gateway. */
export const addRoute = (o: { destination: string; gateway: string; index: number }): Request => {
  const [network = '', prefix = '0'] = o.destination.split('/')
  return {
    what: `add route ${o.destination} via ${o.gateway}`,
    type: RTM_NEWROUTE,
    flags: NLM_F_CREATE | NLM_F_REPLACE,
    body: Buffer.concat([
      routeHeader(familyOf(o.gateway), Number(prefix)),
      ...(Number(prefix) > 0 ? [attribute(RTA_DST, addressBytes(network))] : []),
      attribute(RTA_GATEWAY, addressBytes(o.gateway)),
      attribute(RTA_OIF, o.index),
    ]),
  }
}

/** Deletes a route of the main table. ESRCH when there is none. */
export const deleteRoute = (destination: string): Request => {
  const [network = '', prefix = '0'] = destination.split('/')
  const header = routeHeader(familyOf(network), Number(prefix))
  // Of whatever kind and protocol.
  header.writeUInt8(0, 5)
  header.writeUInt8(RT_SCOPE_NOWHERE, 6)
  header.writeUInt8(0, 7)
  return {
    what: `delete route ${destination}`,
    type: RTM_DELROUTE,
    body: Buffer.concat([header, ...(Number(prefix) > 0 ? [attribute(RTA_DST, addressBytes(network))] : [])]),
  }
}

export function listLinks(socket: NetlinkSocket): Link[] {
  return socket.dump(RTM_GETLINK, linkHeader({}), 'list links').map((body) => {
    const a = attributesOf(body, 16)
    const info = attributesOf(a.get(IFLA_LINKINFO) ?? Buffer.alloc(0))
    return {
      index: body.readInt32LE(4),
      name: text(a.get(IFLA_IFNAME)),
      up: (body.readUInt32LE(8) & IFF_UP) !== 0,
      kind: info.has(IFLA_INFO_KIND) ? text(info.get(IFLA_INFO_KIND)) : undefined,
      mac: macText(a.get(IFLA_ADDRESS)),
      mtu: a.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
      alias: text(a.get(IFLA_IFALIAS)),
      master: a.get(IFLA_MASTER)?.readUInt32LE(0),
    }
  })
}

export function listAddresses(socket: NetlinkSocket): LinkAddress[] {
  return socket.dump(RTM_GETADDR, Buffer.alloc(8), 'list addresses').flatMap((body) => {
    const family = body.readUInt8(0)
    const a = attributesOf(body, 8)
    const address = a.get(IFA_LOCAL) ?? a.get(IFA_ADDRESS)
    if (!address || (family !== AF_INET && family !== AF_INET6)) return []
    return [
      {
        family: family === AF_INET ? 4 : 6,
        linkIndex: body.readUInt32LE(4),
        address: addressText(address),
        prefix: body.readUInt8(1),
      },
    ]
  })
}

/** Routes of every table but `local`: what the host reaches, by whatever rule. */
export function listRoutes(socket: NetlinkSocket): Route[] {
  const RT_TABLE_LOCAL = 255
  return socket.dump(RTM_GETROUTE, Buffer.alloc(12), 'list routes').flatMap((body) => {
    const family = body.readUInt8(0)
    const a = attributeList(body, 12)
    const find = (type: number) => a.find(([t]) => t === type)?.[1]
    const RTA_TABLE = 15
    const table = find(RTA_TABLE)?.readUInt32LE(0) ?? body.readUInt8(4)
    if ((family !== AF_INET && family !== AF_INET6) || table === RT_TABLE_LOCAL) return []
    const destination = find(RTA_DST)
    const gateway = find(RTA_GATEWAY)
    const any = family === AF_INET ? '0.0.0.0' : '::'
    return [
      {
        family: family === AF_INET ? 4 : 6,
        destination: `${destination ? addressText(destination) : any}/${body.readUInt8(1)}`,
        gateway: gateway && addressText(gateway),
        linkIndex: find(RTA_OIF)?.readUInt32LE(0),
        table,
      },
    ]
  })
}

function linkHeader(o: { index?: number; up?: boolean }): Buffer {
  const header = Buffer.alloc(16)
  header.writeInt32LE(o.index ?? 0, 4)
  if (o.up) {
    header.writeUInt32LE(IFF_UP, 8)
    header.writeUInt32LE(IFF_UP, 12)
  }
  return header
}

function addressBody(index: number, address: string, prefix: number): Buffer {
  const bytes = addressBytes(address)
  const header = Buffer.alloc(8)
  header.writeUInt8(familyOf(address), 0)
  header.writeUInt8(prefix, 1)
  if (bytes.length === 16) header.writeUInt8(IFA_F_NODAD, 2)
  header.writeUInt32LE(index, 4)
  const parts = [header, attribute(IFA_LOCAL, bytes), attribute(IFA_ADDRESS, bytes)]
  if (bytes.length === 4 && prefix < 31) {
    const broadcast = (bytes.readUInt32BE(0) | (0xffffffff >>> prefix)) >>> 0
    parts.push(attribute(IFA_BROADCAST, u32be(broadcast)))
  }
  return Buffer.concat(parts)
}

function routeHeader(family: number, prefix: number): Buffer {
  return Buffer.from([family, prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, 0, RTN_UNICAST, 0, 0, 0, 0])
}

const familyOf = (address: string): number => (isIPv4(address) ? AF_INET : AF_INET6)

function u16(value: number): Buffer {
  const data = Buffer.alloc(2)
  data.writeUInt16LE(value)
  return data
}

function u32be(value: number): Buffer {
  return Buffer.from(u32(value)).swap32()
}

/** Four or sixteen bytes in network order. Throws a RangeError on other text. */
export function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  if (!isIPv6(address)) throw new RangeError(`not an IP address: ${address}`)
  let text = address.replace(/%.*$/, '')
  const v4 = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text)
  if (v4) {
    const [a, b, c, d] = v4.slice(2).map(Number) as [number, number, number, number] // four groups matched
    text = `${v4[1]}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  }
  const [head = '', tail] = text.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':').map((g) => Number.parseInt(g, 16)))
  const before = groups(head)
  const after = groups(tail ?? '')
  const middle = tail === undefined ? 0 : 8 - before.length - after.length
  const bytes = Buffer.alloc(16)
  for (const [i, g] of [...before, ...Array.from({ length: middle }, () => 0), ...after].entries())
    bytes.writeUInt16BE(g, i * 2)
  return bytes
}

/** The inverse of addressBytes; IPv6 in the canonical form of RFC 5952. */
export function addressText(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join('.')
  const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2))
  let best = { start: 0, length: 1 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (start + length < 8 && groups[start + length] === 0) length++
    if (length > best.length) best = { start, length }
  }
  const hex = (from: number, to?: number) =>
    groups
      .slice(from, to)
      .map((g) => g.toString(16))
      .join(':')
  return best.length > 1 ? `${hex(0, best.start)}::${hex(best.start + best.length)}` : hex(0)
}

function macBytes(mac: string): Buffer {
  return Buffer.from(mac.replaceAll(/[:-]/g, ''), 'hex')
}

function macText(bytes: Buffer | undefined): string {
  return [...(bytes ?? [])].map((b) => b.toString(16).padStart(2, '0')).join(':')
}

function text(value: Buffer | undefined): string {
  return value?.toString('utf8').replace(/\0.*$/s, '') ?? ''
}
