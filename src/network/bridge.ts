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
import {
  choosePool,
  contains,
  defaultPools,
  formatCidr,
  nthAddress,
  overlaps,
  parseCidr,
  type Cidr,
} from './ipam.ts'

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
  o: {
    name: string
    mtu: number
    address?: string
    previous?: string
    owner: string
    pools?: readonly Cidr[]
  },
): Bridge {
  checkName(o.name)
  using undo = new DisposableStack()
  const link = adoptable(socket, o)
  if (!link) undo.defer(() => removeBridge(socket, o.name))
  const { index } = link ?? create(socket, o)
  if (link && link.mtu !== o.mtu) socket.request(setMtu(index, o.mtu))
  socket.request(setAlias(index, o.owner), setUp(index))
  const address = giveAddress(socket, { ...o, index })
  // Docker: ports published on 127.0.0.1 reach containers by this; the firewall keeps containers from using it.
  writeSysctl(`net/ipv4/conf/${o.name}/route_localnet`, '1')
  setIpv6(o.name, false)
  undo.move()
  return { name: o.name, index, mtu: o.mtu, subnet: address.subnet, gateway: address.ip }
}

/** A bridge of a network of the user's, with the host's addresses on it. */
export interface BridgeSpec {
  readonly name: string
  readonly mtu: number
  readonly owner: string
  /** The network has had it before: with containers on it, or made by somebody else. */
  readonly known: boolean
  readonly addresses: readonly { readonly ip: string; readonly prefix: number }[]
  readonly ipv6: boolean
}

/**
 * The bridge of a network: made, adopted with its containers after a restart, or, where somebody else made one of that name,
 * used as it is (`foreign`: it stays when the network goes). Nothing is left of a failure.
 */
export function makeBridge(socket: NetlinkSocket, o: BridgeSpec): { index: number; foreign: boolean } {
  checkName(o.name)
  using undo = new DisposableStack()
  const links = listLinks(socket)
  const found = links.find((l) => l.name === o.name)
  if (found && found.kind !== 'bridge')
    throw new EngineError('conflict', `cannot use ${o.name} as the bridge: it is a link of another kind`)
  const foreign = found !== undefined && found.alias !== o.owner
  if (found?.alias.startsWith('gantry ') && (foreign || !o.known))
    throw new EngineError('conflict', `the bridge ${o.name} is in use by another network`)
  if (!found) undo.defer(() => removeBridge(socket, o.name))
  const { index, mtu } = found ?? create(socket, o)
  socket.request(
    ...(!foreign && mtu !== o.mtu ? [setMtu(index, o.mtu)] : []),
    ...(foreign ? [] : [setAlias(index, o.owner)]),
    setUp(index),
  )
  writeSysctl(`net/ipv4/conf/${o.name}/route_localnet`, '1')
  setIpv6(o.name, o.ipv6)
  for (const { ip, prefix } of o.addresses) socket.request(addAddress(index, ip, prefix))
  undo.move()
  return { index, foreign }
}

/** What the host reaches by links other than `own`: no pool of ours may overlap it. */
export function hostBlocks(
  socket: NetlinkSocket,
  own: (link: string) => boolean,
): { block: Cidr; link: string }[] {
  return takenBlocks(socket, 0).filter((taken) => !own(taken.link))
}

/** Bridges that carry our mark. */
export function bridgesOf(socket: NetlinkSocket, owner: string): string[] {
  return listLinks(socket)
    .filter((link) => link.kind === 'bridge' && link.alias === owner)
    .map((link) => link.name)
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
  o: { name: string; index: number; address?: string; previous?: string; pools?: readonly Cidr[] },
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
  o: {
    name: string
    index: number
    address?: string
    previous?: string
    pools?: readonly Cidr[]
    step: number
  },
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
  const candidates = [...previous, ...(o.pools ?? defaultPools).slice(o.step)]
  const pool = choosePool(
    candidates,
    taken.map((t) => t.block),
  )
  if (!pool)
    throw new EngineError(
      'unavailable',
      `no address block is free for the bridge ${o.name}: the host's routes cover all pools; give one with --bip`,
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

function setIpv6(name: string, on: boolean): void {
  try {
    // The host is the router here: it learns no routes from containers.
    if (on) writeSysctl(`net/ipv6/conf/${name}/accept_ra`, '0')
    writeSysctl(`net/ipv6/conf/${name}/disable_ipv6`, on ? '0' : '1')
  } catch (error) {
    if (!hasCode(error, 'ENOENT') || on) throw error // a kernel without IPv6
  }
}

function checkName(name: string): void {
  if (!/^[^/\s:]{1,15}$/.test(name) || name === '.' || name === '..')
    throw new EngineError('invalid', `invalid bridge name ${JSON.stringify(name)}: want 1 to 15 characters`)
}

const randomHex = (): string =>
  Math.floor(Math.random() * 256)
    .toString(16)
    .padStart(2, '0')
