/** Containers as docker shows them. Pure: everything comes in as arguments. */
import { sortedByKey } from './sorted-by-key.ts'
import type { Container, ContainerRecord, Health, State } from '../../container/index.ts'
import { endOf, exposedPorts, isLive, isUp, shownLogPath } from '../../container/index.ts'
import { humanDuration } from '../../lib/units.ts'
import type { Endpoint, Sandbox } from '../../network/index.ts'
import type {
  ContainerInspect,
  ContainerState,
  ContainerSummary,
  EndReason,
  EndpointSettings,
  NetworkSettings,
  PortMap,
  PortSummary,
} from '../../wire/container.ts'
import { encodeConfig, encodeHostConfig } from './encode-config.ts'

/** Go's zero time. */
const never = '0001-01-01T00:00:00Z'

export function encodeState(
  state: State,
  o: Pick<ContainerRecord, 'health' | 'previousEnd'> = {},
): ContainerState {
  const { health, previousEnd } = o
  const live = isLive(state)
  const over = endOf(state)
  const { exitCode = 0, error = '' } = state.status === 'created' ? state : (over ?? {})
  return {
    Status: state.status,
    // Docker: a paused container counts as running, and one that restarts.
    Running: isUp(state),
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: over?.oomKilled ?? false,
    Dead: false,
    Pid: live ? state.pid : 0,
    ExitCode: exitCode,
    Error: error,
    StartedAt: live ? state.startedAt : (over?.startedAt ?? never),
    FinishedAt: over?.finishedAt ?? never,
    ...reasonOf(state),
    ...(previousEnd && {
      Previous: {
        ExitCode: previousEnd.exitCode,
        FinishedAt: previousEnd.finishedAt,
        ...(previousEnd.reason && { Reason: previousEnd.reason }),
      },
    }),
    ...(health && {
      Health: {
        Status: health.status,
        FailingStreak: health.failingStreak,
        Log: health.log.map((result) => ({
          Start: result.start,
          End: result.end,
          ExitCode: result.exitCode,
          Output: result.output,
        })),
      },
    }),
  }
}

const healthText = { starting: 'health: starting', healthy: 'healthy', unhealthy: 'unhealthy' } as const

/** Gantry's own: why it ended, or could not be started. */
function reasonOf(state: State): { Reason?: EndReason } {
  const { reason } = state.status === 'created' ? state : (endOf(state) ?? {})
  return reason ? { Reason: reason } : {}
}

/** The STATUS column of `ps`. */
export function statusText(state: State, o: { health?: Health | undefined; now?: number } = {}): string {
  const { health, now = Date.now() } = o
  const since = (time: string) => humanDuration(Math.max(0, now - Date.parse(time)))
  switch (state.status) {
    case 'created':
      return 'Created'
    case 'running':
      return `Up ${since(state.startedAt)}${health ? ` (${healthText[health.status]})` : ''}`
    case 'paused':
      return `Up ${since(state.startedAt)} (Paused)`
    case 'exited':
      return `Exited (${state.exitCode}) ${since(state.finishedAt)} ago`
    case 'restarting':
      return `Restarting (${state.exitCode}) ${since(state.finishedAt)} ago`
    case 'removing':
      return 'Removal In Progress'
  }
}

/** Published ports, and exposed ones as null; nothing while nothing runs. */
export function portMap(c: Container, sandbox: Sandbox | undefined): PortMap {
  const ports: PortMap = {}
  if (!isLive(c.state)) return ports
  for (const { port, proto } of exposedPorts(c.config)) ports[`${port}/${proto}`] = null
  for (const port of sandbox?.ports ?? []) {
    const key = `${port.containerPort}/${port.proto}`
    ports[key] = [
      ...(ports[key] ?? []),
      { HostIp: port.hostIp || '0.0.0.0', HostPort: String(port.hostPort) },
    ]
  }
  return ports
}

export function portSummaries(ports: PortMap): PortSummary[] {
  return Object.entries(ports).flatMap(([key, bindings]): PortSummary[] => {
    const [number, proto = 'tcp'] = key.split('/')
    const port = Number(number)
    if (!bindings) return [{ PrivatePort: port, Type: proto }]
    return bindings.map((binding) => ({
      IP: binding.HostIp ?? '',
      PrivatePort: port,
      PublicPort: Number(binding.HostPort),
      Type: proto,
    }))
  })
}

/** What was asked for and, while it runs, what it got. */
function endpointOf(
  settings: EndpointSettings | null,
  o: { endpoint: Endpoint | undefined; networkId: string },
): EndpointSettings {
  const { endpoint } = o
  return {
    IPAMConfig: settings?.IPAMConfig ?? null,
    Links: settings?.Links ?? null,
    Aliases: settings?.Aliases ?? null,
    DriverOpts: settings?.DriverOpts ?? null,
    GwPriority: settings?.GwPriority ?? 0,
    NetworkID: endpoint?.networkId ?? o.networkId,
    EndpointID: endpoint?.id ?? '',
    Gateway: endpoint?.gateway ?? '',
    IPAddress: endpoint?.ip ?? '',
    MacAddress: endpoint?.mac ?? '',
    IPPrefixLen: endpoint?.prefix ?? 0,
    IPv6Gateway: endpoint?.gateway6 ?? '',
    GlobalIPv6Address: endpoint?.ip6 ?? '',
    GlobalIPv6PrefixLen: endpoint?.prefix6 ?? 0,
    DNSNames: endpoint && endpoint.names.length > 0 ? [...endpoint.names] : null,
  }
}

export interface NetworkFacts {
  readonly sandbox: Sandbox | undefined
  /** Ids of the networks that there are, by name. */
  readonly networkIds: ReadonlyMap<string, string>
}

/** By name; none for a container that shares another's. */
export function endpointMap(c: Container, o: NetworkFacts): Record<string, EndpointSettings> {
  return Object.fromEntries(
    Object.entries(c.endpoints).map(([name, settings]) => [
      name,
      endpointOf(settings, {
        endpoint: o.sandbox?.endpoints.find((e) => e.networkName === name),
        networkId: o.networkIds.get(name) ?? '',
      }),
    ]),
  )
}

function encodeNetworkSettings(c: Container, o: NetworkFacts): NetworkSettings {
  const networks = endpointMap(c, o)
  // Docker: the fields of old repeat the default bridge's alone.
  const endpoint = networks['bridge']
  return {
    Bridge: '',
    SandboxID: o.sandbox?.id ?? '',
    SandboxKey: o.sandbox?.netnsPath ?? '',
    Ports: portMap(c, o.sandbox),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: endpoint?.EndpointID ?? '',
    Gateway: endpoint?.Gateway ?? '',
    GlobalIPv6Address: endpoint?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: endpoint?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: endpoint?.IPAddress ?? '',
    IPPrefixLen: endpoint?.IPPrefixLen ?? 0,
    IPv6Gateway: endpoint?.IPv6Gateway ?? '',
    MacAddress: endpoint?.MacAddress ?? '',
    Networks: networks,
  }
}

export function encodeInspect(
  c: Container,
  o: NetworkFacts & {
    execIds: string[]
    graph: Record<string, string>
    sizes: { rw: number; rootFs: number } | undefined
  },
): ContainerInspect {
  return {
    Id: c.id,
    Created: c.createdAt,
    Path: c.path,
    Args: c.args,
    State: encodeState(c.shownState, c.record),
    Image: c.imageId,
    ResolvConfPath: c.resolvConfPath,
    HostnamePath: c.hostnamePath,
    HostsPath: c.hostsPath,
    LogPath: shownLogPath(c),
    Name: `/${c.name}`,
    RestartCount: c.restartCount,
    Driver: 'overlayfs',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: '',
    ExecIDs: o.execIds.length > 0 ? o.execIds : null,
    HostConfig: encodeHostConfig(c.hostConfig),
    GraphDriver: { Name: 'overlayfs', Data: o.graph },
    ...(o.sizes ? { SizeRw: o.sizes.rw, SizeRootFs: o.sizes.rootFs } : {}),
    Mounts: c.mounts,
    Config: encodeConfig(c.config),
    NetworkSettings: encodeNetworkSettings(c, o),
  }
}

export function encodeSummary(
  c: Container,
  o: NetworkFacts & { imageName: string; sizes: { rw: number; rootFs: number } | undefined },
): ContainerSummary {
  return {
    Id: c.id,
    Names: [`/${c.name}`],
    Image: o.imageName,
    ImageID: c.imageId,
    Command: [
      c.path,
      ...c.args.map((word) => (/[\s'"]/.test(word) ? `'${word.replaceAll("'", `'\\''`)}'` : word)),
    ].join(' '),
    Created: Math.floor(Date.parse(c.createdAt) / 1000),
    Ports: portSummaries(portMap(c, o.sandbox)),
    ...(o.sizes ? { SizeRw: o.sizes.rw, SizeRootFs: o.sizes.rootFs } : {}),
    Labels: sortedByKey(c.config.Labels ?? {}),
    State: c.status,
    Status: statusText(c.state, { health: c.record.health }),
    ...reasonOf(c.state),
    HostConfig: { NetworkMode: c.networkMode },
    NetworkSettings: { Networks: endpointMap(c, o) },
    Mounts: c.mounts,
  }
}
