import { z } from 'zod'
import { maxOutputs } from '../../wire/build-stream.ts'
import type { BuildQuery } from '../../wire/build.ts'
import { hostPathShape, namedContextShape } from './build-contexts.ts'

/** Docker's limit is 500 KiB a secret. */
const maxSecrets = 16 << 20

const output = z.strictObject({
  type: z.string(),
  attrs: z.record(z.string(), z.string()),
  sent: z.boolean(),
})
const decimal = z.string().regex(/^\d+$/)
const directory = { path: z.string(), dev: decimal, ino: decimal }

/** The `request` of `POST /gantry/build`. */
export const buildQueryShape: z.ZodType<BuildQuery> = z.strictObject({
  context: hostPathShape.exactOptional(),
  remote: z.string().exactOptional(),
  empty: z.boolean().exactOptional(),
  contexts: z.record(z.string(), namedContextShape).exactOptional(),
  sent: z.int().min(0).exactOptional(),
  ssh: z.record(z.string(), hostPathShape).exactOptional(),
  platform: z.string().exactOptional(),
  dockerfile: z.string(),
  dockerfileText: z.string().exactOptional(),
  tags: z.array(z.string()),
  buildArgs: z.record(z.string(), z.string()),
  target: z.string().exactOptional(),
  checkOptions: z.string().exactOptional(),
  noCache: z.boolean(),
  explain: z.boolean().exactOptional(),
  shell: z.boolean().exactOptional(),
  pull: z.boolean().exactOptional(),
  noCacheFilter: z.array(z.string()).exactOptional(),
  reproducible: z.boolean().exactOptional(),
  verify: z.boolean().exactOptional(),
  labels: z.record(z.string(), z.string()),
  networkMode: z.string().exactOptional(),
  allow: z.array(z.string()).exactOptional(),
  secretBytes: z.int().min(2).max(maxSecrets).exactOptional(),
  addHosts: z.array(z.string()).exactOptional(),
  ulimits: z.array(z.strictObject({ Name: z.string(), Soft: z.int(), Hard: z.int() })).exactOptional(),
  shmSize: z.int().min(0).exactOptional(),
  resources: z
    .strictObject({
      Memory: z.int().exactOptional(),
      MemorySwap: z.int().exactOptional(),
      CpuShares: z.int().exactOptional(),
      CpuPeriod: z.int().exactOptional(),
      CpuQuota: z.int().exactOptional(),
      CpusetCpus: z.string().exactOptional(),
      CpusetMems: z.string().exactOptional(),
    })
    .exactOptional(),
  cgroupParent: z.string().exactOptional(),
  outputs: z.array(output).max(maxOutputs).exactOptional(),
  attestations: z
    .strictObject({ sbom: z.boolean().exactOptional(), provenance: z.enum(['min', 'max']).exactOptional() })
    .exactOptional(),
  cacheTo: z.array(output).max(maxOutputs).exactOptional(),
  cacheFrom: z
    .array(
      z.union([
        z.strictObject({
          kind: z.literal('local'),
          ...directory,
          tag: z.string().exactOptional(),
          digest: z.string().exactOptional(),
        }),
        z.strictObject({ kind: z.literal('registry'), reference: z.string() }),
      ]),
    )
    .max(100)
    .exactOptional(),
})
