/**
 * What a container's network is made of: a namespace of its own, a veth to a bridge, an address, routes, and ports of
 * the host that lead to it. All that one container has is its sandbox.
 *
 * Lifecycle: open() makes bridge and firewall; join() makes a sandbox, leave() ends it; reconcile() at boot makes the
 * kernel agree with the records; close() leaves nothing behind unless sandboxes live on, and theirs stays complete.
 *
 * Guarantees: join() is all or nothing; the record is written before anything is made and deleted after all is gone,
 * so that a kill at any point is cleaned up at the next boot. A host port is held by a real socket and cannot be given
 * twice. One more container or port is an element of a map, never a rule. Foreign firewall rules are not touched, but for the
 * chain that dockerd offers for that. Several daemons share a host: everything is named by instance, bridge or run folder.
 */
export { Networks, type JoinRequest, type NetworksOptions } from './networks.ts'
export type { Endpoint, Network, Sandbox } from './views.ts'
export type { PortRequest } from './ports.ts'
export type { HostsOptions, ResolvOptions } from './resolv.ts'
