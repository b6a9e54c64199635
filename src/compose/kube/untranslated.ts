/** Keys that say something Kubernetes has no word for: each is named, none is dropped in silence. */
import type { Service } from '../model/project-model.ts'
import { get, isNull, printed, type Node, type Path } from '../node.ts'
import type { Translation } from './translation.ts'

const ofNode = 'it belongs to the configuration of the node'
const addresses = 'addresses are given by the cluster'

/** Of a service, by the way to them. */
const lost: Readonly<Record<string, string>> = {
  blkio_config: ofNode,
  cgroup: ofNode,
  cgroup_parent: ofNode,
  cpu_count: 'cpus says how much a container may use',
  cpu_percent: 'cpus says how much a container may use',
  cpu_rt_period: ofNode,
  cpu_rt_runtime: ofNode,
  cpu_shares: 'weights follow from deploy.resources.reservations.cpus',
  cpuset: ofNode,
  credential_spec: 'it is for Windows',
  device_cgroup_rules: 'devices need a device plugin in the cluster',
  devices: 'devices need a device plugin in the cluster',
  domainname: 'names are given by the cluster',
  external_links: 'there are no other containers to link',
  isolation: 'it is for Windows',
  logging: 'logs are collected by the cluster',
  mac_address: addresses,
  mem_swappiness: ofNode,
  memswap_limit: ofNode,
  models: 'models are not run by Kubernetes',
  oom_kill_disable: ofNode,
  oom_score_adj: ofNode,
  pids_limit: ofNode,
  provider: 'what a provider makes is not known here',
  runtime: 'a RuntimeClass of the cluster has to be named instead',
  stop_signal: 'the image has to say it (STOPSIGNAL)',
  storage_opt: ofNode,
  ulimits: 'limits of processes come from the node or the image',
  use_api_socket: 'there is no engine to talk to',
  userns_mode: ofNode,
  uts: 'a pod has a host name of its own',
  volumes_from: 'a pod does not see the volumes of another one: name them here',
  'deploy.placement.preferences': 'name constraints, or edit topologySpreadConstraints',
  'deploy.placement.max_replicas_per_node': 'edit topologySpreadConstraints',
  'deploy.resources.limits.pids': ofNode,
  'deploy.resources.reservations.generic_resources': 'resources have the names of the cluster',
  'deploy.restart_policy.delay': 'the time between starts is up to the cluster',
  'deploy.restart_policy.window': 'the time between starts is up to the cluster',
  'deploy.rollback_config': 'kubectl rollout undo goes back',
  'deploy.update_config.delay': 'minReadySeconds comes near, and is not the same',
  'deploy.update_config.failure_action': 'a rollout that fails stops',
  'deploy.update_config.monitor': 'a rollout that fails stops',
  'deploy.update_config.max_failure_ratio': 'a rollout that fails stops',
  'healthcheck.start_interval': 'a readiness probe has one interval',
}

/** Of a service's place in a network. */
const lostInNetwork = [
  'ipv4_address',
  'ipv6_address',
  'link_local_ips',
  'mac_address',
  'driver_opts',
  'interface_name',
]

export function noteUntranslated(t: Translation, name: string, service: Service): void {
  const root: Path = ['services', name]
  const node = get(t.project.tree, ...root)
  for (const [key, why] of Object.entries(lost)) {
    const path = key.split('.')
    if (says(get(node, ...path))) t.lost([...root, ...path], why)
  }
  if (service.deploy?.mode === 'global-job')
    t.lost([...root, 'deploy', 'mode'], 'a Job runs on some node, not on each')
  for (const network of service.networks.keys())
    for (const key of lostInNetwork)
      if (says(get(node, 'networks', network, key))) t.lost([...root, 'networks', network, key], addresses)
  if (!['', 'host'].includes(service.network_mode))
    t.lost(
      [...root, 'network_mode'],
      `a pod cannot be in the network of ${JSON.stringify(service.network_mode)}`,
    )
  for (const key of ['pid', 'ipc'] as const)
    if (!['', 'host', 'private', 'shareable'].includes(service[key]))
      t.lost([...root, key], `the namespace ${JSON.stringify(service[key])} cannot be shared between pods`)
  if (
    service.pull_policy !== '' &&
    !['always', 'never', 'missing', 'if_not_present', 'build'].includes(service.pull_policy)
  )
    t.lost([...root, 'pull_policy'], `${service.pull_policy}: Kubernetes knows always, missing and never`)
  if (service.build && service.image === '')
    t.lost(
      [...root, 'build'],
      'an image without a name cannot be pulled by a cluster: give the service an image of a registry',
    )
  else if (service.build)
    t.hint([...root, 'build'], `build and push ${service.image} first: gantry compose build --push`)
}

function says(node: Node | undefined): boolean {
  if (!node || isNull(node)) return false
  if (node.kind === 'scalar') return !['', '0', 'false'].includes(printed(node))
  return (node.kind === 'mapping' ? node.entries.size : node.items.length) > 0
}
