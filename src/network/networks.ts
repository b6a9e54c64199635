import { randomBytes } from 'node:crypto'
import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
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
import { connect, disconnect, silence } from './endpoint.ts'
import { Firewall, type FirewallState, type PublishedPort } from './firewall.ts'
import { AddressPool, macOf, parseCidr } from './ipam.ts'
import { Ports, type PortRequest } from './ports.ts'
import { decodeNetwork, decodeSandbox, type NetworkRecord, type SandboxRecord } from './record.ts'
import { hostsFile, resolvConf, type HostsOptions, type ResolvOptions } from './resolv.ts'

export interface Network {
  readonly id: string
  readonly name: string
  readonly driver: 'bridge' | 'host' | 'null'
  readonly createdAt: string
  readonly subnet?: string
  readonly gateway?: string
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly internal: boolean
}

export interface Endpoint {
  readonly networkId: string
  readonly networkName: string
  readonly ip: string
  readonly prefix: number
  readonly gateway: string
  readonly mac: string
  readonly hostInterface: string
}

/** The network side of one running container. */
export interface Sandbox {
  readonly id: string
  readonly netnsPath: string
  /** On the network it joined; none on `none`. */
  readonly endpoint?: Endpoint
  /** With the host's real ports and addresses. */
  readonly ports: readonly PortRequest[]
}

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
  /** Veths whose namespaces were given up: the kernel removes them soon. */
  readonly #leaving = new Set<string>()
  #sweep: NodeJS.Timeout | undefined

  private constructor(
    o: NetworksOptions,
    parts: { bridge: Bridge; networks: readonly NetworkRecord[]; netlink: NetlinkSocket; netnsDir: string },
  ) {
    this.#o = o
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
    const self = new Networks(o, { bridge, networks, netlink, netnsDir })
    await Promise.all([
      self.#firewall.install(op, self.#firewallState()),
      self.#dockerUser.allow(op, [bridge.name]),
    ])
    return self
  }

  list(): Network[] {
    return this.#networks.map(publicView)
  }

  /** By name, id or unique beginning of an id. */
  find(ref: string): Network {
    const byId = this.#networks.filter((n) => ref !== '' && n.id.startsWith(ref))
    const found =
      this.#networks.find((n) => n.name === ref || n.id === ref) ?? (byId.length === 1 ? byId[0] : undefined)
    if (!found) throw new EngineError('not-found', `network ${ref} not found`)
    return publicView(found)
  }

  sandbox(id: string): Sandbox | undefined {
    const record = this.#sandboxes.get(id)
    return record && sandboxView(record)
  }

  /**
   * Gives a container its namespace and connects it: address, route and published ports work on return. All or nothing.
   * About 3 ms. All that could collide with another join happens in one go, without waiting.
   */
  async join(op: Op, o: JoinRequest): Promise<Sandbox> {
    op.signal.throwIfAborted()
    if (this.#sandboxes.has(o.id))
      throw new EngineError('conflict', `container ${o.owner} is connected to a network already`)
    const network = this.#record(o.network)
    using undo = new DisposableStack()
    undo.defer(() => this.#discard(o.id))
    const record = this.#reserve(o, network)
    this.#sandboxes.set(o.id, record)
    this.#records.put(o.id, record)

    netns.create(record.netnsPath)
    for (const [position, endpoint] of record.endpoints.entries())
      connect(this.#netlink, { netnsPath: record.netnsPath, endpoint, position, bridge: this.#bridge })
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
    this.#discard(id)
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
    for (const { id } of dead) this.#discard(id)
    await this.#redirectUdp({ added: [], removed: dead.flatMap(publishedPorts) })
    for (const name of readdirSync(this.#netnsDir))
      if (!this.#sandboxes.has(name)) netns.remove(join(this.#netnsDir, name))
    const known = new Set(
      [...this.#sandboxes.values()].flatMap((r) => r.endpoints.map((e) => e.hostInterface)),
    )
    for (const name of this.#veths())
      if (!known.has(name) && !this.#leaving.has(name)) disconnect(this.#netlink, name)
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
      for (const name of this.#veths()) disconnect(this.#netlink, name)
      removeBridge(this.#netlink, this.#bridge.name)
      await Promise.all([this.#firewall.remove(op), this.#dockerUser.withdraw(op)])
      unmount(this.#netnsDir, MNT_DETACH)
    }
    this.#firewall.close()
    this.#netlink[Symbol.dispose]()
  }

  /** Takes addresses and ports: nothing in the kernel but the ports' sockets yet. */
  #reserve(o: JoinRequest, network: NetworkRecord): SandboxRecord {
    const mac = o.macAddress === undefined ? undefined : checkMac(o.macAddress)
    const endpoints: SandboxRecord['endpoints'] = []
    const record = {
      id: o.id,
      owner: o.owner,
      network: network.name,
      netnsPath: join(this.#netnsDir, o.id),
      endpoints,
      ports: network.bridge ? this.#ports.reserve(o.id, o.owner, o.ports) : [],
    }
    if (network.bridge) {
      const ip = this.#pool.allocate(o.ipAddress)
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
    return record
  }

  /** Whatever exists of a sandbox goes; the record last, so that a crash in between is resumed at boot. */
  #discard(id: string): void {
    const record = this.#sandboxes.get(id)
    if (record) {
      this.#firewall.withdraw(publishedPorts(record))
      for (const [position, endpoint] of record.endpoints.entries()) {
        silence({ netnsPath: record.netnsPath, endpoint, position })
        this.#leaving.add(endpoint.hostInterface)
      }
      netns.remove(record.netnsPath)
      for (const endpoint of record.endpoints) this.#pool.release(endpoint.ip)
      this.#records.delete(id)
      this.#sandboxes.delete(id)
      this.#scheduleSweep()
    }
    this.#ports.release(id)
  }

  /** A namespace that somebody still holds (a debugger, a copied mount) keeps its veth: then it is deleted here. */
  #scheduleSweep(): void {
    if (this.#sweep || this.#leaving.size === 0) return
    const due = [...this.#leaving]
    this.#sweep = setTimeout(() => {
      this.#sweep = undefined
      const present = new Set(this.#veths())
      for (const name of due) {
        if (present.has(name)) disconnect(this.#netlink, name)
        this.#leaving.delete(name)
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
      networks: [{ bridge: this.#bridge.name, subnets: [this.#bridge.subnet], masquerade: true, icc: true }],
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

/** The networks that always exist, with the ids they had before. */
function predefined(known: readonly NetworkRecord[], bridge: Bridge): NetworkRecord[] {
  const make = (name: string, driver: NetworkRecord['driver']): NetworkRecord => {
    const old = known.find((n) => n.name === name)
    const createdAt = old?.createdAt ?? new Date().toISOString()
    return { id: old?.id ?? newId(), name, driver, createdAt, internal: false, options: {}, labels: {} }
  }
  return [
    {
      ...make('bridge', 'bridge'),
      bridge: {
        name: bridge.name,
        mtu: bridge.mtu,
        subnets: [{ subnet: bridge.subnet, gateway: bridge.gateway }],
      },
      options: {
        'com.docker.network.bridge.default_bridge': 'true',
        'com.docker.network.bridge.enable_icc': 'true',
        'com.docker.network.bridge.enable_ip_masquerade': 'true',
        'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
        'com.docker.network.bridge.name': bridge.name,
        'com.docker.network.driver.mtu': String(bridge.mtu),
      },
    },
    make('host', 'host'),
    make('none', 'null'),
  ]
}

function publicView(n: NetworkRecord): Network {
  const { id, name, driver, createdAt, options, labels, internal } = n
  return { id, name, driver, createdAt, options, labels, internal, ...n.bridge?.subnets[0] }
}

function sandboxView(record: SandboxRecord): Sandbox {
  const endpoint = record.endpoints[0]
  return { id: record.id, netnsPath: record.netnsPath, ports: record.ports, ...(endpoint && { endpoint }) }
}

function publishedPorts(record: SandboxRecord): PublishedPort[] {
  const containerIp = record.endpoints[0]?.ip
  return containerIp === undefined ? [] : record.ports.map((port) => ({ ...port, containerIp }))
}

function checkMac(text: string): string {
  const mac = text.toLowerCase().replaceAll('-', ':')
  const first = Number.parseInt(mac, 16)
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) || (first & 1) === 1 || /^(00:?)+$/.test(mac))
    throw new EngineError('invalid', `invalid MAC address: ${text}`)
  return mac
}
