import { z } from 'zod'

/** Fields that came later have defaults: what an older daemon wrote can still be read. */
const subnetRecord = z.object({
  subnet: z.string(),
  /** The host's own address in it; of macvlan and ipvlan the router's. Empty on an internal network of those. */
  gateway: z.string(),
  /** Addresses are given from this part alone. */
  ipRange: z.string().optional(),
  /** Addresses that no container gets, by their names. */
  aux: z.record(z.string(), z.string()).default({}),
  /** The user named the block: containers may choose their addresses. */
  configured: z.boolean().default(false),
})

const networkRecord = z.object({
  id: z.string(),
  name: z.string(),
  driver: z.enum(['bridge', 'macvlan', 'ipvlan', 'host', 'null']),
  createdAt: z.string(),
  internal: z.boolean(),
  attachable: z.boolean().default(false),
  /** As the user gave them. */
  options: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
  /** Address blocks, at most one of each family. */
  subnets: z.array(subnetRecord).default([]),
  mtu: z.number().default(1500),
  /** Interfaces in containers are named by it and a number. */
  interfacePrefix: z.string().default('eth'),
  /** Of driver `bridge` alone. */
  bridge: z
    .object({
      name: z.string(),
      masquerade: z.boolean().default(true),
      icc: z.boolean().default(true),
      /** Where ports are published that name no address; empty = everywhere. */
      hostBinding: z.string().default(''),
      /** The bridge was there before the network, and stays. */
      foreign: z.boolean().default(false),
      /** The bridge has no IPv4 address of its own. */
      addressless: z.boolean().default(false),
    })
    .optional(),
  ipamOptions: z.record(z.string(), z.string()).default({}),
  /** Name of the configuration network that it was made from. */
  configFrom: z.string().default(''),
  /** Of configuration networks alone, which have driver `null` and nothing in the kernel: as the user gave it. */
  configuration: z
    .object({
      ipv4: z.boolean(),
      ipv6: z.boolean(),
      subnets: z.array(
        z.object({
          subnet: z.string(),
          ipRange: z.string(),
          gateway: z.string(),
          aux: z.record(z.string(), z.string()),
        }),
      ),
    })
    .optional(),
  /** Of drivers `macvlan` and `ipvlan` alone: the host's link that their interfaces share. */
  parent: z
    .discriminatedUnion('kind', [
      z.object({
        kind: z.literal('macvlan'),
        link: z.string(),
        mode: z.enum(['private', 'vepa', 'bridge', 'passthru']),
      }),
      z.object({
        kind: z.literal('ipvlan'),
        link: z.string(),
        flag: z.enum(['bridge', 'private', 'vepa']),
      }),
    ])
    .optional(),
})

const endpointRecord = z.object({
  id: z.string().default(''),
  networkId: z.string(),
  networkName: z.string(),
  /** Empty on a network without IPv4. */
  ip: z.string(),
  prefix: z.number(),
  /** Empty on a network that leads nowhere else. */
  gateway: z.string(),
  /** Empty on a network without IPv6. */
  ip6: z.string().default(''),
  prefix6: z.number().default(0),
  gateway6: z.string().default(''),
  linkLocal: z.array(z.string()).default([]),
  mac: z.string(),
  /** The veth's end on the host; empty for macvlan and ipvlan. */
  hostInterface: z.string(),
  /** Its end in the container. */
  interface: z.string(),
  /** The default route is that of the endpoint with the highest one. */
  gwPriority: z.number().default(0),
  /** What the container is called on the network, best first. None where there is no name service. */
  names: z.array(z.string()).default([]),
  /** Names that the container alone knows on the network, lower case, and who is meant: `--link`. */
  links: z.record(z.string(), z.string()).default({}),
  /** Of the interface, as `net.ipv4.conf.IFNAME.log_martians`. */
  sysctls: z.record(z.string(), z.string()).default({}),
})

const portRecord = z.object({
  containerPort: z.number(),
  proto: z.enum(['tcp', 'udp']),
  hostIp: z.string(),
  hostPort: z.number(),
  hostPortEnd: z.number().exactOptional(),
})

const dnsRecord = z.object({
  /** What is asked for names that no container has. */
  upstreams: z.array(z.string()).default([]),
  /** The resolv.conf says how many dots a name of the world has. */
  ndotsSet: z.boolean().default(false),
  /** Names that this container alone knows. */
  extra: z.record(z.string(), z.array(z.string())).default({}),
})

const sandboxRecord = z.object({
  id: z.string(),
  owner: z.string(),
  netnsPath: z.string(),
  /** In the order in which they were connected; none on network `none`. */
  endpoints: z.array(endpointRecord),
  /** What is published now, with real ports and addresses. */
  ports: z.array(portRecord),
  /** What is to be published while a network leads out. */
  wanted: z.array(portRecord.extend({ hostPortEnd: z.number().optional() })).default([]),
  dns: dnsRecord.default({ upstreams: [], ndotsSet: false, extra: {} }),
})

export type SubnetRecord = z.infer<typeof subnetRecord>
export type NetworkRecord = z.infer<typeof networkRecord>
export type EndpointRecord = z.infer<typeof endpointRecord>
export type SandboxRecord = z.infer<typeof sandboxRecord>
export type DnsRecord = z.infer<typeof dnsRecord>

export const decodeNetwork = (value: unknown): NetworkRecord => networkRecord.parse(value)
export const decodeSandbox = (value: unknown): SandboxRecord => sandboxRecord.parse(value)
