/**
 * Networks, and what a container has of them: a namespace of its own, on each network an interface with addresses and names,
 * routes, and ports of the host that lead to it. All that one container has is its sandbox.
 *
 * Lifecycle: open() makes bridges and firewall; create() and remove() are for networks of the user's; join() makes a sandbox,
 * connect() and disconnect() change it while it runs, leave() ends it; reconcile() at boot makes the kernel agree with the
 * records; close() leaves nothing behind unless sandboxes live on, and theirs stays complete.
 *
 * Guarantees: create(), join() and connect() are all or nothing; the record is written before anything is made and deleted after all
 * is gone, so that a kill at any point is cleaned up at the next boot. A host port is held by a real socket and cannot be given
 * twice. One more container or port is an element of a map, never a rule. Foreign firewall rules are not touched, but for the
 * chain that dockerd offers for that. Several daemons share a host: everything is named by instance, bridge or run folder.
 */
export { Networks, type NetworksOptions } from './networks.ts'
export type { EndpointRequest } from './make-endpoint.ts'
export type { HandOver, JoinRequest } from './sandboxes.ts'
export type { NetworkRequest, SubnetRequest } from './definition.ts'
export type { Endpoint, Network, Sandbox } from './views.ts'
export type { PortCheck, Reachability } from './port-check.ts'
export type { PortRequest } from './ports.ts'
export type { HostsOptions, ResolverConf, ResolverOptions, ResolvOptions } from './resolv.ts'
