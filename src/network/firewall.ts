import { isIPv6 } from 'node:net'
import { hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { addElements, apply, deleteElements, openNftSocket, type Element } from '../host/nft.ts'
import { forgetFlows } from '../host/conntrack.ts'
import { addressBytes } from '../host/rtnetlink.ts'
import { parseCidr } from './ipam.ts'
import { render, type FirewallState } from './firewall-table.ts'

export type { FirewallState } from './firewall-table.ts'

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

/** Our one nftables table. Networks and ports are elements of its sets and maps: their number does not slow packets. */
export class Firewall {
  readonly #table: string
  readonly #socket = openNftSocket()

  constructor(instance: string) {
    this.#table = `gantry_${instance}`
  }

  /** Puts the table in place whole, in one transaction: whatever it was before, no packet sees half of it. */
  async install(op: Op, state: FirewallState): Promise<void> {
    await apply(op, render(this.#table, state))
  }

  /** False when the table is not there: install() then. Adding one that is there changes nothing. */
  addNetwork(network: FirewallNetwork): boolean {
    return this.#add(networkElements(network))
  }

  /** What is gone already is no error. */
  removeNetwork(network: FirewallNetwork): void {
    this.#delete(networkElements(network))
  }

  /** False when the table is not there: install() then. */
  publish(ports: readonly PublishedPort[]): boolean {
    return this.#add(ports.flatMap(portElements))
  }

  /** What is gone already is no error. */
  withdraw(ports: readonly PublishedPort[]): void {
    this.#delete(ports.flatMap(portElements))
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
    const gone = new Set(o.removed.filter(isUdp).map((port) => port.containerIp))
    const added = new Map(o.added.filter(isUdp).map((port) => [port.hostPort, port]))
    if (gone.size + added.size === 0) return
    const own = new Set(o.hostAddresses)
    await forgetFlows((flow) => {
      if (gone.has(flow.answeredBy)) return true
      const port = added.get(flow.port)
      if (!port || flow.answeredBy === port.containerIp) return false
      return port.hostIp === '0.0.0.0' ? own.has(flow.destination) : flow.destination === port.hostIp
    })
  }

  async remove(op: Op): Promise<void> {
    await apply(op, `table inet ${this.#table}\ndelete table inet ${this.#table}\n`)
  }

  /** The table stays. */
  close(): void {
    this.#socket[Symbol.dispose]()
  }

  #add(elements: readonly Element[]): boolean {
    try {
      addElements(this.#socket, this.#table, elements)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  #delete(elements: readonly Element[]): void {
    for (const element of elements) {
      try {
        deleteElements(this.#socket, this.#table, [element])
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }
  }
}

const protocols = { tcp: 6, udp: 17 }

/** None for a port whose two sides are of different families: no rule can lead from one to the other. */
function portElements(port: PublishedPort): Element[] {
  const family = isIPv6(port.hostIp) ? 6 : 4
  if ((family === 6) !== isIPv6(port.containerIp)) return []
  const key = [Buffer.from([protocols[port.proto]]), portBytes(port.hostPort)]
  const data = [addressBytes(port.containerIp), portBytes(port.containerPort)]
  return [
    port.hostIp === '0.0.0.0' || port.hostIp === '::'
      ? { set: `any${family}`, key, data }
      : { set: `ports${family}`, key: [addressBytes(port.hostIp), ...key], data },
  ]
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
