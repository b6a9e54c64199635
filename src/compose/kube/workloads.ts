/** The object that keeps a service's pods. */
import type { IDeploymentSpec } from 'kubernetes-models/apps/v1'
import type { Service } from '../model/project-model.ts'
import { isShared, replicasOf } from './claims.ts'
import { podOf } from './pod.ts'
import type { Metadata, Translation } from './translation.ts'
import { isJob, type WorkloadKind } from './workload-kind.ts'

export function addWorkload(t: Translation, name: string, service: Service): void {
  const kind = kindOf(t, name, service)
  if (kind === 'Job') return addJob(t, name, service)
  const selector = { matchLabels: t.selector(name) }
  const template = templateOf(t, name, service, 'Always')
  const replicas = replicasOf(service)
  const metadata = metadataOf(t, name, service)
  const apiVersion = 'apps/v1'
  switch (kind) {
    case 'DaemonSet':
      return t.add({ apiVersion, kind, metadata, spec: { selector, template } })
    case 'StatefulSet':
      return t.add({
        apiVersion,
        kind,
        metadata,
        spec: { serviceName: t.nameOf(name), replicas, selector, template },
      })
    case 'Deployment':
      return t.add({
        apiVersion,
        kind,
        metadata,
        spec: { replicas, ...strategyOf(service), selector, template },
      })
  }
}

/** One that writes a volume of its own is stopped before the next one starts. */
function kindOf(t: Translation, name: string, service: Service): WorkloadKind {
  if (isJob(t.project, name, service)) return 'Job'
  if (service.deploy?.mode === 'global') return 'DaemonSet'
  const owns = service.volumes.some(
    ({ type, source, read_only: readOnly }) =>
      type === 'volume' && source !== '' && !readOnly && !isShared(t, source),
  )
  return owns ? 'StatefulSet' : 'Deployment'
}

function templateOf(
  t: Translation,
  name: string,
  service: Service,
  restartPolicy: 'Always' | 'OnFailure' | 'Never',
) {
  const root = ['services', name]
  const annotations = new Map([
    ...t.annotations([...root, 'labels'], service.labels),
    ...t.annotations([...root, 'annotations'], service.annotations),
  ])
  const { labels, annotations: own } = t.metadata('', name, annotations)
  const networks = [...service.networks.keys()].map((network) => [networkLabel(network), 'true'] as const)
  return {
    metadata: {
      labels: { ...labels, ...(t.project.networks.size > 1 && Object.fromEntries(networks)) },
      ...(own && { annotations: own }),
    },
    spec: podOf(t, name, service, { restartPolicy }),
  }
}

export function networkLabel(network: string): string {
  return `network.compose/${network.replaceAll(/[^-_.a-zA-Z0-9]/g, '-').slice(0, 63)}`
}

/** Docker: labels under `deploy` are those of the service, not of its containers. */
function metadataOf(t: Translation, name: string, { deploy }: Service): Metadata {
  const labels = t.annotations(
    ['services', name, 'deploy', 'labels'],
    deploy?.labels ?? new Map<string, string>(),
  )
  return t.metadata(t.nameOf(name), name, labels)
}

function strategyOf({ deploy }: Service): Pick<IDeploymentSpec, 'strategy'> {
  const update = deploy?.update_config
  if (!update) return {}
  const many = update.parallelism === 0 ? '100%' : (update.parallelism ?? 1)
  const first = update.order === 'start-first'
  const rollingUpdate = first ? { maxSurge: many, maxUnavailable: 0 } : { maxSurge: 0, maxUnavailable: many }
  return { strategy: { type: 'RollingUpdate', rollingUpdate } }
}

function addJob(t: Translation, name: string, service: Service): void {
  const policy = service.deploy?.restart_policy
  const [, again, most] = /^(on-failure)(?::(\d+))?$/.exec(service.restart) ?? []
  const retries = again !== undefined || policy?.condition === 'on-failure'
  const limit = most === undefined ? policy?.max_attempts : Number(most)
  const replicas = replicasOf(service)
  t.add({
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: metadataOf(t, name, service),
    spec: {
      ...(replicas !== 1 && { completions: replicas, parallelism: replicas }),
      // Docker: on-failure without a number goes on for ever; a Job has to have an end.
      backoffLimit: retries ? (limit ?? 6) : 0,
      template: templateOf(t, name, service, retries ? 'OnFailure' : 'Never'),
    },
  })
}
