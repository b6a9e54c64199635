import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import type { NetlinkSocket } from '../host/netlink.ts'
import { deleteAddress, listLinks, probeShared } from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { Table } from '../store/index.ts'
import { bridgesOf, hostBlocks, makeBridge, removeBridge, vethPattern, type Bridge } from './bridge.ts'
import { configurationOf, configured } from './configuration.ts'
import { chooseSubnets, driverPart, type NetworkRequest } from './definition.ts'
import {
  AddressPool,
  cut,
  defaultBases,
  overlaps,
  parseCidr,
  uniqueLocalBase,
  type AddressBase,
  type Cidr,
} from './ipam.ts'
import type { Plumbing } from './plumbing.ts'
import type { EndpointRecord, NetworkRecord } from './record.ts'
import type { LiveNetwork } from './make-endpoint.ts'

export interface NetworkSetTools {
  readonly log: Logger
  readonly table: Table<NetworkRecord>
  readonly netlink: NetlinkSocket
  readonly plumbing: Plumbing
  /** The default network's. */
  readonly bridge: Bridge
  /** Mark of our bridges. */
  readonly owner: string
  /** Where subnets come from that nobody chose; none of a family: docker's pools, a site of our own. */
  readonly addressPools: readonly AddressBase[]
  /** Of the daemon, where no network says which site it is. */
  readonly instance: string
  /** Who is on a network, by its id. */
  endpoints(networkId: string): readonly EndpointRecord[]
}

/** How often another daemon may take the block that we chose at the same moment. */
const maxCollisions = 8

/** The networks on record, and the place that each has in the kernel: its bridge or link, its pools of addresses. */
export class NetworkSet {
  readonly #t: NetworkSetTools
  readonly #records = new Map<string, NetworkRecord>()
  readonly #live = new Map<string, LiveNetwork>()
  readonly #bases: { readonly v4: readonly AddressBase[]; readonly v6: readonly AddressBase[] }

  constructor(tools: NetworkSetTools, networks: readonly NetworkRecord[]) {
    this.#t = tools
    for (const record of networks) this.#records.set(record.id, record)
    const site = networks.find((n) => n.name === 'bridge')?.id ?? tools.instance
    this.#bases = basesOf(tools.addressPools, site)
  }

  all(): NetworkRecord[] {
    return [...this.#records.values()]
  }

  get(id: string): NetworkRecord | undefined {
    return this.#records.get(id)
  }

  /** By name, id or unique beginning of an id. */
  find(ref: string): NetworkRecord {
    const all = this.all()
    const exact = all.find((n) => n.id === ref) ?? all.find((n) => n.name === ref)
    if (exact) return exact
    const byPrefix = all.filter((n) => ref !== '' && n.id.startsWith(ref))
    if (byPrefix.length > 1)
      throw new EngineError(
        'invalid',
        `network ${ref} is ambiguous (${byPrefix.length} matches found on ID prefix)`,
      )
    const [only] = byPrefix
    if (!only) throw new EngineError('not-found', `network ${ref} not found`)
    return only
  }

  /** At boot: the bridges of all networks, and none of ours besides. One that fails is told of, and tried again when it is used. */
  raise(): void {
    for (const record of this.#records.values()) {
      try {
        if (record.driver !== 'host' && record.driver !== 'null') this.use(record)
      } catch (error) {
        this.#t.log.error('a network could not be restored', { name: record.name, error })
      }
    }
    const wanted = new Set(this.all().map((n) => n.bridge?.name))
    for (const name of bridgesOf(this.#t.netlink, this.#t.owner))
      if (!wanted.has(name)) removeBridge(this.#t.netlink, name)
  }

  /** Decides on the subnets, writes the record and makes the bridge: all or nothing. */
  async make(request: NetworkRequest): Promise<NetworkRecord> {
    if (this.all().some((n) => n.name === request.name))
      throw new EngineError('conflict', `network with name ${request.name} already exists`)
    if (request.configOnly) return this.#makeConfiguration(request)
    const o = configured(request, this.all())
    checkDriver(this.#t.netlink, o.driver)
    const id = newId()
    const parts = driverPart(o, id)
    this.#checkLink(o.name, parts)
    for (let collisions = 0; ; collisions++) {
      const record = this.#make(o, id, parts)
      const theirs = record.subnets.find((s) => !s.configured && this.#isTaken(s.subnet, record))
      if (!theirs || collisions === maxCollisions) return record
      // Another daemon chose the same block at the same moment: who waits differently long meets it no more.
      this.unmake(id)
      await sleep(Math.random() * 50)
    }
  }

  /** Undo of make(): idempotent. */
  unmake(id: string): void {
    const record = this.#records.get(id)
    if (!record) return
    if (this.#live.delete(id) && record.bridge && !record.bridge.foreign)
      removeBridge(this.#t.netlink, record.bridge.name)
    this.#records.delete(id)
    this.#t.table.delete(id)
  }

  /** Ends a network that nobody is on: from here on nobody can join; at a crash before the end the record brings it back whole. */
  async remove(record: NetworkRecord): Promise<void> {
    this.#records.delete(record.id)
    await this.#lower(record)
    this.#t.table.delete(record.id)
  }

  /** The daemon stops: nothing of the networks stays in the kernel; their records do. */
  async lowerAll(): Promise<void> {
    for (const record of this.#records.values()) if (record.name !== 'bridge') await this.#lower(record)
    removeBridge(this.#t.netlink, this.#t.bridge.name)
  }

  /** The network's place in the kernel, made when it is not there. */
  use(record: NetworkRecord, o: { known: boolean } = { known: true }): LiveNetwork {
    const found = this.#live.get(record.id)
    if (found) return found
    const link = this.#linkOf(record, o)
    const pool = (family: 4 | 6): AddressPool | undefined => {
      const subnet = record.subnets.find((s) => parseCidr(s.subnet).family === family)
      if (!subnet) return undefined
      const reserved = [...(subnet.gateway === '' ? [] : [subnet.gateway]), ...Object.values(subnet.aux)]
      const range = subnet.ipRange === undefined ? undefined : parseCidr(subnet.ipRange)
      return new AddressPool(parseCidr(subnet.subnet), reserved, range)
    }
    const live: LiveNetwork = { record, link, v4: pool(4), v6: pool(6) }
    for (const endpoint of this.#t.endpoints(record.id)) {
      if (endpoint.ip !== '') live.v4?.hold(endpoint.ip)
      if (endpoint.ip6 !== '') live.v6?.hold(endpoint.ip6)
    }
    this.#live.set(record.id, live)
    return live
  }

  /** Containers' links on bridges of ours. */
  veths(): string[] {
    const bridges = new Set([...this.#live.values()].map((live) => live.link).concat(this.#t.bridge.index))
    return listLinks(this.#t.netlink)
      .filter((link) => link.master !== undefined && bridges.has(link.master) && vethPattern.test(link.name))
      .map((link) => link.name)
  }

  #make(o: NetworkRequest, id: string, parts: ReturnType<typeof driverPart>): NetworkRecord {
    const subnets = chooseSubnets(o, {
      bases: this.#bases,
      networks: this.all().flatMap((n) =>
        n.subnets.map((s) => ({ block: parseCidr(s.subnet), holder: `network ${n.name}` })),
      ),
      host: this.#hostBlocks(undefined),
    })
    const record: NetworkRecord = {
      id,
      name: o.name,
      driver: o.driver === 'macvlan' || o.driver === 'ipvlan' ? o.driver : 'bridge',
      createdAt: new Date().toISOString(),
      internal: o.internal,
      attachable: o.attachable,
      options: { ...o.options },
      labels: { ...o.labels },
      ipamOptions: { ...o.ipamOptions },
      configFrom: o.configFrom ?? '',
      subnets,
      ...parts,
    }
    this.#t.table.put(id, record)
    this.#records.set(id, record)
    try {
      this.use(record, { known: false })
    } catch (error) {
      this.unmake(id)
      throw error
    }
    return this.#records.get(id) ?? record
  }

  /** Docker: of driver `null`, whatever driver is asked for; its options are read when a network is made from it. */
  #makeConfiguration(o: NetworkRequest): NetworkRecord {
    const record: NetworkRecord = {
      id: newId(),
      name: o.name,
      driver: 'null',
      createdAt: new Date().toISOString(),
      internal: false,
      attachable: false,
      options: { ...o.options },
      labels: { ...o.labels },
      ipamOptions: { ...o.ipamOptions },
      configFrom: '',
      configuration: configurationOf(o),
      subnets: [],
      mtu: 1500,
      interfacePrefix: 'eth',
    }
    this.#t.table.put(record.id, record)
    this.#records.set(record.id, record)
    return record
  }

  /** Index of the bridge, made when it is not there, or of the link that is shared. */
  #linkOf(record: NetworkRecord, o: { known: boolean }): number {
    if (record.name === 'bridge') return this.#t.bridge.index
    if (record.bridge) return this.#makeBridge(record, record.bridge, o)
    if (record.configuration)
      throw new EngineError('forbidden', 'cannot create endpoint on configuration-only network')
    const parent = record.parent?.link
    if (parent === undefined)
      throw new EngineError('invalid', `containers do not join the network ${record.name} this way`)
    const link = listLinks(this.#t.netlink).find((l) => l.name === parent)
    if (!link) throw new EngineError('invalid', `the host has no link ${parent} for network ${record.name}`)
    return link.index
  }

  #makeBridge(
    record: NetworkRecord,
    bridge: NonNullable<NetworkRecord['bridge']>,
    o: { known: boolean },
  ): number {
    const ipv6 = record.subnets.some((s) => s.subnet.includes(':'))
    const { index, foreign } = makeBridge(this.#t.netlink, {
      name: bridge.name,
      mtu: record.mtu,
      owner: this.#t.owner,
      known: o.known,
      addresses: addressesOf(record),
      ipv6,
    })
    if (ipv6 && writeSysctl('net/ipv6/conf/all/forwarding', '1'))
      this.#t.log.info(
        'turned on net.ipv6.conf.all.forwarding: containers reach other hosts through this one',
      )
    if (foreign !== bridge.foreign && !o.known) {
      const next = { ...record, bridge: { ...bridge, foreign } }
      this.#records.set(record.id, next)
      this.#t.table.put(record.id, next)
    }
    return index
  }

  /** What a network has in the kernel goes; a bridge that was there before loses its addresses alone. */
  async #lower(record: NetworkRecord): Promise<void> {
    const live = this.#live.get(record.id)
    this.#live.delete(record.id)
    if (!live || !record.bridge) return
    if (!record.bridge.foreign) return this.#t.plumbing.deleteLink(record.bridge.name)
    for (const { ip, prefix } of addressesOf(record)) {
      try {
        this.#t.netlink.request(deleteAddress(live.link, ip, prefix))
      } catch (error) {
        if (!hasCode(error, 'EADDRNOTAVAIL', 'ENODEV')) throw error
      }
    }
  }

  #hostBlocks(except: string | undefined) {
    const ours = new Set(this.all().map((n) => n.bridge?.name))
    return hostBlocks(this.#t.netlink, (link) =>
      except === undefined ? ours.has(link) : link === except,
    ).map(({ block, link }) => ({ block, holder: `${link} of the host` }))
  }

  #isTaken(subnet: string, record: NetworkRecord): boolean {
    const block = parseCidr(subnet)
    return this.#hostBlocks(record.bridge?.name).some((taken) => overlaps(taken.block, block))
  }

  #checkLink(name: string, parts: ReturnType<typeof driverPart>): void {
    const bridge = parts.bridge?.name
    const parent = parts.parent?.link
    const sharer = this.all().find((n) => parent !== undefined && n.parent?.link === parent)
    if (sharer)
      throw new EngineError('forbidden', `network ${sharer.name} is already using parent interface ${parent}`)
    const other = this.all().find((n) => bridge !== undefined && n.bridge?.name === bridge)
    if (other)
      throw new EngineError(
        'forbidden',
        `cannot create network ${name} (${bridge}): conflicts with network ${other.name} (${bridge}): networks have same bridge name`,
      )
  }
}

/** The blocks that subnets of IPv4 come from. */
export function blocksOf(addressPools: readonly AddressBase[]): Cidr[] {
  return basesOf(addressPools, '').v4.flatMap((base) => [...cut(base)])
}

function basesOf(chosen: readonly AddressBase[], site: string) {
  const of = (family: 4 | 6) => chosen.filter((base) => parseCidr(base.base).family === family)
  const [v4, v6] = [of(4), of(6)]
  return {
    v4: v4.length > 0 ? v4 : defaultBases,
    v6: v6.length > 0 ? v6 : [uniqueLocalBase(site)],
  }
}

/** The host's own, on the network's bridge. */
function addressesOf(record: NetworkRecord): { ip: string; prefix: number }[] {
  return record.subnets
    .filter((s) => s.gateway !== '' && !(record.bridge?.addressless && !s.subnet.includes(':')))
    .map((s) => ({ ip: s.gateway, prefix: parseCidr(s.subnet).prefix }))
}

function checkDriver(netlink: NetlinkSocket, driver: string): void {
  if (driver === 'bridge') return
  if (driver === 'host' || driver === 'null')
    throw new EngineError('forbidden', `only one instance of "${driver}" network is allowed`)
  if (driver === 'overlay')
    throw new EngineError(
      'unavailable',
      'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    )
  if (driver === 'macvlan' || driver === 'ipvlan') return checkKernel(netlink, driver)
  throw new EngineError('not-found', `plugin "${driver}" not found`)
}

function checkKernel(netlink: NetlinkSocket, driver: 'macvlan' | 'ipvlan'): void {
  try {
    netlink.request(probeShared(driver))
  } catch (error) {
    // The probe fails in every case; this way when the kernel does not know what it asks for.
    if (hasCode(error, 'EOPNOTSUPP', 'ENOTSUP'))
      throw new EngineError(
        'unsupported',
        `network driver ${driver} is not supported: the kernel of this host has no ${driver}`,
      )
  }
}
