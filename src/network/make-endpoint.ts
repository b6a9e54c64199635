import { randomBytes } from 'node:crypto'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { canonical, contains, macOf, parseCidr, type AddressPool } from './ipam.ts'
import type { EndpointRecord, NetworkRecord } from './record.ts'
import { isPredefined } from './views.ts'

/** How a container wants to be on one network. Absent: as the engine likes. */
export interface EndpointRequest {
  /** Name or id. */
  readonly network: string
  readonly ip?: string | undefined
  readonly ip6?: string | undefined
  readonly linkLocal?: readonly string[] | undefined
  readonly mac?: string | undefined
  readonly gwPriority?: number | undefined
  /** Name of the interface in the container. */
  readonly interface?: string | undefined
  /** Of the interface: `net.ipv4.conf.IFNAME.log_martians`. */
  readonly sysctls?: Readonly<Record<string, string>> | undefined
  /** What it is called there, best first; user-defined networks alone have names. */
  readonly names?: readonly string[] | undefined
  /** What it alone calls others there: their names by its own ones, in lower case. */
  readonly links?: Readonly<Record<string, string>> | undefined
}

/** A network in use: its record, its place in the kernel, its addresses. */
export interface LiveNetwork {
  readonly record: NetworkRecord
  /** Index of the bridge, or of the parent link. */
  readonly link: number
  readonly v4: AddressPool | undefined
  readonly v6: AddressPool | undefined
}

/**
 * An endpoint on the network, with addresses that are taken until `held` ends. `beside`: the sandbox's others.
 * Throws kind `invalid` for what cannot be, as docker does.
 */
export function makeEndpoint(
  live: LiveNetwork,
  o: EndpointRequest,
  at: { held: DisposableStack; beside: readonly EndpointRecord[] },
): EndpointRecord {
  const { record: network } = live
  checkAddresses(network, o)
  const take = (pool: AddressPool | undefined, wish: string | undefined): string => {
    if (!pool) return ''
    const address = pool.allocate(wish ? canonical(wish) : undefined)
    at.held.defer(() => pool.release(address))
    return address
  }
  const mac = o.mac === undefined ? undefined : checkMac(o.mac)
  const ip = take(live.v4, o.ip)
  const ip6 = take(live.v6, o.ip6)
  const subnet = (family: 4 | 6) => network.subnets.find((s) => parseCidr(s.subnet).family === family)
  const gateway = (family: 4 | 6) => (network.internal ? '' : (subnet(family)?.gateway ?? ''))
  const used = new Set(at.beside.map((e) => e.interface))
  if (o.interface !== undefined && used.has(o.interface))
    throw new EngineError('invalid', `interface ${o.interface} is used by another network of the container`)
  return {
    id: newId(),
    networkId: network.id,
    networkName: network.name,
    ip,
    prefix: live.v4?.subnet.prefix ?? 0,
    gateway: gateway(4),
    ip6,
    prefix6: live.v6?.subnet.prefix ?? 0,
    gateway6: gateway(6),
    linkLocal: [...(o.linkLocal ?? [])],
    // ipvlan: the parent's.
    mac: network.parent?.kind === 'ipvlan' ? '' : (mac ?? macOf(ip || ip6)),
    // New for each join: the veth of the join before may still be on its way out.
    hostInterface: network.bridge ? `gv${randomBytes(6).toString('hex')}` : '',
    interface:
      o.interface ?? lowestFree(0, (n) => used.has(network.interfacePrefix + n), network.interfacePrefix),
    gwPriority: o.gwPriority ?? 0,
    names: isPredefined(network.name) ? [] : [...(o.names ?? [])],
    links: isPredefined(network.name) ? {} : { ...o.links },
    sysctls: { ...o.sysctls },
  }
}

function lowestFree(from: number, used: (n: number) => boolean, prefix: string): string {
  let n = from
  while (used(n)) n++
  return `${prefix}${n}`
}

/** Docker: chosen addresses need a network of one's own whose subnet one has chosen too. */
export function checkAddresses(network: NetworkRecord, o: EndpointRequest): void {
  for (const [family, address] of [
    [4, o.ip],
    [6, o.ip6],
  ] as const) {
    if (address === undefined || address === '') continue
    const bad = (text: string) =>
      new EngineError(
        'invalid',
        `invalid config for network ${network.name}: invalid endpoint settings:\n${text}`,
      )
    if (isPredefined(network.name))
      throw bad('user specified IP address is supported on user defined networks only')
    const subnet = network.subnets.find((s) => parseCidr(s.subnet).family === family)
    if (subnet && !subnet.configured)
      throw bad(
        'user specified IP address is supported only when connecting to networks with user configured subnets',
      )
    if (!subnet || !isAddressIn(subnet.subnet, address))
      throw bad(`no configured subnet or ip-range contain the IP address ${address}`)
  }
}

function isAddressIn(subnet: string, address: string): boolean {
  try {
    return contains(parseCidr(subnet), address)
  } catch {
    return false
  }
}

export function checkMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':')
  const first = Number.parseInt(mac, 16)
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || (first & 1) === 1 || /^(00:?)+$/.test(mac))
    throw new EngineError('invalid', `invalid MAC address: ${text}`)
  return mac
}
