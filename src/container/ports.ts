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
    for (const key of Object.keys(config.ExposedPorts ?? {})) {
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
