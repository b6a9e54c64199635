import type { Project, Service } from '../model/project-model.ts'
import { ComposeError, get, nowhere, shownLine, type Place } from '../node.ts'

interface Published {
  readonly service: string
  readonly at: Place
  readonly ip: string
  readonly port: string
  readonly protocol: string
}

/** One port of the host leads to one container. Two services may share one when the other has ended before this one starts. */
export function checkPorts(project: Project): void {
  const all = [...project.services].flatMap(([name, service]) => publishedOf(project, name, service))
  for (const [index, one] of all.entries()) {
    const other = all.slice(0, index).find((each) => overlap(each, one))
    if (!other || other.service === one.service || inTurn(project, other.service, one.service)) continue
    throw new ComposeError(
      one.at,
      `services.${one.service}.ports: port ${one.port}/${one.protocol} is published by service "${other.service}" already (${shownLine(other.at)})`,
    )
  }
}

function publishedOf(project: Project, name: string, service: Service): Published[] {
  if ((service.scale ?? service.deploy?.replicas ?? 1) < 1) return []
  const list = get(project.tree, 'services', name, 'ports')
  return service.ports.flatMap(({ host_ip: ip, published, protocol }, index) =>
    // Of a range, any that is free.
    /^\d+$/.test(published) && published !== '0'
      ? [
          {
            service: name,
            at: (list?.kind === 'sequence' ? list.items[index]?.at : undefined) ?? nowhere,
            ip,
            port: published,
            protocol: protocol === '' ? 'tcp' : protocol,
          },
        ]
      : [],
  )
}

function overlap(a: Published, b: Published): boolean {
  if (a.port !== b.port || a.protocol !== b.protocol) return false
  return a.ip === b.ip || [a.ip, b.ip].some((ip) => ip === '' || ip === '0.0.0.0')
}

function inTurn({ services }: Project, a: string, b: string): boolean {
  const awaits = (waiting: string, ended: string, seen: readonly string[] = []): boolean =>
    [...(services.get(waiting)?.depends_on ?? [])].some(
      ([name, { condition }]) =>
        !seen.includes(name) &&
        ((name === ended && condition === 'service_completed_successfully') ||
          awaits(name, ended, [...seen, name])),
    )
  return awaits(a, b) || awaits(b, a)
}
