import { isIP, isIPv6 } from 'node:net'
import { readFileSync } from 'node:fs'
import { hasCode } from '../lib/errors.ts'
import { inNetns } from '../host/netns.ts'
import { holders } from '../host/port-owner.ts'
import type { PublishedPort } from './firewall.ts'
import { judge, type Packet, type Ruleset, type Judgement } from './ruleset.ts'

export type Reach = 'yes' | 'no' | 'maybe'

export interface Reachability {
  readonly reach: Reach
  /** Why not, or on what it depends. */
  readonly because?: string
}

/** Who gets to the container through one published port. */
export interface PortCheck {
  readonly port: PublishedPort
  /** By rules, with the client's own address; or by the host's relay. */
  readonly way: 'redirected' | 'relayed' | 'redirected, relayed on ::1'
  readonly loopback: Reachability
  readonly thisHost: Reachability
  readonly otherHosts: Reachability
}

export interface CheckInput {
  readonly port: PublishedPort
  readonly redirected: boolean
  /** Of the container's network. */
  readonly bridge: string
  /** By which interface other hosts come; undefined: by any. */
  readonly uplink: string | undefined
  /** A program in the container has a socket on the port. */
  readonly listening: boolean
  /** There are rules of iptables-legacy, which nft does not list. */
  readonly legacy: boolean
  /** All tables of the host but our own. */
  readonly ruleset: Ruleset
}

/** Judges a new connection from each place by where the port is bound and by the foreign rules on its way. */
export function checkPort(o: CheckInput): PortCheck {
  const { port } = o
  const any = port.hostIp === '0.0.0.0' || port.hostIp === '::'
  const local = port.hostIp.startsWith('127.') || port.hostIp === '::1'
  const relayedHere = !o.redirected || isIPv6(port.hostIp)
  const no = (because: string): Reachability => ({ reach: 'no', because })
  const way = !o.redirected ? 'relayed' : port.hostIp === '::' ? 'redirected, relayed on ::1' : 'redirected'
  if (!o.listening) {
    const nobody = no(`nothing in the container listens on ${port.containerPort}/${port.proto}`)
    return { port, way, loopback: nobody, thisHost: nobody, otherHosts: nobody }
  }
  const here = localPackets(o, local || any ? relayedHere : !o.redirected)
  return {
    port,
    way,
    loopback: any || local ? reachBy(o, here) : no(`published on ${port.hostIp} alone`),
    thisHost: local
      ? no('published on the loopback address alone')
      : reachBy(o, localPackets(o, !o.redirected)),
    otherHosts: local
      ? no('published on the loopback address alone')
      : reachBy(o, [o.redirected ? forwarded(o) : arriving(o, o.uplink)]),
  }
}

function reachBy({ ruleset, legacy }: CheckInput, packets: readonly Packet[]): Reachability {
  let worst: Judgement = legacy
    ? { outcome: 'maybe', by: 'rules of iptables-legacy, which are not read' }
    : { outcome: 'accept' }
  for (const packet of packets) {
    const judgement = judge(ruleset, packet)
    if (judgement.outcome === 'drop') return { reach: 'no', because: `dropped by ${judgement.by}` }
    if (judgement.outcome === 'maybe') worst = judgement
  }
  return worst.outcome === 'maybe' ? { reach: 'maybe', because: `depends on ${worst.by}` } : { reach: 'yes' }
}

/** From this host: out to the container, or to the relay and from there. */
function localPackets(o: CheckInput, relayed: boolean): Packet[] {
  const toContainer: Packet = {
    ...towardsContainer(o),
    hook: 'output',
    iifname: undefined,
    oifname: o.bridge,
  }
  if (!relayed) return [toContainer]
  const out: Packet = { ...arriving(o, 'lo'), hook: 'output', iifname: undefined, oifname: 'lo' }
  return [out, arriving(o, 'lo'), { ...toContainer, dnat: false }]
}

const towardsContainer = ({ port }: CheckInput) => ({
  family: familyOf(port.containerIp),
  proto: port.proto,
  daddr: port.containerIp,
  dport: port.containerPort,
  dnat: true,
})

const forwarded = (o: CheckInput): Packet => ({
  ...towardsContainer(o),
  hook: 'forward',
  iifname: o.uplink,
  oifname: o.bridge,
})

function arriving({ port }: CheckInput, iifname: string | undefined): Packet {
  const any = port.hostIp === '0.0.0.0' || port.hostIp === '::'
  return {
    hook: 'input',
    family: familyOf(port.hostIp),
    proto: port.proto,
    daddr: any ? undefined : port.hostIp,
    dport: port.hostPort,
    dnat: false,
    iifname,
    oifname: undefined,
  }
}

const familyOf = (address: string): 'ip' | 'ip6' => (isIP(address) === 6 ? 'ip6' : 'ip')

/** Whether a program in the namespace has a socket on the port that takes what comes for the address. */
export function isListening(netnsPath: string, port: PublishedPort): boolean {
  const o = { ip: port.containerIp, port: port.containerPort, listening: port.proto === 'tcp' }
  const files = [port.proto, `${port.proto}6`]
  try {
    return inNetns(netnsPath, () =>
      files.some((file) => holders(readFileSync(`/proc/thread-self/net/${file}`, 'utf8'), o).length > 0),
    )
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'EINVAL')) return false // its namespace is gone
    throw error
  }
}

/** Tables of iptables-legacy exist where it was used since the start of the machine, with rules or without. */
export function hasLegacyRules(): boolean {
  return ['ip', 'ip6'].some((family) => {
    try {
      return readFileSync(`/proc/net/${family}_tables_names`, 'utf8').trim() !== ''
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return false // a kernel without them
      throw error
    }
  })
}
