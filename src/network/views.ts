import { newId } from '../lib/id.ts'
import type { Bridge } from './bridge.ts'
import type { PublishedPort } from './firewall.ts'
import type { PortRequest } from './ports.ts'
import type { NetworkRecord, SandboxRecord } from './record.ts'

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

/** The networks that always exist, with the ids they had before. */
export function predefined(known: readonly NetworkRecord[], bridge: Bridge): NetworkRecord[] {
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

export function networkView(n: NetworkRecord): Network {
  const { id, name, driver, createdAt, options, labels, internal } = n
  return { id, name, driver, createdAt, options, labels, internal, ...n.bridge?.subnets[0] }
}

export function sandboxView(record: SandboxRecord): Sandbox {
  const endpoint = record.endpoints[0]
  return { id: record.id, netnsPath: record.netnsPath, ports: record.ports, ...(endpoint && { endpoint }) }
}

export function publishedPorts(record: SandboxRecord): PublishedPort[] {
  const containerIp = record.endpoints[0]?.ip
  return containerIp === undefined ? [] : record.ports.map((port) => ({ ...port, containerIp }))
}
