import { EngineError } from '../lib/errors.ts'
import type { PortRequest } from '../network/index.ts'
import type { ContainerConfig, HostConfig } from '../wire/container.ts'

/** Decodes `80/tcp`, `53/udp`, `80`; throws kind `invalid`. */
export function parsePort(text: string): { port: number; proto: 'tcp' | 'udp' } {
  const match = /^(\d+)(?:\/(\w+))?$/.exec(text)
  const port = Number(match?.[1])
  const proto = (match?.[2] ?? 'tcp').toLowerCase()
  if (!match || port < 1 || port > 65_535) throw new EngineError('invalid', `invalid containerPort: ${text}`)
  if (proto === 'sctp') throw new EngineError('unsupported', `port ${text}: SCTP is not supported yet`)
  if (proto !== 'tcp' && proto !== 'udp') throw new EngineError('invalid', `invalid proto: ${proto}`)
  return { port, proto }
}

/** A port that a container says it serves. */
export interface ExposedPort {
  readonly port: number
  readonly proto: 'tcp' | 'udp' | 'sctp'
}

/**
 * The ports that a configuration exposes, ranges (`9000-9002`, which docker compose hands on as written) port by port. Docker: what
 * is no port is taken as well, from images above all; here it counts for nothing, and never stands in the way of a list.
 */
export function exposedPorts(config: Pick<ContainerConfig, 'ExposedPorts'>): ExposedPort[] {
  const found = new Map<string, ExposedPort>()
  // An image may name any number of ranges that lie over each other.
  let room = 3 * 65_536
  for (const text of Object.keys(config.ExposedPorts ?? {})) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp)?)?$/i.exec(text)
    if (!match) continue
    const first = Number(match[1])
    const last = Math.min(Number(match[2] ?? first), 65_535)
    const proto = (match[3] ?? 'tcp').toLowerCase() as ExposedPort['proto']
    for (let port = Math.max(first, 1); port <= last && room-- > 0; port++)
      found.set(`${port}/${proto}`, { port, proto })
  }
  return [...found.values()]
}

/** What `-p` and `-P` ask for: one request a binding. */
export function portRequests(config: ContainerConfig, hostConfig: HostConfig): PortRequest[] {
  const requests: PortRequest[] = []
  const bindings = hostConfig.PortBindings ?? {}
  for (const [key, list] of Object.entries(bindings)) {
    const { port, proto } = parsePort(key)
    for (const binding of list?.length ? list : [{}]) {
      requests.push({
        containerPort: port,
        proto,
        hostIp: binding.HostIp ?? '',
        ...hostPorts(binding.HostPort ?? ''),
      })
    }
  }
  if (hostConfig.PublishAllPorts)
    for (const exposed of exposedPorts(config)) {
      const key = `${exposed.port}/${exposed.proto}`
      if (bindings[key]?.length) continue
      const { port, proto } = parsePort(key)
      requests.push({ containerPort: port, proto, hostIp: '', hostPort: 0 })
    }
  return requests
}

/** `8080`, `8000-8010` (the first that is free), or nothing: any. */
function hostPorts(text: string): Pick<PortRequest, 'hostPort' | 'hostPortEnd'> {
  if (text === '') return { hostPort: 0 }
  const match = /^(\d+)(?:-(\d+))?$/.exec(text)
  const hostPort = Number(match?.[1])
  const hostPortEnd = Number(match?.[2] ?? match?.[1])
  if (!match || hostPort > 65_535 || hostPortEnd > 65_535 || hostPortEnd < hostPort)
    throw new EngineError('invalid', `invalid port specification: "${text}"`)
  return { hostPort, ...(hostPortEnd > hostPort && { hostPortEnd }) }
}
