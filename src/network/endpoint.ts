import { closeSync, openSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'
import { SyscallError } from '../host/libc.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import { inNetns } from '../host/netns.ts'
import {
  addAddress,
  addRoute,
  createShared,
  createVeth,
  deleteAddress,
  deleteLink,
  deleteRoute,
  listLinks,
  setHairpin,
  setIsolated,
  setUp,
  type SharedLink,
} from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { EndpointRecord } from './record.ts'

const ENODEV = 19

/** What an endpoint is plugged into. */
export interface Socket {
  /** Index of the bridge, or of the link that is shared. */
  readonly link: number
  readonly mtu: number
  /** A share of the link instead of a port of the bridge. */
  readonly shared?: SharedLink | undefined
  /** It hears from the host alone, not from its neighbours on the bridge. */
  readonly isolated?: boolean | undefined
}

/** By which of its interfaces a namespace reaches the world. */
export interface Defaults {
  readonly v4?: { readonly interface: string; readonly gateway: string } | undefined
  readonly v6?: { readonly interface: string; readonly gateway: string } | undefined
}

/**
 * Connects a namespace to a network: an interface with its addresses, up and usable on return.
 * When it fails part of it may exist: undo by disconnect().
 */
export function connect(
  host: NetlinkSocket,
  o: { netnsPath: string; endpoint: EndpointRecord; socket: Socket },
): void {
  const { endpoint } = o
  const namespace = openSync(o.netnsPath, 'r')
  try {
    if (o.socket.shared) {
      const { link: parent, mtu, shared } = o.socket
      const { interface: name, mac } = endpoint
      host.request(createShared({ name, parent, namespace, link: shared, mtu, mac }))
    } else
      host.request(
        createVeth({
          name: endpoint.hostInterface,
          master: o.socket.link,
          mtu: o.socket.mtu,
          // The kernel chooses the index: the next one that the namespace has not had.
          peer: { name: endpoint.interface, namespace, mac: endpoint.mac, index: 0 },
        }),
        setHairpin(endpoint.hostInterface),
        ...(o.socket.isolated ? [setIsolated(endpoint.hostInterface)] : []),
      )
  } finally {
    closeSync(namespace)
  }
  inNetns(o.netnsPath, () => {
    const ipv6 = endpoint.ip6 !== '' || endpoint.linkLocal.some((address) => address.includes(':'))
    // Docker: no IPv6, not even a link-local address, on a network that has none.
    if (ipv6) writeSysctl(`net/ipv6/conf/${endpoint.interface}/disable_ipv6`, '0')
    else ignoreMissing(() => writeSysctl(`net/ipv6/conf/${endpoint.interface}/disable_ipv6`, '1'))
    for (const [name, value] of Object.entries(endpoint.sysctls))
      writeSysctl(sysctlPath(endpoint, name), value)
    // Neighbours that knew the address by another MAC address hear of this one: IPv4 at the link's start, IPv6 with each address.
    writeSysctl(`net/ipv4/conf/${endpoint.interface}/arp_notify`, '1')
    if (ipv6) writeSysctl(`net/ipv6/conf/${endpoint.interface}/ndisc_notify`, '1')
    using socket = new NetlinkSocket()
    const index = indexOf(socket, endpoint.interface)
    const add = (of: 4 | 6) =>
      addressesOf(endpoint)
        .filter(({ address }) => address.includes(':') === (of === 6))
        .map(({ address, prefix }) => addAddress(index, address, prefix))
    socket.request(...add(4), setUp(index), ...add(6))
  })
}

/** Sets the default routes of a namespace; a family without a gateway has none. */
export function route(netnsPath: string, defaults: Defaults): void {
  inNetns(netnsPath, () => {
    using socket = new NetlinkSocket()
    for (const [any, way] of [
      ['0.0.0.0/0', defaults.v4],
      ['::/0', defaults.v6],
    ] as const) {
      // One that was there before may lead elsewhere: IPv6 would keep both.
      if (way === undefined || any === '::/0') ignoreMissing(() => socket.request(deleteRoute(any)))
      if (way)
        socket.request(
          addRoute({ destination: any, gateway: way.gateway, index: indexOf(socket, way.interface) }),
        )
    }
  })
}

/**
 * Silences an endpoint whose namespace is about to go: without its address it answers for nobody, so that the address can be
 * given away at once. The kernel takes the veth with the namespace, together with others and in the background;
 * deleting it here would block for 20 to 60 ms (RCU grace periods). Idempotent.
 */
export function silence(o: { netnsPath: string; endpoint: EndpointRecord }): void {
  ignoreMissing(() =>
    inNetns(o.netnsPath, () => {
      using socket = new NetlinkSocket()
      const index = indexOf(socket, o.endpoint.interface)
      for (const { address, prefix } of addressesOf(o.endpoint))
        ignoreMissing(() => socket.request(deleteAddress(index, address, prefix)))
    }),
  )
}

/** Deletes the interface inside a namespace that lives on: of networks that have no end on the host. Idempotent. */
export function remove(netnsPath: string, name: string): void {
  ignoreMissing(() =>
    inNetns(netnsPath, () => {
      using socket = new NetlinkSocket()
      socket.request(deleteLink(name))
    }),
  )
}

/** Deletes the veth now. Blocks for tens of milliseconds. Idempotent. */
export function disconnect(host: NetlinkSocket, hostInterface: string): void {
  ignoreMissing(() => host.request(deleteLink(hostInterface)))
}

function addressesOf(endpoint: EndpointRecord): { address: string; prefix: number }[] {
  return [
    ...(endpoint.ip === '' ? [] : [{ address: endpoint.ip, prefix: endpoint.prefix }]),
    ...(endpoint.ip6 === '' ? [] : [{ address: endpoint.ip6, prefix: endpoint.prefix6 }]),
    // Docker: link-local addresses stand for themselves alone.
    ...endpoint.linkLocal.map((address) => ({ address, prefix: address.includes(':') ? 64 : 16 })),
  ]
}

/** Throws ENODEV, as the kernel does for names. */
function indexOf(socket: NetlinkSocket, name: string): number {
  const index = listLinks(socket).find((link) => link.name === name)?.index
  if (index === undefined) throw new SyscallError('netlink', ENODEV, `link ${name}`)
  return index
}

/** `net.ipv4.conf.IFNAME.log_martians`, with the interface's name, which may have dots. */
function sysctlPath(endpoint: EndpointRecord, name: string): string {
  return name.replaceAll('.', '/').replace('/IFNAME/', `/${endpoint.interface}/`)
}

/** ENODEV, EADDRNOTAVAIL, ESRCH: no such link, address, route. ENOENT, EINVAL: no such namespace, or a file that is none any more. */
function ignoreMissing(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENODEV', 'EADDRNOTAVAIL', 'EINVAL', 'ESRCH', 'ENETUNREACH')) throw error
  }
}
