import { isIP, isIPv4, isIPv6 } from 'node:net'
import { EngineError } from '../lib/errors.ts'
import { parseBool } from '../lib/parse-bool.ts'
import { ipvlanFlags, macvlanModes } from '../host/rtnetlink.ts'
import {
  AddressPool,
  canonical,
  choosePool,
  contains,
  cut,
  formatCidr,
  overlaps,
  parseCidr,
  within,
  type AddressBase,
  type Cidr,
} from './ipam.ts'
import type { NetworkRecord, SubnetRecord } from './record.ts'
import { isPredefined } from './views.ts'

/** What `network create` asks for. */
export interface NetworkRequest {
  readonly name: string
  readonly driver: string
  readonly internal: boolean
  readonly attachable: boolean
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly subnets: readonly SubnetRequest[]
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  /** Of the one IPAM driver there is, which shows them and obeys none, as docker's. */
  readonly ipamOptions?: Readonly<Record<string, string>>
  readonly scope?: string
  /** It is there for others to be made from; see configuration.ts. */
  readonly configOnly?: boolean
  /** Name of the configuration network that it is made from. */
  readonly configFrom?: string
}

/** Empty texts stand for what is left to the engine. */
export interface SubnetRequest {
  readonly subnet: string
  readonly ipRange: string
  readonly gateway: string
  readonly aux: Readonly<Record<string, string>>
}

/** A block that is in use, and by whom. */
export interface Taken {
  readonly block: Cidr
  readonly holder: string
}

/** Throws what docker throws for names that cannot be given. */
export function checkNetworkName(name: string): void {
  if (isPredefined(name))
    throw new EngineError('forbidden', `operation is not permitted on predefined ${name} network `)
  // Control characters and slashes would break paths of the API and lines of output.
  // oxlint-disable-next-line no-control-regex
  if (name.trim() === '' || name !== name.trim() || /[\u0000-\u001f\u007f/]/.test(name))
    throw new EngineError('invalid', `invalid network name ${JSON.stringify(name)}`)
}

type Drivers = Pick<NetworkRecord, 'mtu' | 'interfacePrefix' | 'bridge' | 'parent'>

const bridgePrefix = 'com.docker.network.bridge.'

/** The driver's part of a network, from its options. An option that nothing obeys is refused by name. */
export function driverPart(o: NetworkRequest, id: string): Drivers {
  return o.driver === 'macvlan' || o.driver === 'ipvlan' ? sharedPart(o, o.driver) : bridgePart(o, id)
}

/** macvlan and ipvlan: containers are hosts of their own on the link `parent`. */
function sharedPart(o: NetworkRequest, kind: 'macvlan' | 'ipvlan'): Drivers {
  let mtu = 1500
  let link = ''
  let mode = 'bridge'
  for (const [key, value] of Object.entries(o.options)) {
    if (key === 'parent') link = value
    else if (key === 'com.docker.network.driver.mtu') mtu = readMtu(value)
    else if (key === (kind === 'macvlan' ? 'macvlan_mode' : 'ipvlan_flag')) mode = value
    else if (key === 'ipvlan_mode' && kind === 'ipvlan') {
      if (value !== 'l2')
        throw new EngineError('unsupported', `ipvlan_mode ${value} is not supported: Gantry's ipvlan is l2`)
    } else throw new EngineError('unsupported', `network option ${key} is not supported by driver ${kind}`)
  }
  if (link === '')
    throw new EngineError('unsupported', `a ${kind} network needs the link that it shares: -o parent=LINK`)
  const bad = new EngineError('invalid', `unknown ${kind} mode: ${JSON.stringify(mode)}`)
  if (kind === 'macvlan') {
    if (!Object.hasOwn(macvlanModes, mode)) throw bad
    return { mtu, interfacePrefix: 'eth', parent: { kind, link, mode: mode as keyof typeof macvlanModes } } // a key
  }
  if (!Object.hasOwn(ipvlanFlags, mode)) throw bad
  return { mtu, interfacePrefix: 'eth', parent: { kind, link, flag: mode as keyof typeof ipvlanFlags } } // a key
}

function bridgePart(o: NetworkRequest, id: string): Drivers {
  let mtu = 1500
  let interfacePrefix = 'eth'
  const bridge = {
    name: `br-${id.slice(0, 12)}`,
    masquerade: true,
    icc: true,
    hostBinding: '',
    foreign: false,
    addressless: false,
  }
  for (const [key, value] of Object.entries(o.options)) {
    switch (key) {
      case 'com.docker.network.driver.mtu':
        mtu = readMtu(value)
        break
      case 'com.docker.network.container_iface_prefix':
        // Fourteen characters leave one for the number.
        if (!/^[^\s/:%]{1,14}$/.test(value))
          throw new EngineError('invalid', `invalid container interface prefix: ${JSON.stringify(value)}`)
        interfacePrefix = value
        break
      case `${bridgePrefix}name`:
        if (value !== '') bridge.name = value
        break
      case `${bridgePrefix}enable_ip_masquerade`:
        bridge.masquerade = readFlag(key, value)
        break
      case `${bridgePrefix}enable_icc`:
        bridge.icc = readFlag(key, value)
        break
      case `${bridgePrefix}inhibit_ipv4`:
        bridge.addressless = readFlag(key, value)
        break
      case `${bridgePrefix}host_binding_ipv4`:
        if (!isIPv4(value)) throw new EngineError('invalid', `invalid value for ${key}: ${value}`)
        bridge.hostBinding = value === '0.0.0.0' ? '' : value
        break
      case `${bridgePrefix}gateway_mode_ipv4`:
      case `${bridgePrefix}gateway_mode_ipv6`:
        if (value !== 'nat')
          throw new EngineError('unsupported', `${key}=${value} is not supported: Gantry's bridges do nat`)
        break
      default:
        // Docker: labels of others, shown and no more. What the driver itself would obey is refused by name.
        if (key.startsWith(bridgePrefix) || key.startsWith('com.docker.network.endpoint.'))
          throw new EngineError('unsupported', `network option ${key} is not supported`)
    }
  }
  return { mtu, interfacePrefix, bridge }
}

function readMtu(value: string): number {
  const mtu = Number(value)
  if (!/^\d+$/.test(value) || mtu < 68 || mtu > 65_535)
    throw new EngineError(
      'invalid',
      `failed to parse com.docker.network.driver.mtu value: ${value}${/^\d+$/.test(value) ? '' : ` (strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax)`}`,
    )
  return mtu
}

function readFlag(key: string, value: string): boolean {
  const flag = parseBool(value)
  if (flag === undefined)
    throw new EngineError(
      'invalid',
      `failed to parse ${key} value: ${value} (strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax)`,
    )
  return flag
}

/** The address blocks of a network, chosen or from the pools. `step` passes that many free blocks over. */
export function chooseSubnets(
  o: NetworkRequest,
  at: {
    /** By networks of ours. */
    networks: readonly Taken[]
    /** By the host's links and routes. */
    host: readonly Taken[]
    bases: { readonly v4: readonly AddressBase[]; readonly v6: readonly AddressBase[] }
  },
): SubnetRecord[] {
  const chosen = readSubnets(o)
  const has = (family: 4 | 6) => chosen.some((s) => parseCidr(s.subnet).family === family)
  const missing = ([4, 6] as const).filter((family) => (family === 4 ? o.ipv4 : o.ipv6) && !has(family))
  chosen.push(...missing.map((family) => fromPools(family, at)))
  if (chosen.length === 0)
    throw new EngineError('invalid', 'IPv4 or IPv6 must be enabled: the network would have no addresses')
  for (const { subnet, configured } of chosen) {
    const block = parseCidr(subnet)
    const clash = configured ? at.networks.find((t) => overlaps(t.block, block)) : undefined
    if (clash)
      throw new EngineError(
        'forbidden',
        `invalid pool request: Pool overlaps with other one on this address space: ${formatCidr(clash.block)} is held by ${clash.holder}`,
      )
  }
  return chosen.toSorted((a, b) => parseCidr(a.subnet).family - parseCidr(b.subnet).family)
}

/** The blocks that a request names; throws when they cannot be. */
export function readSubnets(o: NetworkRequest): SubnetRecord[] {
  const chosen = o.subnets.map((subnet) => chosenSubnet(subnet))
  const families = chosen.map((subnet) => parseCidr(subnet.subnet).family)
  for (const [family, enabled] of [
    [4, o.ipv4],
    [6, o.ipv6],
  ] as const) {
    const count = families.filter((f) => f === family).length
    if (count > 1) throw new EngineError('forbidden', `${o.driver} driver doesn't support multiple subnets`)
    if (count === 1 && !enabled)
      throw new EngineError(
        'invalid',
        `invalid network config:\nIPv${family} is not enabled on the network, but it has an IPv${family} subnet`,
      )
  }
  return chosen
}

function fromPools(family: 4 | 6, at: Parameters<typeof chooseSubnets>[1]): SubnetRecord {
  const bases = family === 4 ? at.bases.v4 : at.bases.v6
  const taken = [...at.networks, ...at.host].filter((t) => t.block.prefix > 0 && t.block.family === family)
  const pool = choosePool(
    pools(bases),
    taken.map((t) => t.block),
  )
  if (!pool) {
    const ours = bases.map((b) => parseCidr(b.base))
    const holders = taken
      .filter((t) => ours.some((base) => overlaps(base, t.block)))
      .map((t) => `${formatCidr(t.block)} by ${t.holder}`)
    throw new EngineError(
      'unavailable',
      `all predefined address pools have been fully subnetted: ${[...new Set(holders)].join(', ')}; remove a network, or give one with --subnet`,
    )
  }
  const subnet = formatCidr(pool)
  return { subnet, gateway: new AddressPool(pool).allocate(), aux: {}, configured: false }
}

function* pools(bases: readonly AddressBase[]): Generator<Cidr> {
  for (const base of bases) yield* cut(base)
}

function chosenSubnet(o: SubnetRequest): SubnetRecord {
  const bad = (text: string) => new EngineError('invalid', `invalid network config:\n${text}`)
  if (o.subnet === '')
    throw bad('an ip-range, gateway or auxiliary address needs a subnet that it belongs to')
  const block = exact('subnet', o.subnet, bad)
  const family = `IPv${block.family}`
  let range: Cidr | undefined
  if (o.ipRange !== '') {
    range = exact('ip-range', o.ipRange, bad)
    if (range.family !== block.family)
      throw bad(`invalid ip-range ${o.ipRange}: parent subnet is an ${family} block`)
    if (range.prefix < block.prefix)
      throw bad(`invalid ip-range ${o.ipRange}: CIDR block is bigger than its parent subnet ${o.subnet}`)
    if (!within(block, range))
      throw bad(`invalid ip-range ${o.ipRange}: parent subnet ${o.subnet} doesn't contain ip-range`)
  }
  const inside = (what: string, text: string): string => {
    if (isIP(text) === 0) throw bad(`invalid ${what} ${text}: it is not an address`)
    if (isIPv6(text) !== (block.family === 6))
      throw bad(`invalid ${what} ${text}: parent subnet is an ${family} block`)
    if (!contains(block, text))
      throw bad(`invalid ${what} ${text}: parent subnet ${o.subnet} doesn't contain this address`)
    return canonical(text)
  }
  const aux = Object.fromEntries(
    Object.entries(o.aux).map(([name, address]) => [name, inside('auxiliary address', address)]),
  )
  const gateway =
    o.gateway === ''
      ? new AddressPool(block, Object.values(aux), range).allocate()
      : inside('gateway', o.gateway)
  if (Object.values(aux).includes(gateway))
    throw bad(`invalid gateway ${gateway}: it is an auxiliary address too`)
  return {
    subnet: formatCidr(block),
    gateway,
    ...(range && { ipRange: formatCidr(range) }),
    aux,
    configured: true,
  }
}

/** Docker: host bits in a block are a mistake. */
function exact(what: string, text: string, bad: (text: string) => EngineError): Cidr {
  let block: Cidr
  try {
    block = parseCidr(text)
  } catch {
    throw bad(`invalid ${what} ${text}: invalid CIDR block notation`)
  }
  const address = text.replace(/\/.*$/, '')
  if (canonical(address) !== formatCidr(block).replace(/\/.*$/, ''))
    throw bad(`invalid ${what} ${text}: it should be ${formatCidr(block)}`)
  return block
}
