import { hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { addElements, apply, deleteElements, openNftSocket, type Element } from '../host/nft.ts'
import { forgetFlows } from '../host/conntrack.ts'
import { addressBytes } from '../host/rtnetlink.ts'

export interface FirewallNetwork {
  readonly bridge: string
  /** IPv4 blocks of the bridge. */
  readonly subnets: readonly string[]
  /** Traffic that leaves the bridge gets an address of the host. */
  readonly masquerade: boolean
  /** Containers of the network may talk to each other. */
  readonly icc: boolean
}

export interface PublishedPort {
  readonly proto: 'tcp' | 'udp'
  /** 0.0.0.0 = every address of the host. */
  readonly hostIp: string
  readonly hostPort: number
  readonly containerIp: string
  readonly containerPort: number
}

/** All that the rules depend on: the table is a function of it, and can be made again at any time. */
export interface FirewallState {
  readonly networks: readonly FirewallNetwork[]
  readonly ports: readonly PublishedPort[]
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

  /** False when the table is not there: install() then. */
  publish(ports: readonly PublishedPort[]): boolean {
    try {
      addElements(this.#socket, this.#table, ports.map(elementOf))
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false
      throw error
    }
  }

  /** What is gone already is no error. */
  withdraw(ports: readonly PublishedPort[]): void {
    for (const port of ports) {
      try {
        deleteElements(this.#socket, this.#table, [elementOf(port)])
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
      }
    }
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
}

const protocols = { tcp: 6, udp: 17 }

function elementOf(port: PublishedPort): Element {
  const key = [Buffer.from([protocols[port.proto]]), portBytes(port.hostPort)]
  const data = [addressBytes(port.containerIp), portBytes(port.containerPort)]
  return port.hostIp === '0.0.0.0'
    ? { set: 'any4', key, data }
    : { set: 'ports4', key: [addressBytes(port.hostIp), ...key], data }
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2)
  bytes.writeUInt16BE(port)
  return bytes
}

/** The script of the whole table. */
export function render(table: string, state: FirewallState): string {
  const bridges = state.networks.map((n) => quote(n.bridge))
  const icc = state.networks.filter((n) => n.icc).map((n) => `${quote(n.bridge)} . ${quote(n.bridge)}`)
  const masquerade = state.networks.filter((n) => n.masquerade).flatMap((n) => n.subnets)
  const subnets = state.networks.flatMap((n) => n.subnets.map((s) => `${quote(n.bridge)} . ${s}`))
  const target = (p: PublishedPort) => `${p.containerIp} . ${p.containerPort}`
  const anywhere = state.ports.filter((p) => p.hostIp === '0.0.0.0')
  const specific = state.ports.filter((p) => p.hostIp !== '0.0.0.0')
  const any4 = anywhere.map((p) => `${p.proto} . ${p.hostPort} : ${target(p)}`)
  const ports4 = specific.map((p) => `${p.hostIp} . ${p.proto} . ${p.hostPort} : ${target(p)}`)
  // The first line makes the second one succeed when there was no table.
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  set bridges { type ifname; ${elements(bridges)} }
  set icc { type ifname . ifname; ${elements(icc)} }
  set masquerade4 { type ipv4_addr; flags interval; ${elements(masquerade)} }
  set subnets4 { type ifname . ipv4_addr; flags interval; ${elements(subnets)} }
  map any4 { type inet_proto . inet_service : ipv4_addr . inet_service; ${elements(any4)} }
  map ports4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; ${elements(ports4)} }

  # The bridges route 127.0.0.0/8 (for ports published on it): nobody behind them may use that.
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges ip daddr 127.0.0.0/8 drop
  }
  # From outside no packet for the host's loopback is real: ports published there stay there.
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    fib daddr type local jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    fib daddr type local jump published
  }
  chain published {
    meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @ports4
    meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @any4
  }
  # Loopback addresses mean nothing on a bridge; a container that comes back to its own bridge through the host
  # must be answered through the host.
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ct status dnat oifname . ip saddr @subnets4 masquerade
    ip saddr @masquerade4 oifname != @bridges masquerade
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname @bridges jump inbound
  }
  chain inbound {
    ct state established,related accept
    ct status dnat accept
    iifname . oifname @icc accept
    drop
  }
}
`
}

function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : `elements = { ${list.join(', ')} };`
}

const quote = (text: string): string => JSON.stringify(text)
