import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import type { Op } from '../lib/op.ts'
import type { Emit } from '../wire/system.ts'
import { isMountPoint, MNT_DETACH, mount, MS_BIND, MS_PRIVATE, MS_SHARED, unmount } from '../host/mount.ts'
import { NetlinkSocket } from '../host/netlink.ts'
import * as netns from '../host/netns.ts'
import { listAddresses, listLinks } from '../host/rtnetlink.ts'
import { writeSysctl } from '../host/sysctl.ts'
import type { Store, Table } from '../store/index.ts'
import { ensureBridge, removeBridge, vethPattern, type Bridge } from './bridge.ts'
import { DockerUser } from './docker-user.ts'
import { Firewall, type FirewallState, type PublishedPort } from './firewall.ts'
import { AddressPool, macOf, parseCidr } from './ipam.ts'
import { Plumbing } from './plumbing.ts'
import { Ports, type PortRequest } from './ports.ts'
import { decodeNetwork, decodeSandbox, type NetworkRecord, type SandboxRecord } from './record.ts'
import { networkView, predefined, publishedPorts, sandboxView, type Network, type Sandbox } from './views.ts'
import { hostsFile, resolvConf, type HostsOptions, type ResolvOptions } from './resolv.ts'

export interface JoinRequest {
  readonly id: string
  readonly network: 'bridge' | 'none'
  readonly ports: readonly PortRequest[]
  readonly macAddress?: string
  readonly ipAddress?: string
  /** The container's name, for the text of conflicts. */
  readonly owner: string
}

export interface NetworksOptions {
  readonly store: Store
  /** Namespaces are kept under it, in `netns`. */
  readonly runDir: string
  readonly bridge: { readonly name: string; readonly address?: string; readonly mtu: number }
  /** Short and unique among the daemons of the host: names the nftables table. */
  readonly instance: string
  readonly emit: Emit
}

export class Networks {
  readonly #o: NetworksOptions
  readonly #log: Logger
  readonly #netnsDir: string
  readonly #records: Table<SandboxRecord>
  readonly #networks: readonly NetworkRecord[]
  readonly #sandboxes = new Map<string, SandboxRecord>()
  readonly #bridge: Bridge
  readonly #pool: AddressPool
  readonly #ports = new Ports()
  readonly #firewall: Firewall
  readonly #dockerUser: DockerUser
  readonly #netlink: NetlinkSocket
  readonly #plumbing = new Plumbing()
  readonly #discarding = new Map<SandboxRecord, Promise<void>>()
  /** Veths whose namespaces were given up: the kernel removes them soon. */
  readonly #leaving = new Set<string>()
  #sweep: NodeJS.Timeout | undefined

  private constructor(
    op: Op,
    o: NetworksOptions,
    parts: { bridge: Bridge; networks: readonly NetworkRecord[]; netlink: NetlinkSocket; netnsDir: string },
  ) {
    this.#o = o
    this.#log = op.log
    this.#netnsDir = parts.netnsDir
    this.#bridge = parts.bridge
    this.#networks = parts.networks
    this.#netlink = parts.netlink
    this.#firewall = new Firewall(o.instance)
    this.#dockerUser = new DockerUser(o.instance)
    this.#records = o.store.table('sandboxes', decodeSandbox)
    this.#pool = new AddressPool(parseCidr(parts.bridge.subnet), [parts.bridge.gateway])
    for (const { record } of this.#records.all()) {
      this.#sandboxes.set(record.id, record)
      for (const endpoint of record.endpoints) this.#pool.hold(endpoint.ip)
    }
  }

  /** Makes the bridge and the firewall, for the sandboxes on record too: published ports work from here on. */
  static async open(op: Op, o: NetworksOptions): Promise<Networks> {
    const netnsDir = join(o.runDir, 'netns')
    shareMounts(netnsDir)
    const netlink = new NetlinkSocket()
    const table = o.store.table('networks', decodeNetwork)
    const known = table.all().map(({ record }) => record)
    const previous = known.find((n) => n.name === 'bridge')?.bridge?.subnets[0]?.subnet
    const bridge = ensureBridge(netlink, {
      ...o.bridge,
      mtu: o.bridge.mtu || 1500,
      owner: `gantry ${o.instance}`,
      ...(previous !== undefined && { previous }),
    })
    if (writeSysctl('net/ipv4/ip_forward', '1'))
      op.log.info('turned on net.ipv4.ip_forward: containers reach other hosts through this one')
    const networks = predefined(known, bridge)
    o.store.transaction(() => networks.forEach((n) => table.put(n.id, n)))
    const self = new Networks(op, o, { bridge, networks, netlink, netnsDir })
    self.#plumbing.start()
    await Promise.all([
      self.#firewall.install(op, self.#firewallState()),
      self.#dockerUser.allow(op, [bridge.name]),
    ])
    return self
  }

  list(): Network[] {
    return this.#networks.map(networkView)
  }

  /** By name, id or unique beginning of an id. */
  find(ref: string): Network {
    const byId = this.#networks.filter((n) => ref !== '' && n.id.startsWith(ref))
    const found =
      this.#networks.find((n) => n.name === ref || n.id === ref) ?? (byId.length === 1 ? byId[0] : undefined)
    if (!found) throw new EngineError('not-found', `network ${ref} not found`)
    return networkView(found)
  }

  sandbox(id: string): Sandbox | undefined {
    const record = this.#sandboxes.get(id)
    return record && sandboxView(record)
  }

  /**
   * Gives a container its namespace and connects it: address, route and published ports work on return. All or nothing.
   * About 3 ms, most of them in another thread.
   */
  async join(op: Op, o: JoinRequest): Promise<Sandbox> {
    op.signal.throwIfAborted()
    if (this.#sandboxes.has(o.id))
      throw new EngineError('conflict', `container ${o.owner} is connected to a network already`)
    const network = this.#record(o.network)
    // Everything that two joins could both want is taken here, before the first await.
    const record = this.#reserve(o, network)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => this.#discard(record).catch((error: unknown) => op.log.warn('undo: join', { error })))

    await this.#plumbing.attach(record, this.#bridge)
    const ports = publishedPorts(record)
    if (ports.length > 0 && !this.#firewall.publish(ports)) {
      op.log.warn('the firewall table was lost: putting it back', { instance: this.#o.instance })
      await this.#firewall.install(op, this.#firewallState())
    }
    await this.#redirectUdp({ added: ports, removed: [] })
    undo.move()
    this.#emit('connect', record)
    return sandboxView(record)
  }

  /** Gives back all that join() took. The container's processes should be gone. Idempotent. */
  async leave(_op: Op, id: string): Promise<void> {
    const record = this.#sandboxes.get(id)
    if (!record) return
    await this.#discard(record)
    this.#emit('disconnect', record)
    await this.#redirectUdp({ added: [], removed: publishedPorts(record) })
  }

  resolvConf(o: ResolvOptions): Promise<string> {
    return resolvConf(o)
  }

  /** Docker: `host-gateway` is the default bridge's own address, whatever network the container is on. */
  hostsFile(o: HostsOptions): string {
    return hostsFile({ gateway: this.#bridge.gateway, ...o })
  }

  /**
   * At boot: what the sandboxes in `live` need is restored, everything else of ours that a killed daemon left in the
   * kernel goes.
   */
  async reconcile(op: Op, live: ReadonlySet<string>): Promise<void> {
    const dead = [...this.#sandboxes.values()].filter((record) => !live.has(record.id))
    await Promise.all(dead.map((record) => this.#discard(record)))
    await this.#redirectUdp({ added: [], removed: dead.flatMap(publishedPorts) })
    for (const name of readdirSync(this.#netnsDir))
      if (!this.#sandboxes.has(name)) netns.remove(join(this.#netnsDir, name))
    const known = new Set(
      [...this.#sandboxes.values()].flatMap((r) => r.endpoints.map((e) => e.hostInterface)),
    )
    for (const name of this.#veths())
      if (!known.has(name) && !this.#leaving.has(name)) await this.#plumbing.deleteLink(name)
    for (const record of this.#sandboxes.values()) {
      if (!isMountPoint(record.netnsPath))
        op.log.warn('the network namespace of a running container is lost', { id: record.id })
      try {
        this.#ports.reserve(record.id, record.owner, record.ports)
      } catch (error) {
        // Its traffic still goes to the container; another program took the port while no daemon held it.
        op.log.warn('a published port could not be reserved again', { id: record.id, error })
      }
    }
  }

  /** The daemon stops: without sandboxes nothing of ours stays in the kernel, with some their network does. */
  async close(op: Op): Promise<void> {
    clearTimeout(this.#sweep)
    for (const id of this.#sandboxes.keys()) this.#ports.release(id)
    if (this.#sandboxes.size === 0) {
      // The kernel is about to remove them, all in the time that one takes here.
      for (let tries = 0; tries < 30 && this.#veths().length > 0; tries++) await sleep(10)
      for (const name of this.#veths()) await this.#plumbing.deleteLink(name)
      removeBridge(this.#netlink, this.#bridge.name)
      await Promise.all([this.#firewall.remove(op), this.#dockerUser.withdraw(op)])
      unmount(this.#netnsDir, MNT_DETACH)
    }
    this.#firewall.close()
    await this.#plumbing.close()
    this.#netlink[Symbol.dispose]()
  }

  /** Takes addresses and ports, and writes the record: nothing in the kernel but the ports' sockets yet. */
  #reserve(o: JoinRequest, network: NetworkRecord): SandboxRecord {
    using undo = new DisposableStack()
    const mac = o.macAddress === undefined ? undefined : checkMac(o.macAddress)
    const ports = network.bridge ? this.#ports.reserve(o.id, o.owner, o.ports) : []
    undo.defer(() => this.#ports.release(o.id))
    const endpoints: SandboxRecord['endpoints'] = []
    if (network.bridge) {
      const ip = this.#pool.allocate(o.ipAddress)
      undo.defer(() => this.#pool.release(ip))
      endpoints.push({
        networkId: network.id,
        networkName: network.name,
        ip,
        prefix: this.#pool.subnet.prefix,
        gateway: this.#bridge.gateway,
        mac: mac ?? macOf(ip),
        // New for each join: the veth of the join before may still be on its way out.
        hostInterface: `gv${randomBytes(6).toString('hex')}`,
        interface: 'eth0',
      })
    }
    const netnsPath = join(this.#netnsDir, o.id)
    const record = { id: o.id, owner: o.owner, network: network.name, netnsPath, endpoints, ports }
    this.#records.put(o.id, record)
    this.#sandboxes.set(o.id, record)
    undo.move()
    return record
  }

  /**
   * Whatever exists of a sandbox goes; the record last, so that a crash in between is resumed at boot. A second call while
   * the first is under way waits for that.
   */
  #discard(record: SandboxRecord): Promise<void> {
    let work = this.#discarding.get(record)
    if (!work) {
      work = this.#dismantle(record).finally(() => this.#discarding.delete(record))
      this.#discarding.set(record, work)
    }
    return work
  }

  async #dismantle(record: SandboxRecord): Promise<void> {
    this.#firewall.withdraw(publishedPorts(record))
    for (const endpoint of record.endpoints) this.#leaving.add(endpoint.hostInterface)
    await this.#plumbing.detach(record)
    this.#scheduleSweep()
    for (const endpoint of record.endpoints) this.#pool.release(endpoint.ip)
    this.#ports.release(record.id)
    this.#records.delete(record.id)
    this.#sandboxes.delete(record.id)
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

  #redirectUdp(o: { added: readonly PublishedPort[]; removed: readonly PublishedPort[] }): Promise<void> {
    const hostAddresses = o.added.length > 0 ? listAddresses(this.#netlink).map((a) => a.address) : []
    return this.#firewall.redirectUdp({ ...o, hostAddresses })
  }

  #veths(): string[] {
    return listLinks(this.#netlink)
      .filter((link) => link.master === this.#bridge.index && vethPattern.test(link.name))
      .map((link) => link.name)
  }

  #record(name: string): NetworkRecord {
    const found = this.#networks.find((n) => n.name === name)
    if (!found) throw new EngineError('not-found', `network ${name} not found`)
    return found
  }

  #firewallState(): FirewallState {
    return {
      networks: [
        {
          bridge: this.#bridge.name,
          subnets: [this.#bridge.subnet],
          masquerade: true,
          icc: true,
          internal: false,
        },
      ],
      ports: [...this.#sandboxes.values()].flatMap(publishedPorts),
    }
  }

  #emit(action: 'connect' | 'disconnect', record: SandboxRecord): void {
    const network = this.#record(record.network)
    const attributes = { container: record.id, name: network.name, type: network.driver }
    this.#o.emit({ type: 'network', action, id: network.id, attributes })
  }
}

/**
 * A mount of its own that shares: namespaces made or removed here then come and go in mount namespaces that were
 * copied from ours meanwhile (a service with PrivateTmp), which else would keep dead ones alive.
 */
function shareMounts(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (isMountPoint(folder)) return
  mount({ source: folder, target: folder, flags: MS_BIND })
  mount({ source: 'none', target: folder, flags: MS_PRIVATE })
  mount({ source: 'none', target: folder, flags: MS_SHARED })
}

function checkMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':')
  const first = Number.parseInt(mac, 16)
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || (first & 1) === 1 || /^(00:?)+$/.test(mac))
    throw new EngineError('invalid', `invalid MAC address: ${text}`)
  return mac
}
