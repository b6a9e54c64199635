/** Several networks: who shares none does not reach each other. Whether a cluster keeps that is up to its network. */
import type { INetworkPolicySpec } from 'kubernetes-models/networking.k8s.io/v1'
import { kubeName } from './kube-name.ts'
import type { Translation } from './translation.ts'
import { networkLabel } from './workloads.ts'

export function addNetworkPolicies(t: Translation): void {
  const { networks, services } = t.project
  for (const [key, network] of networks) {
    const path = ['networks', key]
    if (network.external)
      t.hint(path, 'a network that others use, too: all pods of the cluster reach each other anyhow')
    if (!['', 'default', 'bridge'].includes(network.driver))
      t.lost([...path, 'driver'], 'a cluster has one network')
    if (network.driver_opts.size > 0) t.lost([...path, 'driver_opts'], 'a cluster has one network')
    if (network.ipam.driver !== '' || network.ipam.config.length > 0)
      t.lost([...path, 'ipam'], 'addresses are given by the cluster')
    for (const flag of ['enable_ipv4', 'enable_ipv6'] as const)
      if (network[flag] !== undefined) t.lost([...path, flag], 'addresses are given by the cluster')
  }
  if (networks.size < 2) return
  for (const key of networks.keys()) {
    const members = { matchLabels: { [networkLabel(key)]: 'true' } }
    add(t, `network-${key}`, {
      podSelector: members,
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: members }] }],
    })
  }
  for (const [name, service] of services) {
    const podSelector = { matchLabels: t.selector(name) }
    if (service.ports.length > 0)
      add(t, `${t.nameOf(name)}-published`, {
        podSelector,
        policyTypes: ['Ingress'],
        ingress: [
          {
            ports: service.ports.map(({ target, protocol }) => ({
              port: target,
              protocol: protocol === 'udp' ? 'UDP' : protocol === 'sctp' ? 'SCTP' : 'TCP',
            })),
          },
        ],
      })
    const own = [...service.networks.keys()]
    const internal = own.length > 0 && own.every((key) => networks.get(key)?.internal === true)
    if (
      internal &&
      [...service.depends_on.values()].some(({ condition }) => condition === 'service_completed_successfully')
    )
      t.hint(
        ['services', name, 'depends_on'],
        'it waits for a job, and its networks are internal: let its pods reach the API of the cluster',
      )
    if (internal)
      add(t, `${t.nameOf(name)}-internal`, {
        podSelector,
        policyTypes: ['Egress'],
        egress: [
          { to: own.map((key) => ({ podSelector: { matchLabels: { [networkLabel(key)]: 'true' } } })) },
          // Names are asked of the cluster.
          {
            ports: [
              { port: 53, protocol: 'UDP' },
              { port: 53, protocol: 'TCP' },
            ],
          },
        ],
      })
  }
}

function add(t: Translation, name: string, spec: INetworkPolicySpec): void {
  t.add({
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: t.metadata(kubeName(name)),
    spec,
  })
}
