import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { attempt } from '../lib/attempt.ts'
import { EngineError } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import { Lock } from '../lib/lock.ts'
import { detached, type Op } from '../lib/op.ts'
import type { Emit } from '../wire/system.ts'
import { isMountPoint, MNT_DETACH, mount, MS_BIND, MS_PRIVATE, MS_SHARED, unmount } from '../host/mount.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { query } from '../host/nft.ts'
import { listLinks, listRoutes } from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { Store, Table } from '../store/index.ts'
import { ensureBridge, type Bridge } from './bridge.ts'
import { checkUnused } from './configuration.ts'
import { checkNetworkName, type NetworkRequest } from './definition.ts'
import { Dns } from './dns/dns.ts'
import { DockerUser } from './docker-user.ts'
import { Firewall, type FirewallState } from './firewall.ts'
import { FirewallWatch } from './firewall-watch.ts'
import { overlaps, parseCidr, type AddressBase } from './ipam.ts'
import { blocksOf, NetworkSet } from './network-set.ts'
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
import { checkAddresses, checkMac, type EndpointRequest } from './make-endpoint.ts'
import { Sandboxes, type HandOver, type JoinRequest } from './sandboxes.ts'
import {
  firewallNetwork,
  isPredefined,
  networkView,
  predefined,
  publishedPorts,
  sandboxView,
  type BridgeChoices,
  type Endpoint,
  type Network,
  type Sandbox,
} from './views.ts'
import { VethSweep } from './veth-sweep.ts'

export interface NetworksOptions {
  readonly store: Store
  /** Namespaces are kept under it, in `netns`. */
  readonly runDir: string
  readonly bridge: { readonly name: string; readonly address?: string; readonly mtu: number } & BridgeChoices
  /** Turn on the host's forwarding; it is taken to be on otherwise. */
  readonly ipForward?: boolean
  /** False: published ports that no rule can lead to their container are not reached. */
  readonly relay?: boolean
  /** What `host-gateway` means; empty: the default bridge's address. */
  readonly hostGateway?: string
  /** Options that networks have unless they are made with others, by driver. */
  readonly defaultOptions?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Where subnets come from that nobody chose; none of a family: docker's pools, a site of our own. */
  readonly addressPools?: readonly AddressBase[]
  /** Published ports obey the rules that the host has for itself: see FirewallOptions. */
  readonly respectHostFirewall?: boolean
  /** Short and unique among the daemons of the host: names the nftables table. */
  readonly instance: string
  readonly emit: Emit
}

export class Networks {
  readonly #o: NetworksOptions
  readonly #netnsDir: string
  readonly #set: NetworkSet
  readonly #sandboxes: Sandboxes
  readonly #bridge: Bridge
  readonly #firewall: Firewall
  readonly #dockerUser: DockerUser
  readonly #watch: FirewallWatch
  readonly #netlink: NetlinkSocket
  readonly #plumbing = new Plumbing()
  readonly #ports = new Ports()
  readonly #dns = new Dns()
  /** One network is made or removed at a time. */
  readonly #changes = new Lock()
  readonly #sweep: VethSweep

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
    this.#netnsDir = parts.netnsDir
    this.#bridge = parts.bridge
    this.#netlink = parts.netlink
    const { bridge, table, netlink } = parts
    const set = new NetworkSet(
      {
        log: op.log,
        table,
        netlink,
        bridge,
        plumbing: this.#plumbing,
        owner: ownerOf(o),
        addressPools: o.addressPools ?? [],
        instance: o.instance,
        endpoints: (id) => this.#sandboxes.on(id).map(({ endpoint }) => endpoint),
      },
      parts.networks,
    )
    this.#set = set
    this.#sweep = new VethSweep({ plumbing: this.#plumbing, present: () => set.veths(), log: op.log })
    this.#firewall = new Firewall(o.instance, {
      held: this.#ports,
      respectHost: o.respectHostFirewall ?? false,
      relay: o.relay ?? true,
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
      transaction: (work) => o.store.transaction(work),
      netnsDir: parts.netnsDir,
      plumbing: this.#plumbing,
      ports: this.#ports,
      firewall: this.#firewall,
      dns: this.#dns,
      netlink: parts.netlink,
      network: (ref) => set.use(set.find(ref)),
      restoreFirewall: async (inner) => {
        await this.#firewall.repair(inner, { drained: true })
      },
      emit: (action, id, container) => this.#emit(action, set.get(id), { container }),
      leaving: (hostInterface) => this.#sweep.add(hostInterface),
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
    const bridge = ensureBridge(netlink, {
      ...o.bridge,
      mtu: o.bridge.mtu || 1500,
      owner: ownerOf(o),
      // Networks of the user's whose bridges are not there now keep their blocks.
      pools: blocksOf(o.addressPools ?? []).filter(
        (pool) => !own.some((n) => n.subnets.some((s) => overlaps(parseCidr(s.subnet), pool))),
      ),
      ...(previous !== undefined && { previous }),
    })
    if (o.ipForward !== false && writeSysctl('net/ipv4/ip_forward', '1'))
      op.log.info('turned on net.ipv4.ip_forward: containers reach other hosts through this one')
    const fixed = predefined(known, bridge, o.bridge)
    o.store.transaction(() => fixed.forEach((n) => table.put(n.id, n)))
    const self = new Networks(op, o, { bridge, networks: [...fixed, ...own], table, netlink, netnsDir })
    undo.defer(() => attempt(op, 'close the networks', () => self.close(detached(op, 10_000))))
    self.#set.raise()
    // Before the first look, so that what changes after it is noticed.
    self.#watch.start()
    await Promise.all([self.#firewall.install(op, self.#firewallState()), self.#allowBridges(op)])
    undo.move()
    return self
  }

  /**
   * A container with this NetworkMode comes: starts the threads that it needs ahead of it. Not at boot: each takes 8 MB, and a
   * daemon without containers is to be small. Idempotent, and does not wait.
   */
  warm(mode: string): void {
    if (mode === 'host' || mode.startsWith('container:')) return
    this.#plumbing.start()
    // Names are answered on networks of the user's alone.
    if (!isPredefined(mode)) this.#dns.start()
  }

  list(): Network[] {
    return this.#set.all().map(networkView)
  }

  /** By name, id or unique beginning of an id. */
  find(ref: string): Network {
    return networkView(this.#set.find(ref))
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
    // Docker: a network from a configuration network has what that one was given.
    const defaults = o.configFrom ? {} : this.#o.defaultOptions?.[o.driver]
    const record = await this.#set.make({ ...o, options: { ...defaults, ...o.options } })
    await using undo = new AsyncDisposableStack()
    undo.defer(() => this.#set.unmake(record.id))
    const network = firewallNetwork(record)
    if (network) undo.defer(() => this.#firewall.removeNetwork(network))
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
    const record = this.#set.find(ref)
    if (isPredefined(record.name))
      throw new EngineError('forbidden', `${record.name} is a pre-defined network and cannot be removed`)
    checkUnused(record, this.#set.all())
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
    const network = firewallNetwork(record)
    if (network) this.#firewall.removeNetwork(network)
    await this.#set.remove(record)
    await this.#allowBridges(op)
    this.#emit('destroy', record)
  }

  /** Removes the chosen networks that nobody is on; their names. One that is joined meanwhile is spared. */
  async prune(op: Op, chosen: (network: Network) => boolean): Promise<string[]> {
    const removed: string[] = []
    for (const network of this.list()) {
      // Docker: configuration networks are removed by name alone.
      if (
        !network.userDefined ||
        network.configOnly ||
        this.#sandboxes.on(network.id).length > 0 ||
        !chosen(network)
      )
        continue
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
    checkAddresses(this.#set.find(request.network), request)
    if (request.mac !== undefined) checkMac(request.mac)
  }

  /**
   * Gives a container its namespace and connects it: address, route and published ports work on return. All or nothing.
   * About 3 ms, most of them in another thread.
   */
  async join(op: Op, o: JoinRequest): Promise<Sandbox> {
    const record = await this.#sandboxes.join(op, o)
    if (o.networks.length === 0) this.#emit('connect', this.#set.find('none'), { container: o.id })
    return sandboxView(record)
  }

  /** Gives back all that join() took. The container's processes should be gone. Idempotent. */
  async leave(_op: Op, id: string): Promise<void> {
    const record = this.#sandboxes.get(id)
    await this.#sandboxes.leave(id)
    if (record?.endpoints.length === 0) this.#emit('disconnect', this.#set.find('none'), { container: id })
  }

  /** Connects a sandbox to one network more, while its container runs. All or nothing. */
  async connect(op: Op, id: string, request: EndpointRequest): Promise<Sandbox> {
    return sandboxView(await this.#sandboxes.connect(op, id, request))
  }

  /** Takes a sandbox off a network, while its container runs. */
  async disconnect(op: Op, id: string, ref: string): Promise<Sandbox> {
    return sandboxView(await this.#sandboxes.disconnect(op, id, this.#set.find(ref).id))
  }

  /** See HandOver: ports and names go from one running container to another, and nobody outside notices. */
  handOver(op: Op, o: HandOver): Promise<void> {
    return this.#sandboxes.handOver(op, o)
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
        bridge: this.#set.get(endpoint?.networkId ?? '')?.bridge?.name ?? '',
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
    return this.#o.hostGateway || this.#bridge.gateway
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
    for (const name of this.#set.veths())
      if (!known.has(name) && !this.#sweep.has(name)) await this.#plumbing.deleteLink(name)
  }

  /** The daemon stops: without sandboxes nothing of ours stays in the kernel, with some their network does. */
  async close(op: Op): Promise<void> {
    this.#sweep.close()
    await this.#watch.close()
    for (const { id } of this.#sandboxes.all()) this.#ports.release(id)
    if (this.#sandboxes.size === 0) {
      // The kernel is about to remove them, all in the time that one takes here.
      for (let tries = 0; tries < 30 && this.#set.veths().length > 0; tries++) await sleep(10)
      for (const name of this.#set.veths()) await this.#plumbing.deleteLink(name)
      await this.#set.lowerAll()
      await Promise.all([this.#firewall.remove(op), this.#dockerUser.withdraw(op)])
      unmount(this.#netnsDir, MNT_DETACH)
    }
    await this.#dns.close()
    await this.#firewall.close()
    await this.#plumbing.close()
    this.#netlink[Symbol.dispose]()
  }

  #allowBridges(op: Op): Promise<void> {
    const bridges = this.#set.all().flatMap((n) => (n.bridge ? [n.bridge.name] : []))
    return this.#dockerUser.allow(op, bridges)
  }

  #firewallState(): FirewallState {
    return {
      networks: this.#set
        .all()
        .map(firewallNetwork)
        .filter((n) => n !== undefined),
      ports: this.#sandboxes.all().flatMap(publishedPorts),
    }
  }

  #emit(action: string, record: NetworkRecord | undefined, more: Record<string, string> = {}): void {
    if (!record) return
    const attributes = { ...more, name: record.name, type: record.driver }
    this.#o.emit({ type: 'network', action, id: record.id, attributes })
  }
}

/** The mark of our bridges. */
const ownerOf = (o: NetworksOptions): string => `gantry ${o.instance}`

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
