import { isIPv6 } from 'node:net'
import { hasCode } from '../lib/errors.ts'
import { Lock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import {
  addElements,
  apply,
  deleteElements,
  replaceElements,
  openNftSocket,
  tableIdentity,
  type Element,
} from '../host/nft.ts'
import { forgetFlows } from '../host/conntrack.ts'
import { addressBytes } from '../host/rtnetlink.ts'
import { parseCidr } from './ipam.ts'
import { isAny } from './ports.ts'
import { render } from './firewall-table.ts'
import { PortRelay, type HeldSockets } from './port-relay.ts'

export interface FirewallState {
  readonly networks: readonly FirewallNetwork[]
  readonly ports: readonly PublishedPort[]
}

export interface FirewallNetwork {
  readonly bridge: string
  /** Blocks of the bridge, of either family. */
  readonly subnets: readonly string[]
  /** Traffic that leaves the bridge gets an address of the host. */
  readonly masquerade: boolean
  /** Containers of the network may talk to each other. */
  readonly icc: boolean
  /** Nothing in or out, but for the bridge's own addresses. Its ports are not to be published. */
  readonly internal: boolean
}

export interface PublishedPort {
  readonly proto: 'tcp' | 'udp'
  /** 0.0.0.0 = every IPv4 address of the host, :: = every IPv6 one. */
  readonly hostIp: string
  readonly hostPort: number
  readonly containerIp: string
  readonly containerPort: number
}

export interface FirewallOptions {
  /**
   * No published port is redirected past the rules that the host has for itself: all are relayed, from sockets of the host that
   * its input chains judge like any other's.
   */
  readonly respectHost?: boolean
  /** Where the sockets of relayed ports are. */
  readonly held?: HeldSockets
  /** False: what no rule can lead to its container is not reached. */
  readonly relay?: boolean
}

/**
 * Our one nftables table, and the relay of those published ports that no rule can lead to their container. Networks and ports
 * are elements of its sets and maps: their number does not slow packets.
 */
export class Firewall {
  /** The name of the table, of family inet. */
  readonly table: string
  readonly #respectHost: boolean
  readonly #relays: boolean
  readonly #relay: PortRelay | undefined
  readonly #socket = openNftSocket()
  readonly #networks = new Map<string, FirewallNetwork>()
  readonly #ports = new Map<string, PublishedPort>()
  /** Those that are relayed, by protocol and number: the table knows no more of them. */
  readonly #relayed = new Map<string, Set<string>>()
  readonly #installing = new Lock()
  /** Counts changes of networks and ports. */
  #version = 0
  #identity: string | undefined

  constructor(instance: string, o: FirewallOptions = {}) {
    this.table = `gantry_${instance}`
    this.#respectHost = o.respectHost ?? false
    this.#relays = o.relay ?? true
    this.#relay = o.held && this.#relays ? new PortRelay(o.held) : undefined
  }

  /** Puts the table in place whole, in one transaction: whatever it was before, no packet sees half of it. */
  async install(op: Op, state: FirewallState): Promise<void> {
    using _lock = await this.#installing.acquire(op.signal)
    this.#networks.clear()
    this.#ports.clear()
    this.#relayed.clear()
    for (const network of state.networks) this.#networks.set(network.bridge, network)
    for (const port of state.ports) this.#note(port)
    await this.#replace(op)
  }

  /**
   * Puts the table in place again when somebody changed or removed it; true when that was so. `drained`: elements are known to be
   * missing, which the table does not tell by itself.
   */
  async repair(op: Op, o: { drained: boolean }): Promise<boolean> {
    using _lock = await this.#installing.acquire(op.signal)
    if (!o.drained && tableIdentity(this.#socket, this.table) === this.#identity) return false
    await this.#replace(op)
    return true
  }

  /** False when the table is not there: install() then. Adding one that is there changes nothing. */
  addNetwork(network: FirewallNetwork): boolean {
    this.#version++
    this.#networks.set(network.bridge, network)
    return this.#add(networkElements(network))
  }

  /** What is gone already is no error. */
  removeNetwork(network: FirewallNetwork): void {
    this.#version++
    this.#networks.delete(network.bridge)
    this.#delete(networkElements(network))
  }

  /** Once the ports are held. False when the table is not there: install() then. Publishing again changes nothing. */
  publish(ports: readonly PublishedPort[]): boolean {
    this.#version++
    for (const port of ports) {
      this.#note(port)
      if (this.isRelayed(port)) this.#relay?.open(port)
    }
    return this.#add(ports.flatMap((port) => this.#elementsOf(port)))
  }

  /** Before the ports are given back. What is gone already is no error. */
  withdraw(ports: readonly PublishedPort[]): void {
    this.#version++
    for (const port of ports) {
      if (this.isRelayed(port)) this.#relay?.shut(port)
      this.#delete(this.#forget(port))
    }
  }

  /**
   * Ports lead to another container from now on, in one step: no client finds nobody. Connections that are there stay where they
   * are. False when the table is not there: install() then.
   */
  handOver(o: { removed: readonly PublishedPort[]; added: readonly PublishedPort[] }): boolean {
    this.#version++
    const keys = new Set(o.added.map(keyOf))
    for (const port of o.removed) if (this.isRelayed(port) && !keys.has(keyOf(port))) this.#relay?.shut(port)
    const removed = o.removed.flatMap((port) => this.#forget(port))
    for (const port of o.added) {
      this.#note(port)
      if (this.isRelayed(port)) this.#relay?.open(port)
    }
    try {
      const added = o.added.flatMap((port) => this.#elementsOf(port))
      replaceElements(this.#socket, this.table, { removed, added })
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  /** Whether rules lead clients to the container: it sees their addresses. */
  isRedirected(port: PublishedPort): boolean {
    const sameFamily = isIPv6(port.hostIp) === isIPv6(port.containerIp)
    return !this.#respectHost && sameFamily && port.hostIp !== '::1'
  }

  /**
   * Whether clients, at least some, reach the container through the relay: it sees the bridge's address instead of theirs. Packets
   * for ::1 cannot leave the loopback interface, unlike those for 127.0.0.1.
   */
  isRelayed(port: PublishedPort): boolean {
    return this.#relays && (!this.isRedirected(port) || port.hostIp === '::')
  }

  /**
   * UDP has no connections that end: clients that keep sending keep their way, to a container that is gone or to nobody.
   * After this, those of `added` ports are led to their containers, and none to those of `removed` ones.
   */
  async redirectUdp(o: {
    added: readonly PublishedPort[]
    removed: readonly PublishedPort[]
    hostAddresses: readonly string[]
  }): Promise<void> {
    const isUdp = (port: PublishedPort) => port.proto === 'udp'
    const own = new Set(o.hostAddresses)
    await Promise.all(
      ([4, 6] as const).map(async (family) => {
        const here = (port: PublishedPort) => isUdp(port) && isIPv6(port.hostIp) === (family === 6)
        const gone = new Set(o.removed.filter(here).map((port) => port.containerIp))
        const added = new Map(o.added.filter(here).map((port) => [port.hostPort, port]))
        if (gone.size + added.size === 0) return
        await forgetFlows(family, (flow) => {
          if (gone.has(flow.answeredBy)) return true
          const port = added.get(flow.port)
          if (!port || flow.answeredBy === port.containerIp) return false
          return isAny(port.hostIp) ? own.has(flow.destination) : flow.destination === port.hostIp
        })
      }),
    )
  }

  async remove(op: Op): Promise<void> {
    await apply(op, `table inet ${this.table}\ndelete table inet ${this.table}\n`)
  }

  /** The table stays. */
  async close(): Promise<void> {
    this.#socket[Symbol.dispose]()
    await this.#relay?.close()
  }

  #note(port: PublishedPort): void {
    this.#ports.set(keyOf(port), port)
    if (!this.isRelayed(port)) return
    const alike = this.#relayed.get(numberOf(port)) ?? new Set()
    this.#relayed.set(numberOf(port), alike.add(keyOf(port)))
  }

  /** Returns the elements that go with it. */
  #forget(port: PublishedPort): Element[] {
    const elements = this.#elementsOf(port)
    // The same address and port may lead elsewhere by now.
    if (this.#ports.get(keyOf(port))?.containerIp === port.containerIp) {
      this.#ports.delete(keyOf(port))
      const alike = this.#relayed.get(numberOf(port))
      alike?.delete(keyOf(port))
      if (alike?.size === 0) this.#relayed.delete(numberOf(port))
    }
    return elements.filter((element) => element.set !== 'relayed' || !this.#relayed.has(numberOf(port)))
  }

  async #replace(op: Op): Promise<void> {
    let done: number
    do {
      done = this.#version
      await this.#apply(op)
      // What came or went meanwhile may have met the table of before.
    } while (done !== this.#version)
    this.#identity = tableIdentity(this.#socket, this.table)
  }

  async #apply(op: Op): Promise<void> {
    const ports = [...this.#ports.values()]
    await apply(
      op,
      render(this.table, {
        networks: [...this.#networks.values()],
        ports: ports.filter((port) => this.isRedirected(port)),
        relayed: ports.filter((port) => this.isRelayed(port)),
      }),
    )
  }

  #elementsOf(port: PublishedPort): Element[] {
    const elements = this.isRedirected(port) ? [redirectElement(port)] : []
    if (this.isRelayed(port)) elements.push(relayedElement(port))
    return elements
  }

  #add(elements: readonly Element[]): boolean {
    try {
      addElements(this.#socket, this.table, elements)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  #delete(elements: readonly Element[]): void {
    for (const element of elements) {
      try {
        deleteElements(this.#socket, this.table, [element])
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }
  }
}

const protocols = { tcp: 6, udp: 17 }

const keyOf = (port: PublishedPort): string => `${port.proto} ${port.hostIp} ${port.hostPort}`

const numberOf = (port: PublishedPort): string => `${port.proto} ${port.hostPort}`

const relayedElement = ({ proto, hostPort }: PublishedPort): Element => ({
  set: 'relayed',
  key: [Buffer.from([protocols[proto]]), portBytes(hostPort)],
})

function redirectElement(port: PublishedPort): Element {
  const family = isIPv6(port.hostIp) ? 6 : 4
  const key = [Buffer.from([protocols[port.proto]]), portBytes(port.hostPort)]
  const data = [addressBytes(port.containerIp), portBytes(port.containerPort)]
  return isAny(port.hostIp)
    ? { set: `any${family}`, key, data }
    : { set: `ports${family}`, key: [addressBytes(port.hostIp), ...key], data }
}

function networkElements(network: FirewallNetwork): Element[] {
  const name = Buffer.alloc(16)
  name.write(network.bridge)
  const elements: Element[] = [{ set: 'bridges', key: [name] }]
  if (network.icc) elements.push({ set: 'icc', key: [name, name] })
  if (network.internal) elements.push({ set: 'internal', key: [name] })
  for (const subnet of network.subnets) {
    const { family, first, last } = ends(subnet)
    elements.push({ set: `subnets${family}`, key: [name, first], last: [name, last] })
    if (network.masquerade && !network.internal)
      elements.push({ set: `masquerade${family}`, key: [first], last: [last] })
  }
  return elements
}

/** The first and the last address of a block. */
function ends(subnet: string): { family: 4 | 6; first: Buffer; last: Buffer } {
  const { family, first, prefix } = parseCidr(subnet)
  const bits = family === 4 ? 32 : 128
  const bytes = (n: bigint) => Buffer.from(n.toString(16).padStart(bits / 4, '0'), 'hex')
  return { family, first: bytes(first), last: bytes(first + (1n << BigInt(bits - prefix)) - 1n) }
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(port)
  return bytes
}
