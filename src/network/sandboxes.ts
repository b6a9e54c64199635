import { join } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { detached, type Op } from '../lib/op.ts'
import type { NetlinkSocket } from '../host/netlink.ts'
import { listAddresses } from '../host/rtnetlink.ts'
import type { Table } from '../store/index.ts'
import type { Dns } from './dns/dns.ts'
import type { Defaults } from './endpoint.ts'
import type { Firewall, PublishedPort } from './firewall.ts'
import { makeEndpoint, type EndpointRequest, type LiveNetwork } from './make-endpoint.ts'
import type { Plug, Plumbing } from './plumbing.ts'
import type { PortRequest, Ports } from './ports.ts'
import type { DnsRecord, EndpointRecord, SandboxRecord } from './record.ts'
import { gatewaysOf, isPredefined, publishedPorts } from './views.ts'

export interface JoinRequest {
  readonly id: string
  /** None: lo alone. */
  readonly networks: readonly EndpointRequest[]
  readonly ports: readonly PortRequest[]
  /** The container's name, for the text of conflicts. */
  readonly owner: string
  /** Of resolverConf(), and names that this container alone knows. */
  readonly dns?: DnsRecord | undefined
}

/** Who takes what from whom. */
export interface HandOver {
  readonly from: string
  readonly to: string
  /** What the heir is to publish. */
  readonly ports: readonly PortRequest[]
  /** What the heir is called from now on, by network, and the other one. */
  readonly names: (networkName: string) => readonly string[]
  readonly left: (networkName: string) => readonly string[]
  /** What is written together with it. */
  readonly alongside: () => void
}

export interface SandboxTools {
  readonly log: Logger
  readonly records: Table<SandboxRecord>
  /** What is written within is written together. */
  transaction(work: () => void): void
  readonly netnsDir: string
  readonly plumbing: Plumbing
  readonly ports: Ports
  readonly firewall: Firewall
  readonly dns: Dns
  readonly netlink: NetlinkSocket
  /** By name or id; throws when it cannot be used. */
  network(ref: string): LiveNetwork
  /** The firewall's table was lost: puts it back with all that is on record. */
  restoreFirewall(op: Op): Promise<void>
  emit(action: 'connect' | 'disconnect', networkId: string, container: string): void
  /** The host's end of a veth is about to go with its namespace. */
  leaving(hostInterface: string): void
}

/** The sandboxes on record, and what is theirs: addresses, ports, names. */
export class Sandboxes {
  readonly #t: SandboxTools
  readonly #byId = new Map<string, SandboxRecord>()
  readonly #discarding = new Map<string, Promise<void>>()

  constructor(tools: SandboxTools) {
    this.#t = tools
    for (const { record } of tools.records.all()) this.#byId.set(record.id, record)
  }

  all(): SandboxRecord[] {
    return [...this.#byId.values()]
  }
  get(id: string): SandboxRecord | undefined {
    return this.#byId.get(id)
  }
  get size(): number {
    return this.#byId.size
  }

  /** Who is on a network. */
  on(networkId: string): { sandbox: SandboxRecord; endpoint: EndpointRecord }[] {
    return this.all().flatMap((sandbox) =>
      sandbox.endpoints.flatMap((endpoint) =>
        endpoint.networkId === networkId ? [{ sandbox, endpoint }] : [],
      ),
    )
  }

  async join(op: Op, o: JoinRequest): Promise<SandboxRecord> {
    op.signal.throwIfAborted()
    if (this.#byId.has(o.id))
      throw new EngineError('conflict', `container ${o.owner} is connected to a network already`)
    // Everything that two joins could both want is taken here, before the first await.
    const record = this.#reserve(o)
    await using undo = new AsyncDisposableStack()
    undo.defer(() => this.#discard(o.id).catch((error: unknown) => op.log.warn('undo: join', { error })))
    const plugs = record.endpoints.map((endpoint) => this.#plugOf(endpoint))
    await this.#t.plumbing.attach({ netnsPath: record.netnsPath, plugs, defaults: defaultsOf(record) })
    await Promise.all([
      this.#publish(op, { added: publishedPorts(record), removed: [] }),
      this.#serveNames(op, record),
    ])
    undo.move()
    for (const endpoint of record.endpoints) this.#t.emit('connect', endpoint.networkId, record.id)
    return record
  }

  async leave(id: string): Promise<void> {
    const record = this.#byId.get(id)
    if (!record) return
    await this.#discard(id)
    for (const endpoint of record.endpoints) this.#t.emit('disconnect', endpoint.networkId, id)
    await this.#redirectUdp({ added: [], removed: publishedPorts(record) })
  }

  /** Connects a running container to one network more. All or nothing. */
  async connect(op: Op, id: string, request: EndpointRequest): Promise<SandboxRecord> {
    op.signal.throwIfAborted()
    const before = this.#find(id)
    const live = this.#t.network(request.network)
    if (before.endpoints.some((e) => e.networkId === live.record.id))
      throw new EngineError(
        'forbidden',
        `endpoint with name ${before.owner} already exists in network ${live.record.name}`,
      )
    using held = new DisposableStack()
    const endpoint = makeEndpoint(this.#t.network(request.network), request, {
      held,
      beside: before.endpoints,
    })
    const after = this.#withPorts({ ...before, endpoints: [...before.endpoints, endpoint] })
    this.#save(after)
    held.move()
    await using undo = new AsyncDisposableStack()
    undo.defer(async () => {
      await this.#unplug(detached(op, 10_000), after, endpoint)
    })
    await this.#t.plumbing.plug(after.netnsPath, this.#plugOf(endpoint))
    await this.#settle(op, before, after)
    undo.move()
    this.#t.emit('connect', live.record.id, id)
    return after
  }

  /** Takes a running container off a network. */
  async disconnect(op: Op, id: string, networkId: string): Promise<SandboxRecord> {
    const before = this.#find(id)
    const endpoint = before.endpoints.find((e) => e.networkId === networkId)
    if (!endpoint)
      throw new EngineError('not-found', `container ${before.owner} is not connected to the network`)
    const after = await this.#unplug(op, before, endpoint)
    this.#t.emit('disconnect', networkId, id)
    return after
  }

  /** The container is called otherwise on its networks from now on. */
  rename(id: string, owner: string, names: (networkName: string) => readonly string[]): void {
    const record = this.#byId.get(id)
    if (!record) return
    const endpoints = record.endpoints.map((e) =>
      e.names.length > 0 ? { ...e, names: [...names(e.networkName)] } : e,
    )
    this.#save({ ...record, owner, endpoints })
    for (const endpoint of endpoints) this.#register(endpoint)
  }

  /**
   * One running container takes another one's published ports and names, in one step for everybody outside: no client finds
   * nobody. Connections to the first one stay with it. Where that has ended the heir has its ports from now on.
   */
  async handOver(op: Op, o: HandOver): Promise<void> {
    op.signal.throwIfAborted()
    const [from, to] = [this.#byId.get(o.from), this.#find(o.to)]
    const renamed = (record: SandboxRecord, names: HandOver['names']): EndpointRecord[] =>
      record.endpoints.map((e) =>
        isPredefined(e.networkName) ? e : { ...e, names: [...names(e.networkName)] },
      )
    const { v4 } = gatewaysOf(to.endpoints)
    const binding = v4 ? this.#t.network(v4.networkId).record.bridge?.hostBinding : undefined
    const wanted = o.ports.map((port) => ({ ...port, hostIp: port.hostIp || binding || '' }))
    const ports = this.#t.ports.inherit({ from: o.from, to: o.to, owner: to.owner }, wanted)
    const heir: SandboxRecord = { ...to, ports, wanted: [...o.ports], endpoints: renamed(to, o.names) }
    const left = from && { ...from, ports: [], wanted: [], endpoints: renamed(from, o.left) }
    const after = left ? [heir, left] : [heir]
    this.#t.transaction(() => {
      for (const record of after) this.#save(record)
      o.alongside()
    })
    // One that was not on standby has published something already.
    const before = from ? [from, to] : [to]
    const change = { removed: before.flatMap(publishedPorts), added: publishedPorts(heir) }
    if (!this.#t.firewall.handOver(change)) await this.#t.restoreFirewall(detached(op, 10_000))
    for (const record of after) for (const endpoint of record.endpoints) this.#register(endpoint)
    this.#t.ports.release(o.from)
    await this.#redirectUdp(change)
  }

  /** What a killed daemon left: dead sandboxes go. */
  async discardDead(live: ReadonlySet<string>): Promise<void> {
    const dead = this.all().filter((record) => !live.has(record.id))
    await Promise.all(dead.map((record) => this.#discard(record.id)))
    await this.#redirectUdp({ added: [], removed: dead.flatMap(publishedPorts) })
  }

  /** Takes hold again of what a live sandbox has: its ports and names; an endpoint that was never finished goes. */
  async resume(op: Op, record: SandboxRecord, links: ReadonlySet<string>): Promise<void> {
    let current = record
    for (const endpoint of record.endpoints)
      if (endpoint.hostInterface !== '' && !links.has(endpoint.hostInterface))
        current = await this.#unplug(op, current, endpoint)
    try {
      this.#t.ports.reserve(current.id, current.owner, current.ports)
      await this.#publish(op, { added: publishedPorts(current), removed: [] })
    } catch (error) {
      // Its traffic still goes to the container; another program took the port while no daemon held it.
      op.log.warn('a published port could not be reserved again', { id: record.id, error })
    }
    try {
      await this.#serveNames(op, current)
    } catch (error) {
      op.log.warn('the names of its networks are not served to a running container', { id: record.id, error })
    }
  }

  /** Takes addresses and ports, and writes the record: nothing in the kernel but the ports' sockets yet. */
  #reserve(o: JoinRequest): SandboxRecord {
    using held = new DisposableStack()
    held.defer(() => this.#t.ports.release(o.id))
    const endpoints: EndpointRecord[] = []
    for (const request of o.networks)
      endpoints.push(makeEndpoint(this.#t.network(request.network), request, { held, beside: endpoints }))
    const record = this.#withPorts({
      id: o.id,
      owner: o.owner,
      netnsPath: join(this.#t.netnsDir, o.id),
      endpoints,
      ports: [],
      wanted: [...o.ports],
      dns: o.dns ?? { upstreams: [], ndotsSet: false, extra: {} },
    })
    this.#save(record)
    held.move()
    return record
  }

  /** The ports that a record's networks let it publish: taken or given back. */
  #withPorts(record: SandboxRecord): SandboxRecord {
    const { v4, v6 } = gatewaysOf(record.endpoints)
    const leadsOut = [v4, v6].some((e) => e !== undefined && e.hostInterface !== '')
    if (record.wanted.length === 0 || leadsOut === record.ports.length > 0) return record
    if (!leadsOut) {
      this.#t.ports.release(record.id)
      return { ...record, ports: [] }
    }
    const binding = v4 ? this.#t.network(v4.networkId).record.bridge?.hostBinding : undefined
    const requests = record.wanted.map((port) => ({ ...port, hostIp: port.hostIp || binding || '' }))
    return { ...record, ports: this.#t.ports.reserve(record.id, record.owner, requests) }
  }

  #plugOf(endpoint: EndpointRecord): Plug {
    const live = this.#t.network(endpoint.networkId)
    const { mtu, parent, bridge } = live.record
    const isolated = bridge !== undefined && !bridge.icc
    return { endpoint, socket: { link: live.link, mtu, shared: parent, isolated } }
  }

  /** Ends one endpoint; whatever of it exists goes, the record last. */
  async #unplug(op: Op, before: SandboxRecord, endpoint: EndpointRecord): Promise<SandboxRecord> {
    const rest = { ...before, endpoints: before.endpoints.filter((e) => e.id !== endpoint.id) }
    this.#unregister(endpoint)
    // No packet may find a port's way to an address that is about to be somebody else's.
    this.#t.firewall.withdraw(missingIn(publishedPorts(before), publishedPorts(rest)))
    await this.#t.plumbing.unplug(before.netnsPath, endpoint)
    const after = this.#withPorts(rest)
    this.#releaseAddresses(endpoint)
    this.#save(after)
    await this.#settle(op, before, after)
    return after
  }

  /** Routes, ports and names follow a change of a sandbox's endpoints. */
  async #settle(op: Op, before: SandboxRecord, after: SandboxRecord): Promise<void> {
    const [old, now] = [defaultsOf(before), defaultsOf(after)]
    if (JSON.stringify(old) !== JSON.stringify(now)) await this.#t.plumbing.route(after.netnsPath, now)
    const [was, is] = [publishedPorts(before), publishedPorts(after)]
    await this.#publish(op, { added: missingIn(is, was), removed: missingIn(was, is) })
    await this.#serveNames(op, after)
  }

  async #publish(
    op: Op,
    change: { added: readonly PublishedPort[]; removed: readonly PublishedPort[] },
  ): Promise<void> {
    this.#t.firewall.withdraw(change.removed)
    if (change.added.length > 0 && !this.#t.firewall.publish(change.added)) {
      op.log.warn('the firewall table was lost: putting it back')
      await this.#t.restoreFirewall(op)
    }
    await this.#redirectUdp(change)
  }

  #redirectUdp(o: { added: readonly PublishedPort[]; removed: readonly PublishedPort[] }): Promise<void> {
    const hostAddresses = o.added.length > 0 ? listAddresses(this.#t.netlink).map((a) => a.address) : []
    return this.#t.firewall.redirectUdp({ ...o, hostAddresses })
  }

  /** Docker: names are served on networks of the user's alone. */
  async #serveNames(op: Op, record: SandboxRecord): Promise<void> {
    const named = record.endpoints.filter((e) => !isPredefined(e.networkName))
    for (const endpoint of named) this.#register(endpoint)
    // Programs that read resolv.conf before still ask there.
    if (named.length === 0) return this.#t.dns.update(record.id, { networks: [] })
    const { v4, v6 } = gatewaysOf(record.endpoints)
    await this.#t.dns.attach(op, {
      sandbox: record.id,
      netnsPath: record.netnsPath,
      networks: named.map((e) => e.networkName),
      links: Object.fromEntries(named.map((e) => [e.networkName, e.links])),
      external: v4 !== undefined || v6 !== undefined,
      ...record.dns,
    })
  }

  #register(endpoint: EndpointRecord): void {
    if (endpoint.names.length > 0)
      this.#t.dns.register(endpoint.networkName, {
        endpoint: endpoint.id,
        names: endpoint.names,
        addresses: [endpoint.ip, endpoint.ip6].filter((address) => address !== ''),
      })
  }

  #unregister(endpoint: EndpointRecord): void {
    if (endpoint.names.length > 0) this.#t.dns.unregister(endpoint.networkName, endpoint.id)
  }

  /**
   * Whatever exists of a sandbox goes; the record last, so that a crash in between is resumed at boot. A second call while
   * the first is under way waits for that.
   */
  #discard(id: string): Promise<void> {
    let work = this.#discarding.get(id)
    const record = this.#byId.get(id)
    if (!work && record) {
      work = this.#dismantle(record).finally(() => this.#discarding.delete(id))
      this.#discarding.set(id, work)
    }
    return work ?? Promise.resolve()
  }

  async #dismantle(record: SandboxRecord): Promise<void> {
    this.#t.firewall.withdraw(publishedPorts(record))
    for (const endpoint of record.endpoints) {
      this.#unregister(endpoint)
      if (endpoint.hostInterface !== '') this.#t.leaving(endpoint.hostInterface)
    }
    await this.#t.dns.detach(record.id)
    await this.#t.plumbing.detach(record)
    for (const endpoint of record.endpoints) this.#releaseAddresses(endpoint)
    this.#t.ports.release(record.id)
    this.#t.records.delete(record.id)
    this.#byId.delete(record.id)
  }

  #releaseAddresses(endpoint: EndpointRecord): void {
    let live: LiveNetwork
    try {
      live = this.#t.network(endpoint.networkId)
    } catch {
      return // a network that is gone has no addresses to give back
    }
    if (endpoint.ip !== '') live.v4?.release(endpoint.ip)
    if (endpoint.ip6 !== '') live.v6?.release(endpoint.ip6)
  }

  #save(record: SandboxRecord): void {
    this.#t.records.put(record.id, record)
    this.#byId.set(record.id, record)
  }

  #find(id: string): SandboxRecord {
    const record = this.#byId.get(id)
    if (!record) throw new EngineError('conflict', `container ${id} is not running`)
    return record
  }
}

function defaultsOf(record: SandboxRecord): Defaults {
  const { v4, v6 } = gatewaysOf(record.endpoints)
  return {
    v4: v4 && { interface: v4.interface, gateway: v4.gateway },
    v6: v6 && { interface: v6.interface, gateway: v6.gateway6 },
  }
}

function missingIn(list: readonly PublishedPort[], other: readonly PublishedPort[]): PublishedPort[] {
  const keys = new Set(other.map((port) => JSON.stringify(port)))
  return list.filter((port) => !keys.has(JSON.stringify(port)))
}
