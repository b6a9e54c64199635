import { EngineError, hasCode } from '../lib/errors.ts'
import type { NetlinkSocket } from '../host/netlink.ts'
import {
  addAddress,
  createBridge,
  deleteAddress,
  deleteLink,
  listAddresses,
  listLinks,
  listRoutes,
  setAlias,
  setMtu,
  setUp,
  type Link,
} from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import { choosePool, contains, defaultPools, formatCidr, nthAddress, overlaps, parseCidr } from './ipam.ts'

/** Names of our veths on the host: what else is a port of a bridge is not ours to touch. */
export const vethPattern = /^gv[0-9a-f]{12}$/

export interface Bridge {
  readonly name: string
  readonly index: number
  readonly mtu: number
  readonly subnet: string
  readonly gateway: string
}

/**
 * The bridge as it is wanted: made, or adopted with its address when it exists (docker0's rule). Without `address` (CIDR, the
 * bridge's own) it keeps the one it has, else `previous` if still free, else gets the first free pool.
 */
export function ensureBridge(
  socket: NetlinkSocket,
  o: { name: string; mtu: number; address?: string; previous?: string; owner: string },
): Bridge {
  if (!/^[^/\s:]{1,15}$/.test(o.name))
    throw new EngineError('invalid', `invalid bridge name ${JSON.stringify(o.name)}: want 1 to 15 characters`)
  using undo = new DisposableStack()
  const link = adoptable(socket, o)
  if (!link) undo.defer(() => removeBridge(socket, o.name))
  const { index } = link ?? create(socket, o)
  if (link && link.mtu !== o.mtu) socket.request(setMtu(index, o.mtu))
  socket.request(setAlias(index, o.owner), setUp(index))
  const address = giveAddress(socket, { ...o, index })
  // Docker: ports published on 127.0.0.1 reach containers by this; the firewall keeps containers from using it.
  writeSysctl(`net/ipv4/conf/${o.name}/route_localnet`, '1')
  withoutIpv6(o.name)
  undo.move()
  return { name: o.name, index, mtu: o.mtu, subnet: address.subnet, gateway: address.ip }
}

export function removeBridge(socket: NetlinkSocket, name: string): void {
  try {
    socket.request(deleteLink(name))
  } catch (error) {
    if (!hasCode(error, 'ENODEV')) throw error
  }
}

function adoptable(socket: NetlinkSocket, o: { name: string; owner: string }): Link | undefined {
  const links = listLinks(socket)
  const link = links.find((l) => l.name === o.name)
  if (!link) return undefined
  if (link.kind !== 'bridge')
    throw new EngineError('conflict', `cannot use ${o.name} as the bridge: it is a link of another kind`)
  const busy = links.some((l) => l.master === link.index)
  if (link.alias === o.owner && !busy) {
    // Left by a killed daemon that may have had another configuration: made anew.
    removeBridge(socket, o.name)
    return undefined
  }
  if (link.alias.startsWith('gantry ') && link.alias !== o.owner && busy)
    throw new EngineError(
      'conflict',
      `the bridge ${o.name} is in use by another gantryd: choose another --bridge`,
    )
  return link
}

function create(socket: NetlinkSocket, o: { name: string; mtu: number; owner: string }): Link {
  // A bridge without a fixed address takes its lowest port's: every join and leave would change it.
  const mac = `02:42:${randomHex()}:${randomHex()}:${randomHex()}:${randomHex()}`
  socket.request(createBridge({ name: o.name, mac, mtu: o.mtu }))
  const link = listLinks(socket).find((l) => l.name === o.name)
  if (!link) throw new EngineError('internal', `the bridge ${o.name} went away while it was made`)
  return link
}

interface BridgeAddress {
  readonly ip: string
  readonly prefix: number
  readonly subnet: string
  /** It was our choice: another is as good. */
  readonly chosen: boolean
}

/**
 * Another daemon that starts at the same moment sees the same free pools: who finds, after taking one, that somebody
 * else has it too, moves on. The random step keeps two who both saw it from meeting again.
 */
function giveAddress(
  socket: NetlinkSocket,
  o: { name: string; index: number; address?: string; previous?: string },
): BridgeAddress {
  for (let step = 0; ; step += 1 + Math.floor(Math.random() * 3)) {
    const address = addressOf(socket, { ...o, step })
    socket.request(addAddress(o.index, address.ip, address.prefix))
    const block = parseCidr(address.subnet)
    if (!address.chosen || !takenBlocks(socket, o.index).some((t) => overlaps(t.block, block))) return address
    socket.request(deleteAddress(o.index, address.ip, address.prefix))
  }
}

function addressOf(
  socket: NetlinkSocket,
  o: { name: string; index: number; address?: string; previous?: string; step: number },
): BridgeAddress {
  const taken = takenBlocks(socket, o.index)
  const current = listAddresses(socket).find((a) => a.linkIndex === o.index && a.family === 4)
  const wish = o.address ?? (current && `${current.address}/${current.prefix}`)
  if (wish !== undefined) {
    const subnet = parseCidr(wish)
    const ip = wish.replace(/\/.*$/, '')
    const clash = taken.find((t) => overlaps(t.block, subnet))
    if (o.address !== undefined && clash)
      throw new EngineError(
        'conflict',
        `bridge address ${o.address} overlaps ${formatCidr(clash.block)}, which the host reaches by ${clash.link}`,
      )
    if (subnet.family !== 4 || !contains(subnet, ip) || ip === nthAddress(subnet, 0n))
      throw new EngineError(
        'invalid',
        `invalid bridge address ${wish}: want an IPv4 address with its prefix, like 172.17.0.1/16`,
      )
    return { ip, prefix: subnet.prefix, subnet: formatCidr(subnet), chosen: false }
  }
  const previous = o.previous === undefined || o.step > 0 ? [] : [parseCidr(o.previous)]
  const candidates = [...previous, ...defaultPools.slice(o.step)]
  const pool = choosePool(
    candidates,
    taken.map((t) => t.block),
  )
  if (!pool)
    throw new EngineError(
      'unavailable',
      `no address block is free for the bridge ${o.name}: the host's routes cover all of docker's pools; give one with --bip`,
    )
  return { ip: nthAddress(pool, 1n), prefix: pool.prefix, subnet: formatCidr(pool), chosen: true }
}

/** What the host reaches by other links than `own`. */
function takenBlocks(socket: NetlinkSocket, own: number) {
  const names = new Map(listLinks(socket).map((l) => [l.index, l.name]))
  const routes = listRoutes(socket)
    .filter((r) => r.linkIndex !== own)
    .map((r) => ({ cidr: r.destination, link: r.linkIndex }))
  const addresses = listAddresses(socket)
    .filter((a) => a.linkIndex !== own)
    .map((a) => ({ cidr: `${a.address}/${a.prefix}`, link: a.linkIndex }))
  return [...routes, ...addresses]
    .map((t) => ({ block: parseCidr(t.cidr), link: names.get(t.link ?? 0) ?? 'a route' }))
    .filter((t) => t.block.prefix > 0)
}

function withoutIpv6(name: string): void {
  try {
    writeSysctl(`net/ipv6/conf/${name}/disable_ipv6`, '1')
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error // a kernel without IPv6
  }
}

const randomHex = (): string =>
  Math.floor(Math.random() * 256)
    .toString(16)
    .padStart(2, '0')
