import { isIPv6 } from 'node:net'
import type { FirewallNetwork, PublishedPort } from './firewall.ts'

/** All that the rules depend on: the table is a function of it, and can be made again at any time. */
export interface TableState {
  readonly networks: readonly FirewallNetwork[]
  /** Those that are redirected: both sides are of one family. */
  readonly ports: readonly PublishedPort[]
  /** Those that a process of the host serves. */
  readonly relayed: readonly PublishedPort[]
}

/** The script of the whole table. */
export function render(table: string, state: TableState): string {
  const { networks } = state
  const bridges = networks.map((n) => quote(n.bridge))
  const icc = networks.filter((n) => n.icc).map((n) => `${quote(n.bridge)} . ${quote(n.bridge)}`)
  const internal = networks.filter((n) => n.internal).map((n) => quote(n.bridge))
  const relayed = new Set(state.relayed.map((p) => `${p.proto} . ${p.hostPort}`))
  // The first line makes the second one succeed when there was no table.
  return `
table inet ${table}
delete table inet ${table}
table inet ${table} {
  set bridges { type ifname; ${elements(bridges)} }
  set icc { type ifname . ifname; ${elements(icc)} }
  set internal { type ifname; ${elements(internal)} }
  set relayed { type inet_proto . inet_service; ${elements([...relayed])} }
${familySets(4, state)}
${familySets(6, state)}

  # The bridges route 127.0.0.0/8 (for ports published on it): nobody behind them may use that, nor send as if from it.
  # From an internal network only the bridge's own addresses (and what has no subnet: multicast, link-local) are reached,
  # and no port behind which another network is.
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname @bridges jump guarded
  }
  chain guarded {
    ip daddr 127.0.0.0/8 drop
    ip saddr 127.0.0.0/8 drop
    iifname @internal jump inside
  }
  chain inside {
    fib daddr type != { local, unicast } return
    fib daddr type local meta l4proto . th dport @relayed drop
    ip6 daddr fe80::/10 return
    iifname . ip daddr @subnets4 return
    iifname . ip6 daddr @subnets6 return
    meta nfproto { ipv4, ipv6 } drop
  }
  # From outside no packet for the host's loopback is real: ports published there stay there. Those for ::1 never leave the
  # loopback interface: they are relayed.
  chain prerouting {
    type nat hook prerouting priority dstnat; policy accept;
    ip daddr 127.0.0.0/8 return
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain output {
    type nat hook output priority -100; policy accept;
    ip6 daddr ::1 return
    fib daddr type local jump published
  }
  chain published {
    meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to ip daddr . meta l4proto . th dport map @ports4
    meta nfproto ipv4 meta l4proto { tcp, udp } dnat ip to meta l4proto . th dport map @any4
    meta nfproto ipv6 meta l4proto { tcp, udp } dnat ip6 to ip6 daddr . meta l4proto . th dport map @ports6
    meta nfproto ipv6 meta l4proto { tcp, udp } dnat ip6 to meta l4proto . th dport map @any6
  }
  # Loopback addresses mean nothing on a bridge; a container that comes back to its own bridge through the host
  # must be answered through the host.
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 127.0.0.0/8 oifname @bridges masquerade
    ct status dnat oifname . ip saddr @subnets4 masquerade
    ct status dnat oifname . ip6 saddr @subnets6 masquerade
    ip saddr @masquerade4 oifname != @bridges masquerade
    ip6 saddr @masquerade6 oifname != @bridges masquerade
  }
  # What was let in once goes on: most packets are judged by the first rule alone.
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname . oifname @icc accept
    iifname @internal drop
    oifname @internal drop
    oifname @bridges jump inbound
  }
  chain inbound {
    ct status dnat accept
    drop
  }
}
`
}

function familySets(family: 4 | 6, state: TableState): string {
  const ofFamily = (text: string): boolean => isIPv6(text.replace(/\/.*$/, '')) === (family === 6)
  const masquerade = state.networks
    .filter((n) => n.masquerade && !n.internal)
    .flatMap((n) => n.subnets.filter(ofFamily))
  const subnets = state.networks.flatMap((n) =>
    n.subnets.filter(ofFamily).map((s) => `${quote(n.bridge)} . ${s}`),
  )
  const target = (p: PublishedPort) => `${p.containerIp} . ${p.containerPort}`
  const ports = state.ports.filter((p) => ofFamily(p.hostIp))
  const isAny = (p: PublishedPort) => p.hostIp === (family === 4 ? '0.0.0.0' : '::')
  const any = ports.filter(isAny).map((p) => `${p.proto} . ${p.hostPort} : ${target(p)}`)
  const specific = ports
    .filter((p) => !isAny(p))
    .map((p) => `${p.hostIp} . ${p.proto} . ${p.hostPort} : ${target(p)}`)
  const type = `ipv${family}_addr`
  return [
    `  set masquerade${family} { type ${type}; flags interval; ${elements(masquerade)} }`,
    `  set subnets${family} { type ifname . ${type}; flags interval; ${elements(subnets)} }`,
    `  map any${family} { type inet_proto . inet_service : ${type} . inet_service; ${elements(any)} }`,
    `  map ports${family} { type ${type} . inet_proto . inet_service : ${type} . inet_service; ${elements(specific)} }`,
  ].join('\n')
}

function elements(list: readonly string[]): string {
  return list.length === 0 ? '' : `elements = { ${list.join(', ')} };`
}

const quote = (text: string): string => JSON.stringify(text)
