import { readFile, writeFile } from 'node:fs/promises'
import { EngineError, kindOf, messageOf } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import type { EndpointRequest, Network, Sandbox } from '../network/index.ts'
import type { ContainerConfig, EndpointSettings, HostConfig, NetworkingConfig } from '../wire/container.ts'
import { sharedWith, type Container } from './container.ts'
import { save, type Host } from './host.ts'
import { linkedNames, linkHosts, linkedBy } from './links.ts'
import { portRequests } from './ports.ts'
import { isOnStandby } from './standby.ts'
import { isLive } from './state.ts'

type Endpoints = Record<string, EndpointSettings | null>

const noHost = 'container cannot be disconnected from host network or connected to host network'
const noPrivate =
  'container cannot be connected to multiple networks with one of the networks in private (none) mode'
const noShared =
  'container sharing network namespace with another container or host cannot be connected to any other network'

/**
 * What a new container asks of networks, with names made canonical: the network of its mode first. Networks that do not exist are
 * left to the start, as docker does.
 */
export function planNetworks(
  host: Host,
  o: { config: ContainerConfig; hostConfig: HostConfig; networking: NetworkingConfig | null | undefined },
): { mode: string; networking: NetworkingConfig } {
  const mode = o.hostConfig.NetworkMode ?? 'bridge'
  const given = Object.entries(o.networking?.EndpointsConfig ?? {})
  const peer = sharedWith(mode)
  if (peer !== undefined) {
    checkShared(o)
    if (given.some(([name]) => name !== mode)) throw new EngineError('invalid', noShared)
    return { mode: `container:${peerOf(host, peer).id}`, networking: {} }
  }
  const main = nameOf(host, mode)
  const endpoints: Endpoints = { [main]: {} }
  for (const [ref, settings] of given) {
    const name = nameOf(host, ref)
    if (name !== main && (main === 'host' || name === 'host')) throw new EngineError('invalid', noHost)
    if (name !== main && (main === 'none' || name === 'none')) throw new EngineError('invalid', noPrivate)
    endpoints[name] = { ...settings }
  }
  const { MacAddress: wide } = o.config
  const own = endpoints[main] ?? {}
  if (wide && own.MacAddress && wide.toLowerCase() !== own.MacAddress.toLowerCase())
    throw new EngineError(
      'invalid',
      'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
    )
  if (wide) endpoints[main] = { ...own, MacAddress: wide }
  for (const [name, settings] of Object.entries(endpoints))
    // Docker's client says the links of the default bridge in both places.
    check(host, name, o.hostConfig.Links?.length ? { ...settings, Links: null } : (settings ?? {}))
  return { mode, networking: { EndpointsConfig: endpoints } }
}

function peerOf(host: Host, ref: string): Container {
  try {
    return host.find(ref)
  } catch (cause) {
    if (kindOf(cause) !== 'not-found') throw cause
    // A 404 says of a create that the image is missing, and clients would pull that.
    throw new EngineError('invalid', messageOf(cause), { cause })
  }
}

/** Docker's conflicts of a namespace that belongs to another container. */
function checkShared(o: { config: ContainerConfig; hostConfig: HostConfig }): void {
  const { config, hostConfig } = o
  const conflict = (text: string) => new EngineError('invalid', `conflicting options: ${text}`)
  if (config.Hostname) throw conflict('hostname and the network mode')
  if (hostConfig.Dns?.length) throw conflict('dns and the network mode')
  if (hostConfig.ExtraHosts?.length) throw conflict('custom host-to-IP mapping and the network mode')
  if (config.MacAddress) throw conflict('mac-address and the network mode')
  if (Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts)
    throw conflict('port publishing and the container type network mode')
  if (Object.keys(config.ExposedPorts ?? {}).length > 0)
    throw conflict('port exposing and the container type network mode')
}

function nameOf(host: Host, ref: string): string {
  return lookUp(host, ref)?.name ?? ref
}

function lookUp(host: Host, ref: string): Network | undefined {
  try {
    return host.networks.find(ref)
  } catch (error) {
    if (kindOf(error) !== 'not-found') throw error
    return undefined
  }
}

function check(host: Host, name: string, settings: EndpointSettings): void {
  const network = lookUp(host, name)
  if (network && !network.userDefined && settings.Aliases?.length)
    throw new EngineError(
      'invalid',
      `invalid config for network ${name}: invalid endpoint settings:\nnetwork-scoped alias is supported only for containers in user defined networks`,
    )
  if (network && !network.userDefined && settings.Links?.length)
    throw new EngineError(
      'invalid',
      `links of an endpoint are for networks of one's own: on network ${name} they are set when the container is created`,
    )
  const request = endpointRequest(settings, { network: name, names: [] })
  if (network) host.networks.check(request)
}

/** Decodes what a client says of one endpoint; throws for what nothing obeys. */
function endpointRequest(
  settings: EndpointSettings,
  o: { network: string; names: readonly string[] },
): EndpointRequest {
  const { IPAMConfig: addresses } = settings
  return {
    ...o,
    ...(addresses?.IPv4Address && { ip: addresses.IPv4Address }),
    ...(addresses?.IPv6Address && { ip6: addresses.IPv6Address }),
    ...(addresses?.LinkLocalIPs?.length && { linkLocal: addresses.LinkLocalIPs }),
    ...(settings.MacAddress && { mac: settings.MacAddress }),
    ...(settings.Links?.length && { links: linkedNames(settings.Links) }),
    ...(settings.GwPriority && { gwPriority: settings.GwPriority }),
    ...driverOptions(settings.DriverOpts ?? {}),
  }
}

function driverOptions(options: Readonly<Record<string, string>>): Partial<EndpointRequest> {
  let result: Partial<EndpointRequest> = {}
  for (const [key, value] of Object.entries(options)) {
    if (key === 'com.docker.network.endpoint.ifname') {
      if (!/^[^\s/:%]{1,15}$/.test(value) || value === '.' || value === '..' || value === 'lo')
        throw new EngineError('invalid', `invalid interface name ${JSON.stringify(value)}`)
      result = { ...result, interface: value }
    } else if (key === 'com.docker.network.endpoint.sysctls')
      result = { ...result, sysctls: Object.fromEntries(value.split(',').map(readSysctl)) }
    else throw new EngineError('unsupported', `endpoint option ${key} is not supported`)
  }
  return result
}

function readSysctl(text: string): [string, string] {
  const match = /^(net\.(?:ipv4|ipv6|mpls)\.(?:conf|neigh))\.ifname\.(\w+)=(.*)$/i.exec(text.trim())
  if (!match)
    throw new EngineError(
      'invalid',
      `invalid endpoint sysctl setting ${JSON.stringify(text)}: want net.ipv4.conf.IFNAME.NAME=VALUE`,
    )
  // Docker's client makes it lower case in some places.
  return [`${match[1] ?? ''}.IFNAME.${match[2] ?? ''}`, match[3] ?? '']
}

/** Docker: name, aliases, short id, hostname. On the networks of the user's alone. */
export function namesOn(c: Container, settings: EndpointSettings | null | undefined, name: string): string[] {
  const names = [name, ...(settings?.Aliases ?? []), shortId(c.id), c.config.Hostname ?? '']
  return [...new Set(names)].filter((candidate) => candidate !== '')
}

/** Of one that others are not to find by what it shares with another container. */
export function ownNames(c: Container): string[] {
  return [c.name, shortId(c.id)]
}

/** Where the processes of a container find their network. */
export interface NetworkPlace {
  /** Of ours; absent in the host's namespace, and in another container's. */
  readonly sandbox?: Sandbox
  readonly namespace: { readonly path: string } | 'host'
  /** Whose hostname, hosts and resolv.conf it has. */
  readonly files: Container
}

/** At start: joins all networks that the container is on, and writes the files that speak of them. */
export async function joinNetworks(op: Op, host: Host, c: Container): Promise<NetworkPlace> {
  const mode = c.networkMode
  const peer = sharedWith(mode)
  if (peer !== undefined) return shared(host, c, peer)
  if (mode === 'host') {
    await writeFiles(host, c, undefined)
    return { namespace: 'host', files: c }
  }
  const entries = Object.entries(c.endpoints).map(
    ([ref, settings]) => [host.networks.find(ref).name, settings] as const,
  )
  // Networks that were made after the container, or that it comes back to, are known by their names from here on.
  const known = Object.keys(c.record.networking.EndpointsConfig ?? {})
  if (known.length !== entries.length || entries.some(([name]) => !known.includes(name)))
    saveEndpoints(host, c, Object.fromEntries(entries))
  const standby = isOnStandby(host, c)
  const networks =
    mode === 'none' ? [] : entries.map(([name, settings]) => requestOf(host, c, { name, settings, standby }))
  const sandbox = await host.networks.join(op, {
    id: c.id,
    networks,
    ports: mode === 'none' || standby ? [] : portRequests(c.config, c.hostConfig),
    owner: c.name,
    dns: await dnsOf(host, c, networks),
  })
  await writeFiles(host, c, sandbox)
  await tellLinked(host, c)
  return { sandbox, namespace: { path: sandbox.netnsPath }, files: c }
}

/** Docker: who links to a container that comes back with another address learns of it. */
async function tellLinked(host: Host, child: Container): Promise<void> {
  for (const c of linkedBy(host, child)) {
    try {
      await writeFiles(host, c, host.networks.sandbox(c.id))
    } catch (error) {
      if (kindOf(error) !== 'conflict') throw error // another container of its links is not there
    }
  }
}

function requestOf(
  host: Host,
  c: Container,
  o: { name: string; settings: EndpointSettings | null; standby: boolean },
): EndpointRequest {
  const network = host.networks.find(o.name)
  const names = !network.userDefined ? [] : o.standby ? ownNames(c) : namesOn(c, o.settings, c.name)
  return endpointRequest(o.settings ?? {}, { network: network.id, names })
}

function shared(host: Host, c: Container, id: string): NetworkPlace {
  const peer = host.find(id)
  if (!isLive(peer.state))
    throw new EngineError('conflict', `cannot join network of a non running container: ${peer.id}`)
  if (peer.id === c.id) throw new EngineError('invalid', 'cannot join own network')
  const next = sharedWith(peer.networkMode)
  if (next !== undefined) return { ...shared(host, c, next), files: peer }
  const sandbox = host.networks.sandbox(peer.id)
  return { namespace: sandbox ? { path: sandbox.netnsPath } : 'host', files: peer }
}

function resolverOptions(host: Host, c: Container) {
  const { hostConfig } = c
  return {
    dns: hostConfig.Dns?.length ? hostConfig.Dns : host.defaults.dns,
    dnsSearch: hostConfig.DnsSearch?.length ? hostConfig.DnsSearch : host.defaults.dnsSearch,
    dnsOptions: hostConfig.DnsOptions?.length ? hostConfig.DnsOptions : host.defaults.dnsOptions,
  }
}

async function dnsOf(host: Host, c: Container, networks: readonly EndpointRequest[]) {
  const ipv6 = networks.some((request) => host.networks.find(request.network).ipv6)
  const { upstreams, ndotsSet } = await host.networks.resolverConf({ ...resolverOptions(host, c), ipv6 })
  const leadsOut = networks.some((request) => !host.networks.find(request.network).internal)
  const extra = leadsOut ? { 'host.docker.internal': [host.networks.hostGateway] } : {}
  return { upstreams: [...upstreams], ndotsSet, extra }
}

/** hostname, hosts and resolv.conf, in place: they are mounted in the container when it runs. */
async function writeFiles(host: Host, c: Container, sandbox: Sandbox | undefined): Promise<void> {
  const name = c.config.Hostname ?? ''
  const options = resolverOptions(host, c)
  const endpoints = sandbox?.endpoints ?? []
  const named = endpoints.some((e) => host.networks.find(e.networkId).userDefined)
  const mode = sandbox === undefined ? 'host' : c.networkMode === 'none' ? 'none' : 'bridge'
  const resolv = named
    ? (await host.networks.resolverConf({ ...options, ipv6: endpoints.some((e) => e.ip6 !== '') })).text
    : await host.networks.resolvConf({ mode, ...options })
  const hosts =
    mode === 'host'
      ? await readFile('/etc/hosts', 'utf8').catch(() => '127.0.0.1\tlocalhost\n')
      : host.networks.hostsFile({
          hostname: name,
          ...(c.config.Domainname ? { domainname: c.config.Domainname } : {}),
          ip: endpoints.flatMap((e) => [e.ip, e.ip6]).filter((address) => address !== ''),
          extraHosts: [...(c.hostConfig.ExtraHosts ?? []), ...linkHosts(host, c)],
        })
  await Promise.all([
    writeFile(c.hostnamePath, `${name}\n`, { mode: 0o644 }),
    writeFile(c.hostsPath, hosts, { mode: 0o644 }),
    writeFile(c.resolvConfPath, resolv, { mode: 0o644 }),
  ])
}

/** Connects a container to one network more; a running one at once. */
export async function connectNetwork(
  op: Op,
  host: Host,
  c: Container,
  o: { network: string; settings: EndpointSettings },
): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  const network = host.networks.find(o.network)
  checkChangeable(c, network)
  if (network.name === 'none' || c.networkMode === 'none') throw new EngineError('invalid', noPrivate)
  check(host, network.name, o.settings)
  if (isLive(c.state)) {
    const sandbox = await host.networks.connect(
      op,
      c.id,
      requestOf(host, c, { name: network.name, settings: o.settings, standby: false }),
    )
    await writeFiles(host, c, sandbox)
  }
  saveEndpoints(host, c, { ...c.endpoints, [network.name]: o.settings })
}

/** Takes a container off a network; a running one at once. */
export async function disconnectNetwork(
  op: Op,
  host: Host,
  c: Container,
  o: { network: string; force: boolean },
): Promise<void> {
  using _lock = await c.lock.acquire(op.signal)
  const network = lookUp(host, o.network)
  const name = network?.name ?? o.network
  // A network that is gone may still stand in the settings of a stopped container.
  if (!network && !(o.force && o.network in c.endpoints)) host.networks.find(o.network)
  checkChangeable(c, network)
  const { [name]: found, ...rest } = c.endpoints
  if (found === undefined)
    throw new EngineError('forbidden', `container ${c.id} is not connected to network ${name}`)
  if (network && isLive(c.state) && network.name !== 'none')
    await writeFiles(host, c, await host.networks.disconnect(op, c.id, network.id))
  saveEndpoints(host, c, rest)
}

function checkChangeable(c: Container, network: Network | undefined): void {
  if (c.state.status === 'removing')
    throw new EngineError(
      'conflict',
      `container ${c.id} is marked for removal and cannot be connected or disconnected to the network`,
    )
  if (c.networkMode === 'host' || network?.name === 'host') throw new EngineError('invalid', noHost)
  if (sharedWith(c.networkMode) !== undefined) throw new EngineError('invalid', noShared)
}

function saveEndpoints(host: Host, c: Container, endpoints: Endpoints): void {
  save(host, c, { networking: { ...c.record.networking, EndpointsConfig: endpoints } })
}

/** A container that runs is found by its new name at once. */
export function renameOnNetworks(host: Host, c: Container): void {
  const endpoints = c.endpoints
  host.networks.rename(c.id, c.name, (network) => namesOn(c, endpoints[network], c.name))
}
