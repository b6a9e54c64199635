/** Names that docker compose gives. */
import type { Project } from '../model/project-model.ts'
import type { Service } from '../model/service-model.ts'

/** `demo-web-1`, or what `container_name` says. `number`: of the container, or the words that tell a one-off one. */
export function containerName(
  { name, separator }: Pick<Project, 'name' | 'separator'>,
  o: { name: string; service: Service; number: number | readonly string[] },
): string {
  return o.service.container_name || [name, o.name, ...[o.number].flat()].join(separator)
}

/** How many containers a service has: `scale`, `deploy.replicas`, else one. */
export function scaleOf(service: Service): number {
  return service.scale ?? service.deploy?.replicas ?? 1
}

/** Of a text `service:NAME`: the service whose namespace is shared. */
export function sharedService(mode: string): string | undefined {
  return /^service:(.+)$/.exec(mode)?.[1]
}
