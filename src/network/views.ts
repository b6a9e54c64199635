import { isIPv6 } from 'node:net'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Bridge } from './bridge.ts'
import type { FirewallNetwork, PublishedPort } from './firewall.ts'
import { parseCidr, within } from './ipam.ts'
import type { PortRequest } from './ports.ts'
import type { EndpointRecord, NetworkRecord, SandboxRecord, SubnetRecord } from './record.ts'

export interface Network {
  readonly id: string
  readonly name: string
  readonly driver: NetworkRecord['driver']
  readonly createdAt: string
  readonly subnets: readonly SubnetRecord[]
  readonly ipv4: boolean
  readonly ipv6: boolean
  readonly options: Readonly<Record<string, string>>
  readonly labels: Readonly<Record<string, string>>
  readonly internal: boolean
  readonly attachable: boolean
  readonly ipamOptions: Readonly<Record<string, string>>
  /** It is there for others to be made from; no container joins it. */
  readonly configOnly: boolean
  /** Name of the configuration network that it was made from; empty: of none. */
  readonly configFrom: string
  /** Made by a user: it can be removed, and its containers know each other by name. */
  readonly userDefined: boolean
}

/** A container's side of one network. Texts are empty where the network has no such address. */
export interface Endpoint {
  readonly id: string
  readonly networkId: string
  readonly networkName: string
  readonly ip: string
  readonly prefix: number
  readonly gateway: string
  readonly ip6: string
  readonly prefix6: number
  readonly gateway6: string
  readonly mac: string
  readonly interface: string
  readonly hostInterface: string
  readonly names: readonly string[]
}

/** The network side of one running container. */
export interface Sandbox {
  readonly id: string
  readonly netnsPath: string
  /** The one that leads out, else the first; none on `none`. */
  readonly endpoint?: Endpoint
  readonly endpoints: readonly Endpoint[]
  /** With the host's real ports and addresses. */
  readonly ports: readonly PortRequest[]
}

const predefinedNames = ['bridge', 'host', 'none']
export const isPredefined = (name: string): boolean => predefinedNames.includes(name)

/** What the daemon's configuration says of the default bridge. */
export interface BridgeChoices {
  /** Where containers get addresses from; empty: anywhere in the bridge's block. */
  readonly range?: string
  readonly icc?: boolean
  readonly masquerade?: boolean
  /** Where ports are published that name no address; empty: everywhere. */
  readonly hostBinding?: string
}

function checkRange(range: string, subnet: string): void {
  if (range !== '' && !within(parseCidr(subnet), parseCidr(range)))
    throw new EngineError('invalid', `fixed-cidr ${range} is no part of the default bridge's block ${subnet}`)
}

/** The networks that always exist, with the ids they had before. */
export function predefined(
  known: readonly NetworkRecord[],
  bridge: Bridge,
  choices: BridgeChoices = {},
): NetworkRecord[] {
  const { icc = true, masquerade = true, hostBinding = '', range = '' } = choices
  checkRange(range, bridge.subnet)
  const make = (name: string, driver: NetworkRecord['driver']): NetworkRecord => {
    const old = known.find((n) => n.name === name)
    return {
      id: old?.id ?? newId(),
      name,
      driver,
      createdAt: old?.createdAt ?? new Date().toISOString(),
      internal: false,
      attachable: false,
      options: {},
      labels: {},
      subnets: [],
      mtu: bridge.mtu,
      interfacePrefix: 'eth',
      ipamOptions: {},
      configFrom: '',
    }
  }
  return [
    {
      ...make('bridge', 'bridge'),
      subnets: [
        {
          subnet: bridge.subnet,
          gateway: bridge.gateway,
          aux: {},
          configured: false,
          ...(range !== '' && { ipRange: range }),
        },
      ],
      bridge: {
        name: bridge.name,
        masquerade,
        icc,
        hostBinding,
        foreign: false,
        addressless: false,
      },
      options: {
        'com.docker.network.bridge.default_bridge': 'true',
        'com.docker.network.bridge.enable_icc': String(icc),
        'com.docker.network.bridge.enable_ip_masquerade': String(masquerade),
        'com.docker.network.bridge.host_binding_ipv4': hostBinding || '0.0.0.0',
        'com.docker.network.bridge.name': bridge.name,
        'com.docker.network.driver.mtu': String(bridge.mtu),
      },
    },
    make('host', 'host'),
    make('none', 'null'),
  ]
}

export function networkView(n: NetworkRecord): Network {
  const { id, name, driver, createdAt, options, labels, internal, attachable, ipamOptions, configFrom } = n
  const { configuration } = n
  const subnets = configuration?.subnets.map((s) => ({ ...s, configured: true })) ?? n.subnets
  return {
    id,
    name,
    driver,
    createdAt,
    options,
    labels,
    internal,
    attachable,
    ipamOptions,
    configOnly: configuration !== undefined,
    configFrom,
    subnets,
    ipv4: configuration?.ipv4 ?? subnets.some((s) => parseCidr(s.subnet).family === 4),
    ipv6: configuration?.ipv6 ?? subnets.some((s) => parseCidr(s.subnet).family === 6),
    userDefined: !isPredefined(name),
  }
}

export function sandboxView(record: SandboxRecord): Sandbox {
  const { v4, v6 } = gatewaysOf(record.endpoints)
  const endpoint = v4 ?? v6 ?? record.endpoints[0]
  return {
    id: record.id,
    netnsPath: record.netnsPath,
    endpoints: record.endpoints,
    ports: record.ports,
    ...(endpoint && { endpoint }),
  }
}

/** Docker: the default routes go by gateway priority, then to networks with both families, then by their names' order. */
export function gatewaysOf(endpoints: readonly EndpointRecord[]): {
  v4: EndpointRecord | undefined
  v6: EndpointRecord | undefined
} {
  const dual = (e: EndpointRecord) => Number(e.gateway !== '' && e.gateway6 !== '')
  const order = endpoints.toSorted(
    (a, b) => b.gwPriority - a.gwPriority || dual(b) - dual(a) || (a.networkName < b.networkName ? -1 : 1),
  )
  return { v4: order.find((e) => e.gateway !== ''), v6: order.find((e) => e.gateway6 !== '') }
}

/**
 * Docker: ports lead to the endpoint that the default route goes by. Clients of a family that the container has not reach its
 * other side.
 */
export function publishedPorts(record: SandboxRecord): PublishedPort[] {
  const { v4, v6 } = gatewaysOf(record.endpoints)
  // macvlan and ipvlan: the container is a host of its own out there.
  const ip = v4?.hostInterface ? v4.ip : ''
  const ip6 = v6?.hostInterface ? v6.ip6 : ''
  return record.ports.flatMap((port) => {
    const containerIp = isIPv6(port.hostIp) ? ip6 || ip : ip || ip6
    return containerIp ? [{ ...port, containerIp }] : []
  })
}

/** What the firewall must know of a network; undefined for those without a bridge. */
export function firewallNetwork(n: NetworkRecord): FirewallNetwork | undefined {
  if (!n.bridge) return undefined
  return {
    bridge: n.bridge.name,
    subnets: n.subnets.map((s) => s.subnet),
    masquerade: n.bridge.masquerade && !n.internal,
    icc: n.bridge.icc,
    internal: n.internal,
  }
}
