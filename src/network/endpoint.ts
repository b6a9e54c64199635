import { closeSync, openSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import { inNetns } from '../host/netns.ts'
import {
  addAddress,
  addRoute,
  createVeth,
  deleteAddress,
  deleteLink,
  setHairpin,
  setUp,
} from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { EndpointRecord } from './record.ts'

/** Interface indexes in a container: lo is 1, its endpoints follow. */
const firstIndex = 2

/**
 * Connects a namespace to a bridge: a veth pair with address and default route inside, up and usable on return.
 * When it fails part of it may exist: undo by disconnect().
 */
export function connect(
  host: NetlinkSocket,
  o: {
    netnsPath: string
    endpoint: EndpointRecord
    position: number
    bridge: { index: number; mtu: number }
  },
): void {
  const { endpoint } = o
  const index = firstIndex + o.position
  const namespace = openSync(o.netnsPath, 'r')
  try {
    host.request(
      createVeth({
        name: endpoint.hostInterface,
        master: o.bridge.index,
        mtu: o.bridge.mtu,
        peer: { name: endpoint.interface, namespace, mac: endpoint.mac, index },
      }),
      setHairpin(endpoint.hostInterface),
    )
  } finally {
    closeSync(namespace)
  }
  inNetns(o.netnsPath, () => {
    // Docker: no IPv6, not even a link-local address, on a network that has none.
    ignoreMissing(() => writeSysctl(`net/ipv6/conf/${endpoint.interface}/disable_ipv6`, '1'))
    using socket = new NetlinkSocket()
    socket.request(
      setUp(index),
      addAddress(index, endpoint.ip, endpoint.prefix),
      ...(o.position === 0 ? [addRoute({ destination: '0.0.0.0/0', gateway: endpoint.gateway, index })] : []),
    )
  })
}

/**
 * Silences an endpoint whose namespace is about to go: without its address it answers for nobody, so that the address can be
 * given away at once. The kernel takes the veth with the namespace, together with others and in the background;
 * deleting it here would block for 20 to 60 ms (RCU grace periods). Idempotent.
 */
export function silence(o: { netnsPath: string; endpoint: EndpointRecord; position: number }): void {
  const index = firstIndex + o.position
  ignoreMissing(() =>
    inNetns(o.netnsPath, () => {
      using socket = new NetlinkSocket()
      socket.request(deleteAddress(index, o.endpoint.ip, o.endpoint.prefix))
    }),
  )
}

/** Deletes the veth now. Blocks for tens of milliseconds. Idempotent. */
export function disconnect(host: NetlinkSocket, hostInterface: string): void {
  ignoreMissing(() => host.request(deleteLink(hostInterface)))
}

/** ENODEV, EADDRNOTAVAIL: no such link or address. ENOENT, EINVAL: no such namespace, or a file that is none any more. */
function ignoreMissing(work: () => void): void {
  try {
    work()
  } catch (error) {
    if (!hasCode(error, 'ENOENT', 'ENODEV', 'EADDRNOTAVAIL', 'EINVAL')) throw error
  }
}
