import { z } from 'zod'

const networkRecord = z.strictObject({
  id: z.string(),
  name: z.string(),
  driver: z.enum(['bridge', 'host', 'null']),
  createdAt: z.string(),
  internal: z.boolean(),
  options: z.record(z.string(), z.string()),
  labels: z.record(z.string(), z.string()),
  /** Of driver `bridge` alone. */
  bridge: z
    .strictObject({
      name: z.string(),
      mtu: z.number(),
      /** Address blocks, at most one of each family, with the bridge's own address in each. */
      subnets: z.array(z.strictObject({ subnet: z.string(), gateway: z.string() })),
    })
    .optional(),
})

const endpointRecord = z.strictObject({
  networkId: z.string(),
  networkName: z.string(),
  ip: z.string(),
  prefix: z.number(),
  gateway: z.string(),
  mac: z.string(),
  /** The veth's end on the host. */
  hostInterface: z.string(),
  /** Its end in the container. */
  interface: z.string(),
})

const sandboxRecord = z.strictObject({
  id: z.string(),
  owner: z.string(),
  network: z.string(),
  netnsPath: z.string(),
  /** In the order of their interfaces; none on network `none`. */
  endpoints: z.array(endpointRecord),
  ports: z.array(
    z.strictObject({
      containerPort: z.number(),
      proto: z.enum(['tcp', 'udp']),
      hostIp: z.string(),
      hostPort: z.number(),
    }),
  ),
})

export type NetworkRecord = z.infer<typeof networkRecord>
export type EndpointRecord = z.infer<typeof endpointRecord>
export type SandboxRecord = z.infer<typeof sandboxRecord>

export const decodeNetwork = (value: unknown): NetworkRecord => networkRecord.parse(value)
export const decodeSandbox = (value: unknown): SandboxRecord => sandboxRecord.parse(value)
