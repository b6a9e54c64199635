/** Names that docker compose gives. */
import type { Service } from '../model/service-model.ts'

/** `demo-web-1`, or what `container_name` says. */
export function containerName(
  project: string,
  o: { name: string; service: Service; number: number },
): string {
  return o.service.container_name || `${project}-${o.name}-${o.number}`
}

/** How many containers a service has: `scale`, `deploy.replicas`, else one. */
export function scaleOf(service: Service): number {
  return service.scale ?? service.deploy?.replicas ?? 1
}

/** Of a text `service:NAME`: the service whose namespace is shared. */
export function sharedService(mode: string): string | undefined {
  return /^service:(.+)$/.exec(mode)?.[1]
}
