import type { Project, Service } from '../model/project-model.ts'

export type WorkloadKind = 'Deployment' | 'StatefulSet' | 'DaemonSet' | 'Job'

/** What ends by itself: somebody waits for its end, or it is not to be started again. */
export function isJob(project: Project, name: string, service: Service): boolean {
  const awaited = [...project.services.values()].some(
    ({ depends_on: needs }) => needs.get(name)?.condition === 'service_completed_successfully',
  )
  const condition = service.deploy?.restart_policy?.condition
  return (
    awaited ||
    ['replicated-job', 'global-job'].includes(service.deploy?.mode ?? '') ||
    condition === 'none' ||
    condition === 'on-failure' ||
    // `restart: "no"` is what Compose takes for granted: written down, it is meant.
    /^(?:no|on-failure(?::\d+)?)$/.test(service.restart)
  )
}
