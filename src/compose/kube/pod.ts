/** A service's pod: one container, and what Compose says of the world around it. */
import type { IContainer, ILifecycle, IPodSpec } from 'kubernetes-models/v1'
import { imageOf } from '../image-name.ts'
import type { Service } from '../model/project-model.ts'
import { compact } from './compact.ts'
import { environmentOf } from './environment.ts'
import { kubeName } from './kube-name.ts'
import { literal } from './literal.ts'
import { mountsOf } from './mounts.ts'
import { containerPorts, listeningPorts } from './ports.ts'
import { readinessProbe } from './probes.ts'
import { resourcesOf } from './resources.ts'
import { podSecurityOf, securityOf } from './security.ts'
import type { Translation } from './translation.ts'
import { waitsOf } from './waits.ts'

export interface PodOptions {
  readonly restartPolicy: 'Always' | 'OnFailure' | 'Never'
}

export function podOf(
  t: Translation,
  name: string,
  service: Service,
  { restartPolicy }: PodOptions,
): IPodSpec {
  const { volumes, mounts } = mountsOf(t, name, service)
  const container = compact<IContainer>({
    name: t.nameOf(name),
    image: imageOf(t.project, name, service),
    imagePullPolicy: pullPolicy(service.pull_policy),
    ...commandOf(service),
    workingDir: service.working_dir || undefined,
    env: environmentOf(t, name, service),
    ports: containerPorts(listeningPorts(t, name, service)),
    resources: resourcesOf(t, name, service),
    readinessProbe: restartPolicy === 'Always' ? readinessProbe(t, name, service) : undefined,
    lifecycle: lifecycleOf(t, name, service),
    securityContext: securityOf(t, name, service),
    stdin: service.stdin_open || undefined,
    tty: service.tty || undefined,
    volumeMounts: mounts,
  })
  const waits = waitsOf(t, service)
  const host = service.network_mode === 'host'
  return compact<IPodSpec>({
    // Always is what Kubernetes takes for granted.
    restartPolicy: restartPolicy === 'Always' ? undefined : restartPolicy,
    serviceAccountName: waits.account,
    initContainers: waits.containers,
    containers: [container],
    volumes,
    terminationGracePeriodSeconds:
      service.stop_grace_period === undefined ? undefined : Math.ceil(service.stop_grace_period / 1e9),
    securityContext: podSecurityOf(t, name, service),
    hostname: hostnameOf(t, name, service),
    hostNetwork: host || undefined,
    hostPID: service.pid === 'host' || undefined,
    hostIPC: service.ipc === 'host' || undefined,
    // What an init process in the container is for, the pod's own one does.
    shareProcessNamespace: service.init || undefined,
    dnsPolicy: host ? 'ClusterFirstWithHostNet' : undefined,
    dnsConfig: compact<NonNullable<IPodSpec['dnsConfig']>>({
      nameservers: [...service.dns],
      searches: [...service.dns_search],
      options: service.dns_opt.map((option) => {
        const [key = '', value] = option.split(/:(.*)/s)
        return { name: key, ...(value !== undefined && { value }) }
      }),
    }),
    hostAliases: hostAliases(t, name, service),
    nodeSelector: nodeSelector(t, name, service),
  })
}

function hostnameOf(t: Translation, name: string, { hostname }: Service): string | undefined {
  if (hostname === '' || kubeName(hostname) === hostname) return hostname || undefined
  t.lost(['services', name, 'hostname'], 'Kubernetes allows no such host name')
  return undefined
}

function pullPolicy(policy: string): IContainer['imagePullPolicy'] {
  if (policy === 'always' || policy === 'never') return policy === 'always' ? 'Always' : 'Never'
  return policy === 'missing' || policy === 'if_not_present' ? 'IfNotPresent' : undefined
}

function commandOf({ entrypoint, command }: Service): Pick<IContainer, 'command' | 'args'> {
  const words = command?.map(literal)
  // Docker: an empty entry point takes the image's away; the command is all there is.
  if (entrypoint?.length === 0) return words && words.length > 0 ? { command: words } : {}
  return {
    ...(entrypoint && { command: entrypoint.map(literal) }),
    ...(words && words.length > 0 && { args: words }),
  }
}

function lifecycleOf(t: Translation, name: string, service: Service): ILifecycle | undefined {
  const hook = (kind: 'post_start' | 'pre_stop') => {
    const [first, ...more] = service[kind]
    if (!first) return undefined
    const path = ['services', name, kind]
    if (more.length > 0) t.lost(path, 'Kubernetes runs one hook, the first')
    if (first.user !== '' || first.privileged || first.working_dir !== '' || first.environment.size > 0)
      t.lost(path, 'hooks run as the container does: user, rights, folder and variables are its own')
    return { exec: { command: [...(first.command ?? [])] } }
  }
  const found = compact<ILifecycle>({ postStart: hook('post_start'), preStop: hook('pre_stop') })
  return Object.keys(found).length === 0 ? undefined : found
}

function hostAliases(t: Translation, name: string, { extra_hosts: hosts }: Service): IPodSpec['hostAliases'] {
  const byAddress = new Map<string, string[]>()
  for (const [host, addresses] of hosts)
    for (const ip of addresses)
      if (ip === 'host-gateway')
        t.lost(['services', name, 'extra_hosts'], `${host}: there is no gateway to one host`)
      else byAddress.set(ip, [...(byAddress.get(ip) ?? []), host])
  return Array.from(byAddress, ([ip, hostnames]) => ({ ip, hostnames }))
}

const architectures: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64' }

function nodeSelector(t: Translation, name: string, { platform, deploy }: Service): Record<string, string> {
  const selector: Record<string, string> = {}
  const [system, architecture] = platform.split('/')
  if (system) selector['kubernetes.io/os'] = system
  if (architecture) selector['kubernetes.io/arch'] = architectures[architecture] ?? architecture
  for (const [index, constraint] of (deploy?.placement.constraints ?? []).entries()) {
    const [, key, value] =
      /^\s*node\.(hostname|platform\.os|platform\.arch|labels\.[^\s=!]+)\s*==\s*(.*?)\s*$/.exec(constraint) ??
      []
    if (key === undefined || value === undefined)
      t.lost(
        ['services', name, 'deploy', 'placement', 'constraints', String(index)],
        `the constraint ${constraint} has no counterpart`,
      )
    else selector[nodeLabel(key)] = value
  }
  return selector
}

function nodeLabel(key: string): string {
  const known: Readonly<Record<string, string>> = {
    hostname: 'kubernetes.io/hostname',
    'platform.os': 'kubernetes.io/os',
    'platform.arch': 'kubernetes.io/arch',
  }
  return known[key] ?? key.slice('labels.'.length)
}
