import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Network } from '../../network/index.ts'
import type { NetworkInfo } from '../../wire/system.ts'
import { Filters, matchesName } from './filters.ts'
import { sendJson } from './respond.ts'
import type { Call, Route } from './route.ts'

type Deps = Pick<Engine, 'networks' | 'containers'>

export function networkRoutes(engine: Deps): Route[] {
  const own = "networks of one's own are not supported yet: containers use bridge, host or none"
  return [
    { method: 'GET', path: '/networks', handler: (call) => list(engine, call) },
    {
      method: 'GET',
      path: '/networks/:id',
      handler: (call) => {
        const network = engine.networks.find(call.params['id'] ?? '')
        sendJson(call.response, { ...encodeNetwork(network), Containers: membersOf(engine, network) })
      },
    },
    {
      method: 'DELETE',
      path: '/networks/:id',
      handler: (call) => {
        const { name } = engine.networks.find(call.params['id'] ?? '')
        throw new EngineError('forbidden', `${name} is a pre-defined network and cannot be removed`)
      },
    },
    {
      method: 'POST',
      path: '/networks/prune',
      handler: (call) => {
        Filters.of(call.query, ['until', 'label', 'label!'])
        // Only networks of the user's own are ever pruned.
        sendJson(call.response, { NetworksDeleted: [] })
      },
    },
    { method: 'POST', path: '/networks/create', refusal: own },
    { method: 'POST', path: '/networks/:id/connect', refusal: own },
    { method: 'POST', path: '/networks/:id/disconnect', refusal: own },
  ]
}

const listFilters = ['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']

function list(engine: Deps, call: Call): void {
  const filters = Filters.of(call.query, listFilters)
  const selected = engine.networks.list().filter(
    (network) =>
      filters.any('name', (value) => matchesName(network.name, value)) &&
      filters.any('id', (value) => network.id.startsWith(value)) &&
      filters.any('driver', (value) => network.driver === value) &&
      filters.any('scope', (value) => value === 'local') &&
      // All there are come with the engine.
      filters.any('type', (value) => checkType(value) === 'builtin') &&
      filters.flag('dangling') !== true &&
      filters.labels(network.labels) &&
      filters.withoutLabels(network.labels),
  )
  sendJson(call.response, selected.map(encodeNetwork))
}

function checkType(text: string): string {
  if (text !== 'builtin' && text !== 'custom')
    throw new EngineError('invalid', `invalid filter: 'type'='${text}'`)
  return text
}

function encodeNetwork(network: Network): NetworkInfo {
  return {
    Name: network.name,
    Id: network.id,
    Created: network.createdAt,
    Scope: 'local',
    Driver: network.driver,
    EnableIPv4: network.ipv4,
    EnableIPv6: network.ipv6,
    IPAM: {
      Driver: 'default',
      Options: network.userDefined ? {} : null,
      Config: network.subnets.map((s) => ({
        Subnet: s.subnet,
        ...(s.ipRange !== undefined && { IPRange: s.ipRange }),
        ...(s.gateway !== '' && { Gateway: s.gateway }),
        ...(Object.keys(s.aux).length > 0 && { AuxiliaryAddresses: { ...s.aux } }),
      })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: { ...network.options },
    Labels: { ...network.labels },
  }
}

function membersOf(engine: Deps, network: Network): NetworkInfo['Containers'] {
  const members: NetworkInfo['Containers'] = {}
  for (const c of engine.containers.live()) {
    const endpoint = engine.containers.sandbox(c)?.endpoint
    if (c.networkMode !== network.name) continue
    members[c.id] = {
      Name: c.name,
      EndpointID: c.id,
      MacAddress: endpoint?.mac ?? '',
      IPv4Address: endpoint ? `${endpoint.ip}/${endpoint.prefix}` : '',
      IPv6Address: '',
    }
  }
  return members
}
