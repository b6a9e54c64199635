import type { Engine } from '../../engine/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Network } from '../../network/index.ts'
import type { NetworkInfo } from '../../wire/system.ts'
import { decode, readJson } from './body.ts'
import { Filters, matchesName, parseTime } from './filters.ts'
import { sendEmpty, sendJson } from './respond.ts'
import type { Call, Route } from './route.ts'
import { sortedByKey } from './sorted-by-key.ts'
import { networkBody, networkConnectBody, networkDisconnectBody } from './schema.ts'
import { refuseEndpoint } from './unsupported.ts'

type Deps = Pick<Engine, 'networks' | 'containers'>

export function networkRoutes(engine: Deps): Route[] {
  const { networks, containers } = engine
  const ref = (call: Call) => call.params['id'] ?? ''
  return [
    { method: 'GET', path: '/networks', handler: (call) => list(engine, call) },
    {
      method: 'GET',
      path: '/networks/:id',
      handler: (call) => {
        checkScope(call.query.text('scope'))
        const network = networks.find(ref(call))
        sendJson(call.response, { ...encodeNetwork(network), Containers: membersOf(engine, network) })
      },
    },
    { method: 'POST', path: '/networks/create', handler: (call) => create(engine, call) },
    {
      method: 'DELETE',
      path: '/networks/:id',
      handler: async (call) => {
        await networks.remove(call.committed, ref(call))
        sendEmpty(call.response)
      },
    },
    {
      method: 'POST',
      path: '/networks/prune',
      handler: async (call) => {
        const filters = Filters.of(call.query, ['until', 'label', 'label!'])
        const [until] = filters.get('until')
        const before = until === undefined ? Number.POSITIVE_INFINITY : parseTime(until) * 1000
        const removed = await networks.prune(
          call.committed,
          (network) =>
            filters.labels(network.labels) &&
            filters.withoutLabels(network.labels) &&
            Date.parse(network.createdAt) < before,
        )
        sendJson(call.response, { NetworksDeleted: removed })
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/connect',
      handler: async (call) => {
        const body = decode(networkConnectBody, (await readJson(call.request)) ?? {})
        refuseEndpoint(body.EndpointConfig)
        await containers.connect(call.committed, body.Container, {
          network: ref(call),
          settings: body.EndpointConfig ?? {},
        })
        sendEmpty(call.response, 200)
      },
    },
    {
      method: 'POST',
      path: '/networks/:id/disconnect',
      handler: async (call) => {
        const body = decode(networkDisconnectBody, (await readJson(call.request)) ?? {})
        await containers.disconnect(call.committed, body.Container, {
          network: ref(call),
          force: body.Force ?? false,
        })
        sendEmpty(call.response, 200)
      },
    },
  ]
}

async function create(engine: Deps, call: Call): Promise<void> {
  const body = decode(networkBody, (await readJson(call.request)) ?? {})
  const refuse = (what: string) => new EngineError('unsupported', `${what} is not supported`)
  if (body.Ingress) throw refuse('an ingress network: Gantry has no swarm mode, --ingress')
  if (body.Scope === 'swarm' || body.Scope === 'global')
    throw refuse(`network scope ${body.Scope}: Gantry has no swarm mode, which`)
  const { IPAM: ipam } = body
  if (ipam?.Driver && ipam.Driver !== 'default')
    throw new EngineError('not-found', `plugin ${JSON.stringify(ipam.Driver)} not found`)
  const { id } = await engine.networks.create(call.committed, {
    name: body.Name,
    driver: body.Driver || 'bridge',
    internal: body.Internal ?? false,
    attachable: body.Attachable ?? false,
    ipv4: body.EnableIPv4 ?? true,
    ipv6: body.EnableIPv6 ?? false,
    subnets: (ipam?.Config ?? []).map((c) => ({
      subnet: c.Subnet ?? '',
      ipRange: c.IPRange ?? '',
      gateway: c.Gateway ?? '',
      aux: c.AuxiliaryAddresses ?? {},
    })),
    options: body.Options ?? {},
    labels: body.Labels ?? {},
    ipamOptions: ipam?.Options ?? {},
    scope: body.Scope ?? '',
    configOnly: body.ConfigOnly ?? false,
    configFrom: body.ConfigFrom?.Network ?? '',
  })
  sendJson(call.response, { Id: id, Warning: '' }, 201)
}

/** Docker: only `swarm` means anything else than what there is. */
function checkScope(scope: string): void {
  if (scope === 'swarm' || scope === 'global')
    throw new EngineError('unsupported', `network scope ${scope}: Gantry has no swarm mode`)
}

const listFilters = ['dangling', 'driver', 'id', 'label', 'label!', 'name', 'scope', 'type']

function list(engine: Deps, call: Call): void {
  const filters = Filters.of(call.query, listFilters)
  const dangling = filters.flag('dangling')
  const used = (network: Network) =>
    !network.userDefined || Object.keys(membersOf(engine, network)).length > 0
  const selected = engine.networks
    .list()
    .filter(
      (network) =>
        filters.any('name', (value) => matchesName(network.name, value)) &&
        filters.any('id', (value) => network.id.startsWith(value)) &&
        filters.any('driver', (value) => network.driver === value) &&
        filters.any('scope', (value) => value === 'local') &&
        filters.any('type', (value) => (checkType(value) === 'builtin') !== network.userDefined) &&
        (dangling === undefined || used(network) !== dangling) &&
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
      Options: network.userDefined ? sortedByKey(network.ipamOptions) : null,
      // Docker: null for `host` and `none`, which have no addresses of their own.
      Config:
        network.subnets.length === 0
          ? null
          : network.subnets.map((s) => ({
              Subnet: s.subnet,
              ...(s.ipRange && { IPRange: s.ipRange }),
              ...(s.gateway !== '' && { Gateway: s.gateway }),
              ...(Object.keys(s.aux).length > 0 && { AuxiliaryAddresses: { ...s.aux } }),
            })),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom },
    ConfigOnly: network.configOnly,
    Containers: {},
    Options: sortedByKey(network.options),
    Labels: sortedByKey(network.labels),
  }
}

function membersOf(engine: Deps, network: Network): NetworkInfo['Containers'] {
  const members: NetworkInfo['Containers'] = {}
  const live = engine.containers.live()
  for (const { sandbox, endpoint } of engine.networks.members(network.id)) {
    // Steps of builds have sandboxes, too.
    const c = live.find((candidate) => candidate.id === sandbox)
    if (!c) continue
    members[c.id] = {
      Name: c.name,
      EndpointID: endpoint.id,
      MacAddress: endpoint.mac,
      IPv4Address: endpoint.ip && `${endpoint.ip}/${endpoint.prefix}`,
      IPv6Address: endpoint.ip6 && `${endpoint.ip6}/${endpoint.prefix6}`,
    }
  }
  if (network.driver === 'host' || network.driver === 'null')
    for (const c of live)
      if (c.networkMode === network.name)
        members[c.id] = { Name: c.name, EndpointID: c.id, MacAddress: '', IPv4Address: '', IPv6Address: '' }
  return members
}
