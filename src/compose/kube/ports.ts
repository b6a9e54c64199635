/** The ports of a service: those it listens on, and those that are published. */
import type { IContainerPort, IServicePort } from 'kubernetes-models/v1'
import type { Service } from '../model/project-model.ts'
import { kubeName } from './kube-name.ts'
import type { Translation } from './translation.ts'

type Protocol = 'TCP' | 'UDP' | 'SCTP'

interface Port {
  readonly port: number
  readonly protocol: Protocol
}

/** More than that is no list of ports that anybody means. */
const maxRange = 200

/** What `ports`, `expose` and the image name, each once. */
export function listeningPorts(t: Translation, name: string, service: Service): Port[] {
  const exposed = Object.keys(t.options.images.get(name)?.ExposedPorts ?? {})
  const all = [
    ...service.ports.map(({ target, protocol }) => ({ port: target, protocol: protocolOf(protocol) })),
    ...[...service.expose, ...exposed].flatMap(portsOf),
  ]
  return [...new Map(all.map((each) => [nameOf(each), each])).values()]
}

/** `80`, `80/udp`, `3000-3005`. */
function portsOf(text: string): Port[] {
  const [, first = '', last = first, protocol = ''] = /^(\d+)(?:-(\d+))?(?:\/(\w+))?$/.exec(text) ?? []
  const count = Number(last) - Number(first) + 1
  if (first === '' || count < 1 || count > maxRange) return []
  return Array.from({ length: count }, (_, index) => ({
    port: Number(first) + index,
    protocol: protocolOf(protocol),
  }))
}

function protocolOf(text: string): Protocol {
  const upper = text.toUpperCase()
  return upper === 'UDP' || upper === 'SCTP' ? upper : 'TCP'
}

function nameOf({ port, protocol }: Port): string {
  return `${protocol.toLowerCase()}-${port}`
}

export function containerPorts(ports: readonly Port[]): IContainerPort[] {
  return ports.map((each) => ({ name: nameOf(each), containerPort: each.port, protocol: each.protocol }))
}

/**
 * The name by which others reach the service. Where no port is known it is headless: the name leads to the pods themselves, on
 * whatever they listen, as it does in Compose.
 */
export function addServices(t: Translation, name: string, service: Service): void {
  const ports = listeningPorts(t, name, service)
  const headless = ports.length === 0 || service.deploy?.endpoint_mode === 'dnsrr'
  const names = new Set([t.nameOf(name), ...aliasesOf(t, name, service).map(kubeName)])
  for (const each of names)
    t.add({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: t.metadata(each, name),
      spec: {
        ...(headless && { clusterIP: 'None' }),
        selector: t.selector(name),
        ...(ports.length > 0 && { ports: ports.map(servicePort) }),
      },
    })
  const published = publishedPorts(t, name, service)
  if (published.length > 0)
    t.add({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: t.metadata(`${t.nameOf(name)}-published`, name),
      spec: { type: 'LoadBalancer', selector: t.selector(name), ports: published },
    })
}

function servicePort(each: Port): IServicePort {
  return { name: nameOf(each), port: each.port, targetPort: each.port, protocol: each.protocol }
}

/** Names in networks, the container's own, and what others link it as; those of services are taken. */
function aliasesOf(t: Translation, name: string, { networks, container_name: own }: Service): string[] {
  const linked = Array.from(t.project.services.values()).flatMap(({ links }) =>
    links.flatMap((link) => {
      const [service, alias] = link.split(':')
      return service === name && alias !== undefined ? [alias] : []
    }),
  )
  const all = [...[...networks.values()].flatMap((network) => network?.aliases ?? []), ...linked, own]
  const services = new Set([...t.project.services.keys()].map((each) => t.nameOf(each)))
  return all.filter((alias) => alias !== '' && !services.has(kubeName(alias)))
}

function publishedPorts(t: Translation, name: string, service: Service): IServicePort[] {
  const all = service.ports.flatMap((port, index): IServicePort[] => {
    const path = ['services', name, 'ports', String(index)]
    const { host_ip: ip, published, target } = port
    if (/^(?:127\.|::1$|localhost$)/.test(ip)) {
      t.hint(
        path,
        `published for this machine only: not published; use kubectl port-forward service/${t.nameOf(name)} ${published || target}:${target}`,
      )
      return []
    }
    if (ip !== '' && ip !== '0.0.0.0' && ip !== '::')
      t.lost(path, `the address ${ip} cannot be chosen: it is published on that of the load balancer`)
    const [first = '', last] = published.split('-')
    if (last !== undefined && last !== first)
      t.lost(path, `of the range ${published}, only ${first} is published`)
    const protocol = protocolOf(port.protocol)
    return [
      {
        name: nameOf({ port: Number(first || target), protocol }),
        port: Number(first || target),
        targetPort: target,
        protocol,
      },
    ]
  })
  return [...new Map(all.map((each) => [each.name, each])).values()]
}
