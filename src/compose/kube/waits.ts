/** Conditions of `depends_on`: containers that end when what is waited for has come. */
import type { IContainer } from 'kubernetes-models/v1'
import type { Service } from '../model/project-model.ts'
import { kubeName } from './kube-name.ts'
import { literal } from './literal.ts'
import { listeningPorts } from './ports.ts'
import type { Translation } from './translation.ts'

const busybox = 'busybox:1.37'
const kubectl = 'registry.k8s.io/kubectl:v1.34.1'

export interface Waits {
  readonly containers: IContainer[]
  /** May look at jobs; undefined when no job is waited for. */
  readonly account: string | undefined
}

/** Having been started is nothing to wait for: pods start at once, and names lead nowhere until somebody is ready. */
export function waitsOf(t: Translation, service: Service): Waits {
  const jobs: string[] = []
  const containers = Array.from(service.depends_on)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([other, { condition }]): IContainer[] => {
      const target = t.service(other)
      if (!target || condition === 'service_started') return []
      if (condition === 'service_completed_successfully') {
        jobs.push(t.nameOf(other))
        return [
          waiter(t, other, kubectl, [
            'kubectl',
            'wait',
            '--for=condition=complete',
            '--timeout=-1s',
            `job/${t.nameOf(other)}`,
          ]),
        ]
      }
      return [waiter(t, other, busybox, ['sh', '-c', untilReady(t, other, target)])]
    })
  const account = kubeName(`${t.project.name}-waits`)
  return { containers, account: jobs.length > 0 ? account : undefined }
}

function waiter(t: Translation, other: string, image: string, command: string[]): IContainer {
  return { name: kubeName(`wait-for-${t.nameOf(other)}`), image, command }
}

/** A Service leads to pods that are ready, and to nobody else. */
function untilReady(t: Translation, other: string, target: Service): string {
  const host = t.nameOf(other)
  const tcp = listeningPorts(t, other, target).find(({ protocol }) => protocol === 'TCP')
  // The whole name, and addresses of one kind: busybox asks for nothing else reliably.
  const namespace = '$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace)'
  const check = tcp
    ? `nc -z -w 2 ${host} ${tcp.port}`
    : `nslookup -type=a ${host}.${namespace}.svc.cluster.local`
  return literal(`until ${check}; do echo waiting for ${host}; sleep 2; done`)
}

/** The right to wait for jobs, for those that do. */
export function addWaitAccount(t: Translation): void {
  const jobs = new Set(
    [...t.project.services.values()].flatMap((service) =>
      Array.from(service.depends_on).flatMap(([other, { condition }]) =>
        condition === 'service_completed_successfully' && t.service(other) ? [t.nameOf(other)] : [],
      ),
    ),
  )
  if (jobs.size === 0) return
  const name = kubeName(`${t.project.name}-waits`)
  const metadata = t.metadata(name)
  t.add({ apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  t.add({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    rules: [{ apiGroups: ['batch'], resources: ['jobs'], verbs: ['get', 'list', 'watch'] }],
  })
  t.add({
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [
      {
        kind: 'ServiceAccount',
        name,
        ...(t.options.namespace !== '' && { namespace: t.options.namespace }),
      },
    ],
  })
}
