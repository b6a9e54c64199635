import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId, shortId } from '../lib/id.ts'
import { Lock } from '../lib/lock.ts'
import type { Logger } from '../lib/log.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Emit } from '../wire/system.ts'
import { isMountPoint, MNT_DETACH, mount, MS_BIND, MS_PRIVATE, MS_SHARED, unmount } from '../host/mount.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { query } from '../host/nft.ts'
import { deleteAddress, listLinks, listRoutes, probeShared } from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { Store, Table } from '../store/index.ts'
import {
  bridgesOf,
  ensureBridge,
  hostBlocks,
  makeBridge,
  removeBridge,
  vethPattern,
  type Bridge,
} from './bridge.ts'
import { checkNetworkName, chooseSubnets, driverPart, type NetworkRequest } from './definition.ts'
import { Dns } from './dns/dns.ts'
import { DockerUser } from './docker-user.ts'
import { Firewall, type FirewallState } from './firewall.ts'
import { FirewallWatch } from './firewall-watch.ts'
import {
  AddressPool,
  cut,
  defaultBases,
  overlaps,
  parseCidr,
  uniqueLocalBase,
  type AddressBase,
} from './ipam.ts'
import { Plumbing } from './plumbing.ts'
import { checkPort, hasLegacyRules, isListening, type PortCheck } from './port-check.ts'
import { Ports } from './ports.ts'
import { decodeNetwork, decodeSandbox, type NetworkRecord } from './record.ts'
import {
  hostsFile,
  resolvConf,
  resolverConf,
  type HostsOptions,
  type ResolverConf,
  type ResolverOptions,
  type ResolvOptions,
} from './resolv.ts'
import { decodeRuleset } from './ruleset.ts'
import {
  checkAddresses,
  checkMac,
  Sandboxes,
  type EndpointRequest,
  type JoinRequest,
  type LiveNetwork,
} from './sandboxes.ts'
import {
  firewallNetwork,
  isPredefined,
  networkView,
  predefined,
  publishedPorts,
  sandboxView,
  type Endpoint,
  type Network,
  type Sandbox,
} from './views.ts'

export interface NetworksOptions {
  readonly store: Store
  /** Namespaces are kept under it, in `netns`. */
  readonly runDir: string
  readonly bridge: { readonly name: string; readonly address?: string; readonly mtu: number }
  /** Where subnets come from that nobody chose; none of a family: docker's pools, a site of our own. */
  readonly addressPools?: readonly AddressBase[]
  /** Published ports obey the rules that the host has for itself: see FirewallOptions. */
  readonly respectHostFirewall?: boolean
  /** Short and unique among the daemons of the host: names the nftables table. */
  readonly instance: string
  readonly emit: Emit
}

/** How often another daemon may take the block that we chose at the same moment. */
const maxCollisions = 8

export class Networks {
  readonly #o: NetworksOptions
  readonly #log: Logger
  readonly #owner: string
  readonly #netnsDir: string
  readonly #table: Table<NetworkRecord>
  readonly #records = new Map<string, NetworkRecord>()
  readonly #live = new Map<string, LiveNetwork>()
  readonly #sandboxes: Sandboxes
  readonly #bridge: Bridge
  readonly #bases: { readonly v4: readonly AddressBase[]; readonly v6: readonly AddressBase[] }
  readonly #firewall: Firewall
  readonly #dockerUser: DockerUser
  readonly #watch: FirewallWatch
  readonly #netlink: NetlinkSocket
  readonly #plumbing = new Plumbing()
  readonly #ports = new Ports()
  readonly #dns = new Dns()
  /** One network is made or removed at a time. */
  readonly #changes = new Lock()
  /** Veths whose namespaces were given up: the kernel removes them soon. */
  readonly #leaving = new Set<string>()
  #sweep: NodeJS.Timeout | undefined

  private constructor(
    op: Op,
    o: NetworksOptions,
    parts: {
      bridge: Bridge
      networks: readonly NetworkRecord[]
      table: Table<NetworkRecord>
      netlink: NetlinkSocket
      netnsDir: string
    },
  ) {
    this.#o = o
    this.#log = op.log
    this.#owner = `gantry ${o.instance}`
    this.#netnsDir = parts.netnsDir
    this.#bridge = parts.bridge
    this.#table = parts.table
    this.#netlink = parts.netlink
    for (const record of parts.networks) this.#records.set(record.id, record)
    const site = parts.networks.find((n) => n.name === 'bridge')?.id ?? o.instance
    this.#bases = basesOf(o.addressPools ?? [], site)
    this.#firewall = new Firewall(o.instance, {
      held: this.#ports,
      respectHost: o.respectHostFirewall ?? false,
    })
    this.#dockerUser = new DockerUser(o.instance)
    this.#watch = new FirewallWatch(this.#firewall.table, op.log, {
      onOwn: async (drained) => {
        if (await this.#firewall.repair(detached(op, 10_000), { drained }))
          op.log.warn('another program changed or removed our firewall table: it is back')
      },
      onDockerUser: () => this.#allowBridges(detached(op, 10_000)),
    })
    this.#sandboxes = new Sandboxes({
      log: op.log,
      records: o.store.table('sandboxes', decodeSandbox),
      netnsDir: parts.netnsDir,
      plumbing: this.#plumbing,
      ports: this.#ports,
      firewall: this.#firewall,
      dns: this.#dns,
      netlink: parts.netlink,
      network: (ref) => this.#use(this.#record(ref)),
      restoreFirewall: async (inner) => {
        await this.#firewall.repair(inner, { drained: true })
      },
      emit: (action, id, container) => this.#emit(action, this.#records.get(id), { container }),
      leaving: (hostInterface) => {
        this.#leaving.add(hostInterface)
        this.#scheduleSweep()
      },
    })
  }

  /** Makes the bridges and the firewall, for the sandboxes on record too: published ports work from here on. */
  static async open(op: Op, o: NetworksOptions): Promise<Networks> {
    const netnsDir = join(o.runDir, 'netns')
    await using undo = new AsyncDisposableStack()
    if (shareMounts(netnsDir)) undo.defer(() => unmount(netnsDir, MNT_DETACH))
    const netlink = new NetlinkSocket()
    const table = o.store.table('networks', decodeNetwork)
    const known = table.all().map(({ record }) => record)
    const previous = known.find((n) => n.name === 'bridge')?.subnets[0]?.subnet
    const own = known.filter((n) => !isPredefined(n.name))
    const pools = basesOf(o.addressPools ?? [], '').v4.flatMap((base) => [...cut(base)])
    const bridge = ensureBridge(netlink, {
      ...o.bridge,
      mtu: o.bridge.mtu || 1500,
      owner: `gantry ${o.instance}`,
      // Networks of the user's whose bridges are not there now keep their blocks.
      pools: pools.filter(
        (pool) => !own.some((n) => n.subnets.some((s) => overlaps(parseCidr(s.subnet), pool))),
      ),
      ...(previous !== undefined && { previous }),
    })
    if (writeSysctl('net/ipv4/ip_forward', '1'))
      op.log.info('turned on net.ipv4.ip_forward: containers reach other hosts through this one')
    const fixed = predefined(known, bridge)
    o.store.transaction(() => fixed.forEach((n) => table.put(n.id, n)))
    const self = new Networks(op, o, { bridge, networks: [...fixed, ...own], table, netlink, netnsDir })
    self.#plumbing.start()
    self.#dns.start()
    undo.defer(() => self.close(detached(op, 10_000)))
    self.#raise(op)
    // Before the first look, so that what changes after it is noticed.
    self.#watch.start()
    await Promise.all([self.#firewall.install(op, self.#firewallState()), self.#allowBridges(op)])
    undo.move()
    return self
  }

  list(): Network[] {
    return [...this.#records.values()].map(networkView)
  }

  /** By name, id or unique beginning of an id. */
  find(ref: string): Network {
    return networkView(this.#record(ref))
  }

  /** Who is on the network now: ids of sandboxes with their endpoints. */
  members(id: string): { sandbox: string; endpoint: Endpoint }[] {
    return this.#sandboxes.on(id).map(({ sandbox, endpoint }) => ({ sandbox: sandbox.id, endpoint }))
  }

  sandbox(id: string): Sandbox | undefined {
    const record = this.#sandboxes.get(id)
    return record && sandboxView(record)
  }

  /** Makes a network: containers can join it on return. All or nothing. */
  async create(op: Op, o: NetworkRequest): Promise<Network> {
    checkNetworkName(o.name)
    using _lock = await this.#changes.acquire(op.signal)
    if ([...this.#records.values()].some((n) => n.name === o.name))
      throw new EngineError('conflict', `network with name ${o.name} already exists`)
    checkDriver(this.#netlink, o.driver)
    const id = newId()
    const parts = driverPart(o, id)
    this.#checkLink(o.name, parts)
    await using undo = new AsyncDisposableStack()
    let record: NetworkRecord
    for (let collisions = 0; ; collisions++) {
      record = this.#make(o, id, parts)
      undo.defer(() => this.#unmake(record))
      const theirs = record.subnets.find((s) => !s.configured && this.#isTaken(s.subnet, record))
      if (!theirs || collisions === maxCollisions) break
      // Another daemon chose the same block at the same moment: who waits differently long meets it no more.
      this.#unmake(record)
      await sleep(Math.random() * 50)
    }
    const network = firewallNetwork(record)
    if (network && !this.#firewall.addNetwork(network)) {
      op.log.warn('the firewall table was lost: putting it back')
      await this.#firewall.repair(op, { drained: true })
    }
    await this.#allowBridges(op)
    undo.move()
    this.#emit('create', record)
    return networkView(record)
  }

  /** Removes a network that nobody is on. */
  async remove(op: Op, ref: string): Promise<void> {
    using _lock = await this.#changes.acquire(op.signal)
    const record = this.#record(ref)
    if (isPredefined(record.name))
      throw new EngineError('forbidden', `${record.name} is a pre-defined network and cannot be removed`)
    const active = this.#sandboxes.on(record.id)
    if (active.length > 0) {
      const list = active.map(
        ({ sandbox, endpoint }) => `name:"${sandbox.owner}" id:"${shortId(endpoint.id)}"`,
      )
      throw new EngineError(
        'forbidden',
        `error while removing network: network ${record.name} has active endpoints (${list.join(', ')})`,
      )
    }
    // From here on nobody can join; at a crash the record brings it back whole.
    this.#records.delete(record.id)
    const network = firewallNetwork(record)
    if (network) this.#firewall.removeNetwork(network)
    await this.#lower(record)
    this.#table.delete(record.id)
    await this.#allowBridges(op)
    this.#emit('destroy', record)
  }

  /** Removes the chosen networks that nobody is on; their names. One that is joined meanwhile is spared. */
  async prune(op: Op, chosen: (network: Network) => boolean): Promise<string[]> {
    const removed: string[] = []
    for (const network of this.list()) {
      if (!network.userDefined || this.#sandboxes.on(network.id).length > 0 || !chosen(network)) continue
      try {
        await this.remove(op, network.id)
        removed.push(network.name)
      } catch (error) {
        if (!(error instanceof EngineError) || !['forbidden', 'not-found'].includes(error.kind)) throw error
      }
    }
    this.#o.emit({ type: 'network', action: 'prune', id: '', attributes: { reclaimed: '0' } })
    return removed
  }

  /** Throws what a join would throw for settings that can never be met. */
  check(request: EndpointRequest): void {
    checkAddresses(this.#record(request.network), request)
    if (request.mac !== undefined) checkMac(request.mac)
  }

  /**
   * Gives a container its namespace and connects it: address, route and published ports work on return. All or nothing.
   * About 3 ms, most of them in another thread.
   */
  async join(op: Op, o: JoinRequest): Promise<Sandbox> {
    const record = await this.#sandboxes.join(op, o)
    if (o.networks.length === 0) this.#emit('connect', this.#record('none'), { container: o.id })
    return sandboxView(record)
  }

  /** Gives back all that join() took. The container's processes should be gone. Idempotent. */
  async leave(_op: Op, id: string): Promise<void> {
    const record = this.#sandboxes.get(id)
    await this.#sandboxes.leave(id)
    if (record?.endpoints.length === 0) this.#emit('disconnect', this.#record('none'), { container: id })
  }

  /** Connects a sandbox to one network more, while its container runs. All or nothing. */
  async connect(op: Op, id: string, request: EndpointRequest): Promise<Sandbox> {
    return sandboxView(await this.#sandboxes.connect(op, id, request))
  }

  /** Takes a sandbox off a network, while its container runs. */
  async disconnect(op: Op, id: string, ref: string): Promise<Sandbox> {
    return sandboxView(await this.#sandboxes.disconnect(op, id, this.#record(ref).id))
  }

  /** A running container is called otherwise from now on. */
  rename(id: string, owner: string, names: (networkName: string) => readonly string[]): void {
    this.#sandboxes.rename(id, owner, names)
  }

  /** Who can reach each published port of a running container, as the host's rules are now. */
  async checkPorts(op: Op, sandboxId: string): Promise<PortCheck[]> {
    const record = this.#sandboxes.get(sandboxId)
    if (!record) return []
    const ports = publishedPorts(record)
    const ruleset = decodeRuleset(
      (await query(op, ['list', 'ruleset'])) ?? { nftables: [] },
      this.#firewall.table,
    )
    const links = listLinks(this.#netlink)
    const routes = listRoutes(this.#netlink).filter((route) => parseCidr(route.destination).prefix === 0)
    const uplink = links.find((link) => link.index === routes[0]?.linkIndex)?.name
    return ports.map((port) => {
      const endpoint = record.endpoints.find((e) => e.ip === port.containerIp || e.ip6 === port.containerIp)
      return checkPort({
        port,
        redirected: this.#firewall.isRedirected(port),
        bridge: this.#records.get(endpoint?.networkId ?? '')?.bridge?.name ?? '',
        uplink,
        legacy: hasLegacyRules(),
        listening: isListening(record.netnsPath, port),
        ruleset,
      })
    })
  }

  resolvConf(o: ResolvOptions): Promise<string> {
    return resolvConf(o)
  }

  /** For containers on networks of the user's. */
  resolverConf(o: ResolverOptions): Promise<ResolverConf> {
    return resolverConf(o)
  }

  /** Docker: `host-gateway` is the default bridge's own address, whatever network the container is on. */
  get hostGateway(): string {
    return this.#bridge.gateway
  }

  hostsFile(o: HostsOptions): string {
    return hostsFile({ gateway: this.hostGateway, ...o })
  }

  /**
   * At boot: what the sandboxes in `live` need is restored, everything else of ours that a killed daemon left in the
   * kernel goes.
   */
  async reconcile(op: Op, live: ReadonlySet<string>): Promise<void> {
    await this.#sandboxes.discardDead(live)
    for (const name of readdirSync(this.#netnsDir))
      if (!this.#sandboxes.get(name)) netns.remove(join(this.#netnsDir, name))
    const present = new Set(listLinks(this.#netlink).map((link) => link.name))
    for (const record of this.#sandboxes.all()) {
      if (!isMountPoint(record.netnsPath))
        op.log.warn('the network namespace of a running container is lost', { id: record.id })
      await this.#sandboxes.resume(op, record, present)
    }
    const known = new Set(this.#sandboxes.all().flatMap((r) => r.endpoints.map((e) => e.hostInterface)))
    for (const name of this.#veths())
      if (!known.has(name) && !this.#leaving.has(name)) await this.#plumbing.deleteLink(name)
  }

  /** The daemon stops: without sandboxes nothing of ours stays in the kernel, with some their network does. */
  async close(op: Op): Promise<void> {
    clearTimeout(this.#sweep)
    await this.#watch.close()
    for (const { id } of this.#sandboxes.all()) this.#ports.release(id)
    if (this.#sandboxes.size === 0) {
      // The kernel is about to remove them, all in the time that one takes here.
      for (let tries = 0; tries < 30 && this.#veths().length > 0; tries++) await sleep(10)
      for (const name of this.#veths()) await this.#plumbing.deleteLink(name)
      for (const record of this.#records.values()) if (record.name !== 'bridge') await this.#lower(record)
      removeBridge(this.#netlink, this.#bridge.name)
      await Promise.all([this.#firewall.remove(op), this.#dockerUser.withdraw(op)])
      unmount(this.#netnsDir, MNT_DETACH)
    }
    await this.#dns.close()
    await this.#firewall.close()
    await this.#plumbing.close()
    this.#netlink[Symbol.dispose]()
  }

  /** At boot: the bridges of all networks, and none of ours besides. One that fails is told of, and tried again when it is used. */
  #raise(op: Op): void {
    for (const record of this.#records.values()) {
      try {
        if (record.driver !== 'host' && record.driver !== 'null') this.#use(record)
      } catch (error) {
        op.log.error('a network could not be restored', { name: record.name, error })
      }
    }
    const wanted = new Set([...this.#records.values()].map((n) => n.bridge?.name))
    for (const name of bridgesOf(this.#netlink, this.#owner))
      if (!wanted.has(name)) removeBridge(this.#netlink, name)
  }

  /** Decides on the subnets, writes the record and makes the bridge. */
  #make(o: NetworkRequest, id: string, parts: ReturnType<typeof driverPart>): NetworkRecord {
    const subnets = chooseSubnets(o, {
      bases: this.#bases,
      networks: [...this.#records.values()].flatMap((n) =>
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
      subnets,
      ...parts,
    }
    this.#table.put(id, record)
    this.#records.set(id, record)
    try {
      this.#use(record, { known: false })
    } catch (error) {
      this.#unmake(record)
      throw error
    }
    return this.#records.get(id) ?? record
  }

  /** Undo of #make(): idempotent. */
  #unmake(record: NetworkRecord): void {
    const current = this.#records.get(record.id)
    if (!current) return
    if (this.#live.delete(record.id) && current.bridge && !current.bridge.foreign)
      removeBridge(this.#netlink, current.bridge.name)
    const network = firewallNetwork(current)
    if (network) this.#firewall.removeNetwork(network)
    this.#records.delete(record.id)
    this.#table.delete(record.id)
  }

  /** The network's place in the kernel, made when it is not there. */
  #use(record: NetworkRecord, o: { known: boolean } = { known: true }): LiveNetwork {
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
    for (const { endpoint } of this.#sandboxes.on(record.id)) {
      if (endpoint.ip !== '') live.v4?.hold(endpoint.ip)
      if (endpoint.ip6 !== '') live.v6?.hold(endpoint.ip6)
    }
    this.#live.set(record.id, live)
    return live
  }

  /** Index of the bridge, made when it is not there, or of the link that is shared. */
  #linkOf(record: NetworkRecord, o: { known: boolean }): number {
    if (record.name === 'bridge') return this.#bridge.index
    if (record.bridge) return this.#makeBridge(record, record.bridge, o)
    const parent = record.parent?.link
    if (parent === undefined)
      throw new EngineError('invalid', `containers do not join the network ${record.name} this way`)
    const link = listLinks(this.#netlink).find((l) => l.name === parent)
    if (!link) throw new EngineError('invalid', `the host has no link ${parent} for network ${record.name}`)
    return link.index
  }

  #makeBridge(
    record: NetworkRecord,
    bridge: NonNullable<NetworkRecord['bridge']>,
    o: { known: boolean },
  ): number {
    const ipv6 = record.subnets.some((s) => s.subnet.includes(':'))
    const { index, foreign } = makeBridge(this.#netlink, {
      name: bridge.name,
      mtu: record.mtu,
      owner: this.#owner,
      known: o.known,
      addresses: this.#addressesOf(record),
      ipv6,
    })
    if (ipv6 && writeSysctl('net/ipv6/conf/all/forwarding', '1'))
      this.#log.info('turned on net.ipv6.conf.all.forwarding: containers reach other hosts through this one')
    if (foreign !== bridge.foreign && !o.known) {
      const next = { ...record, bridge: { ...bridge, foreign } }
      this.#records.set(record.id, next)
      this.#table.put(record.id, next)
    }
    return index
  }

  #addressesOf(record: NetworkRecord): { ip: string; prefix: number }[] {
    return record.subnets
      .filter((s) => s.gateway !== '' && !(record.bridge?.addressless && !s.subnet.includes(':')))
      .map((s) => ({ ip: s.gateway, prefix: parseCidr(s.subnet).prefix }))
  }

  /** What a network has in the kernel goes; a bridge that was there before loses its addresses alone. */
  async #lower(record: NetworkRecord): Promise<void> {
    const live = this.#live.get(record.id)
    this.#live.delete(record.id)
    if (!live || !record.bridge) return
    if (!record.bridge.foreign) return this.#plumbing.deleteLink(record.bridge.name)
    for (const { ip, prefix } of this.#addressesOf(record)) {
      try {
        this.#netlink.request(deleteAddress(live.link, ip, prefix))
      } catch (error) {
        if (!hasCode(error, 'EADDRNOTAVAIL', 'ENODEV')) throw error
      }
    }
  }

  #hostBlocks(except: string | undefined) {
    const ours = new Set([...this.#records.values()].map((n) => n.bridge?.name))
    return hostBlocks(this.#netlink, (link) => (except === undefined ? ours.has(link) : link === except)).map(
      ({ block, link }) => ({ block, holder: `${link} of the host` }),
    )
  }

  #isTaken(subnet: string, record: NetworkRecord): boolean {
    const block = parseCidr(subnet)
    return this.#hostBlocks(record.bridge?.name).some((taken) => overlaps(taken.block, block))
  }

  #checkLink(name: string, parts: ReturnType<typeof driverPart>): void {
    const bridge = parts.bridge?.name
    const parent = parts.parent?.link
    const sharer = [...this.#records.values()].find((n) => parent !== undefined && n.parent?.link === parent)
    if (sharer)
      throw new EngineError('forbidden', `network ${sharer.name} is already using parent interface ${parent}`)
    const other = [...this.#records.values()].find((n) => bridge !== undefined && n.bridge?.name === bridge)
    if (other)
      throw new EngineError(
        'forbidden',
        `cannot create network ${name} (${bridge}): conflicts with network ${other.name} (${bridge}): networks have same bridge name`,
      )
  }

  /** A namespace that somebody still holds (a debugger, a copied mount) keeps its veth: then it is deleted here. */
  #scheduleSweep(): void {
    if (this.#sweep || this.#leaving.size === 0) return
    const due = [...this.#leaving]
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined
      const present = new Set(this.#veths())
      for (const name of due) {
        this.#leaving.delete(name)
        if (present.has(name))
          this.#plumbing.deleteLink(name).catch((error: unknown) => {
            // Tried again by the next start.
            this.#log.warn('a veth could not be deleted', { name, error })
          })
      }
      this.#scheduleSweep()
    }, 1000).unref()
  }

  /** On bridges of ours. */
  #veths(): string[] {
    const bridges = new Set([...this.#live.values()].map((live) => live.link).concat(this.#bridge.index))
    return listLinks(this.#netlink)
      .filter((link) => link.master !== undefined && bridges.has(link.master) && vethPattern.test(link.name))
      .map((link) => link.name)
  }

  #record(ref: string): NetworkRecord {
    const all = [...this.#records.values()]
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

  #allowBridges(op: Op): Promise<void> {
    const bridges = [...this.#records.values()].flatMap((n) => (n.bridge ? [n.bridge.name] : []))
    return this.#dockerUser.allow(op, bridges)
  }

  #firewallState(): FirewallState {
    return {
      networks: [...this.#records.values()].map(firewallNetwork).filter((n) => n !== undefined),
      ports: this.#sandboxes.all().flatMap(publishedPorts),
    }
  }

  #emit(action: string, record: NetworkRecord | undefined, more: Record<string, string> = {}): void {
    if (!record) return
    const attributes = { ...more, name: record.name, type: record.driver }
    this.#o.emit({ type: 'network', action, id: record.id, attributes })
  }
}

function checkDriver(netlink: NetlinkSocket, driver: string): void {
  if (driver === 'bridge') return
  if (driver === 'host' || driver === 'null')
    throw new EngineError('forbidden', `only one instance of "${driver}" network is allowed`)
  if (driver === 'overlay')
    throw new EngineError('unsupported', 'network driver overlay is not supported: Gantry has no swarm mode')
  if (driver === 'macvlan' || driver === 'ipvlan') return checkKernel(netlink, driver)
  throw new EngineError(
    'not-found',
    `could not find a network driver "${driver}": plugin "${driver}" not found`,
  )
}

function checkKernel(netlink: NetlinkSocket, driver: 'macvlan' | 'ipvlan'): void {
  try {
    netlink.request(probeShared(driver))
  } catch (error) {
    if (hasCode(error, 'EOPNOTSUPP', 'ENOTSUP'))
      throw new EngineError(
        'unsupported',
        `network driver ${driver} is not supported: the kernel of this host has no ${driver}`,
      )
  }
}

function basesOf(chosen: readonly AddressBase[], site: string) {
  const of = (family: 4 | 6) => chosen.filter((base) => parseCidr(base.base).family === family)
  const [v4, v6] = [of(4), of(6)]
  return {
    v4: v4.length > 0 ? v4 : defaultBases,
    v6: v6.length > 0 ? v6 : [uniqueLocalBase(site)],
  }
}

/**
 * A mount of its own that shares: namespaces made or removed here then come and go in mount namespaces that were
 * copied from ours meanwhile (a service with PrivateTmp), which else would keep dead ones alive. True when it was made now.
 */
function shareMounts(folder: string): boolean {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (isMountPoint(folder)) return false
  mount({ source: folder, target: folder, flags: MS_BIND })
  mount({ source: 'none', target: folder, flags: MS_PRIVATE })
  mount({ source: 'none', target: folder, flags: MS_SHARED })
  return true
}
