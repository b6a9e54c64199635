import { z } from 'zod'
import { parseDigest, type Digest } from '../lib/digest.ts'
import type { IdRange } from '../host/mount-tree.ts'
import type { ContainerConfig, HostConfig, NetworkingConfig } from '../wire/container.ts'
import type { EndRequest } from './end-request.ts'
import type { Health } from './health.ts'
import type { Ended, State } from './state.ts'

/** One mount as it was decided at create. Paths on the host are absolute. */
export interface MountRecord {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image'
  /** Directory or file on the host; empty for tmpfs; of an image the name that was asked for. */
  readonly source: string
  readonly destination: string
  /** Name of the volume. */
  readonly volume?: string
  /** The volume has no name of its own and goes with `rm -v` or `--rm`. */
  readonly anonymous?: boolean
  readonly readOnly: boolean
  /** As the user wrote it (`z`, `ro`, …): shown by inspect. */
  readonly mode: string
  readonly propagation: string
  readonly recursive: boolean
  /** Options of a tmpfs: `size=64m`, `mode=1777`, … */
  readonly options: readonly string[]
  /** A missing source directory of a bind is made, also at a later start. */
  readonly createSource: boolean
  /** What is mounted below a read-only mount: read-only too where the kernel can, or never, or surely. */
  readonly readOnlyBelow: 'possible' | 'never' | 'required'
  /** A path inside the volume or image, which is mounted in its place. */
  readonly subpath?: string
  /** The content is given to the container's user at each start. */
  readonly chown: boolean
  /** A user of the container (empty: its own) and one of the host that take each other's place; or ranges of ids. */
  readonly idMap?:
    | { readonly user: string; readonly uid: number; readonly gid: number }
    | { readonly uids: readonly IdRange[]; readonly gids: readonly IdRange[] }
  readonly image?: { readonly id: Digest; readonly layers: readonly Digest[] }
}

/** What the database keeps of a container. Everything else is derived or belongs to the kernel. */
export interface ContainerRecord {
  readonly id: string
  readonly name: string
  readonly createdAt: string
  readonly imageId: Digest
  /** The image's layers, bottom first: held by the container also when the image goes. */
  readonly layers: readonly Digest[]
  readonly config: ContainerConfig
  readonly hostConfig: HostConfig
  readonly networking: NetworkingConfig
  readonly mounts: readonly MountRecord[]
  readonly state: State
  /** Restarts that the policy has done since the user started it. */
  readonly restartCount: number
  /** The user wanted its last end: `unless-stopped` respects that at the next boot. */
  readonly stoppedByUser: boolean
  /** Who asked for the end of the process that runs. */
  readonly endRequest: EndRequest | null
  /** How it ended before its last start. */
  readonly previousEnd?: Ended
  /** Of a container with a health check, from its first start on. */
  readonly health?: Health
}

const reason = z.object({ Kind: z.string(), Text: z.string() }).optional()
const ended = {
  exitCode: z.number(),
  oomKilled: z.boolean(),
  startedAt: z.string(),
  finishedAt: z.string(),
  reason,
}
const ranges = z.array(z.object({ disk: z.number(), seen: z.number(), count: z.number() }))
const digests = z.array(z.string().transform(parseDigest))
const schema = z.object({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  name: z.string(),
  createdAt: z.string(),
  imageId: z.string().transform(parseDigest),
  layers: z.array(z.string().transform(parseDigest)),
  config: z.record(z.string(), z.unknown()),
  hostConfig: z.record(z.string(), z.unknown()),
  networking: z.record(z.string(), z.unknown()),
  mounts: z.array(
    z.object({
      type: z.enum(['bind', 'volume', 'tmpfs', 'image']),
      source: z.string(),
      destination: z.string(),
      volume: z.string().optional(),
      anonymous: z.boolean().optional(),
      readOnly: z.boolean(),
      mode: z.string(),
      propagation: z.string(),
      recursive: z.boolean(),
      options: z.array(z.string()),
      createSource: z.boolean().default(false),
      readOnlyBelow: z.enum(['possible', 'never', 'required']).default('possible'),
      subpath: z.string().optional(),
      chown: z.boolean().default(false),
      idMap: z
        .union([
          z.object({ user: z.string(), uid: z.number(), gid: z.number() }),
          z.object({ uids: ranges, gids: ranges }),
        ])
        .optional(),
      image: z.object({ id: z.string().transform(parseDigest), layers: digests }).optional(),
    }),
  ),
  state: z.discriminatedUnion('status', [
    z.object({
      status: z.literal('created'),
      error: z.string().optional(),
      exitCode: z.number().optional(),
      reason,
    }),
    z.object({
      status: z.enum(['running', 'paused']),
      pid: z.number(),
      pidStartTime: z.number(),
      startedAt: z.string(),
    }),
    z.object({ status: z.enum(['exited', 'restarting']), error: z.string().optional(), ...ended }),
    z.object({ status: z.literal('removing') }),
  ]),
  restartCount: z.number(),
  stoppedByUser: z.boolean().default(false),
  endRequest: z
    .object({
      by: z.enum(['user', 'restart', 'shutdown']),
      signal: z.number(),
      forced: z
        .union([
          z.object({ because: z.literal('timeout'), grace: z.number() }),
          z.object({ because: z.literal('deaf') }),
        ])
        .optional(),
      until: z.number().optional(),
    })
    .nullable()
    .default(null),
  previousEnd: z.object(ended).optional(),
  health: z
    .object({
      status: z.enum(['starting', 'healthy', 'unhealthy']),
      failingStreak: z.number(),
      log: z.array(
        z.object({ start: z.string(), end: z.string(), exitCode: z.number(), output: z.string() }),
      ),
    })
    .optional(),
})

/** Decodes a stored record. The API decoded `config` and `hostConfig` before they were stored. */
export function decodeRecord(value: unknown): ContainerRecord {
  // The three docker objects were validated field by field when they came in; here their being objects is enough.
  return schema.parse(value) as unknown as ContainerRecord
}
