import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { ImageConfig } from '../wire/container.ts'
import type { DiffId } from '../snapshot/index.ts'

export interface HistoryEntry {
  created?: string
  created_by?: string
  author?: string
  comment?: string
  empty_layer?: boolean
}

/** The image config of the OCI image specification, with docker's additions in `config`. */
export interface OciImage {
  architecture: string
  os: string
  variant?: string
  created?: string
  author?: string
  config?: ImageConfig
  rootfs: { type: 'layers'; diff_ids: DiffId[] }
  history?: HistoryEntry[]
}

export interface Image {
  /** Digest of the config as stored. */
  readonly id: Digest
  readonly config: OciImage
  /** Bottom first. */
  readonly layers: readonly DiffId[]
  /** Bytes of file content of all layers. */
  readonly size: number
  /** ISO time: the config's, or when it came here. */
  readonly createdAt: string
  /** Canonical names with tag: `docker.io/library/busybox:latest`, sorted. */
  readonly refs: readonly string[]
  /** Canonical names with digest: `docker.io/library/busybox@sha256:…`, sorted. */
  readonly digests: readonly string[]
  readonly lastTaggedAt?: string
}

/** A config has environment and history, no more: what is larger is hostile. */
export const maxConfigSize = 8 << 20

const strings = z.array(z.string())
const keys = z.record(z.string(), z.object({}))
const healthcheck = z.object({
  Test: strings.exactOptional(),
  Interval: z.number().exactOptional(),
  Timeout: z.number().exactOptional(),
  Retries: z.number().exactOptional(),
  StartPeriod: z.number().exactOptional(),
  StartInterval: z.number().exactOptional(),
})

/** Writers in Go give `null` for what is not set. */
const withoutNulls = (value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).filter(([, member]) => member !== null))
    : value

const imageConfig = z.preprocess(
  withoutNulls,
  z.object({
    User: z.string().exactOptional(),
    ExposedPorts: keys.exactOptional(),
    Env: strings.exactOptional(),
    Cmd: strings.exactOptional(),
    Entrypoint: strings.exactOptional(),
    Volumes: keys.exactOptional(),
    WorkingDir: z.string().exactOptional(),
    Labels: z.record(z.string(), z.string()).exactOptional(),
    StopSignal: z.string().exactOptional(),
    Healthcheck: z.preprocess(withoutNulls, healthcheck).exactOptional(),
    OnBuild: strings.exactOptional(),
    Shell: strings.exactOptional(),
    ArgsEscaped: z.boolean().exactOptional(),
  }),
)

const time = z.string().refine((text) => !Number.isNaN(Date.parse(text)), 'not a time')

const ociImage = z.preprocess(
  withoutNulls,
  z.object({
    architecture: z.string(),
    os: z.string(),
    variant: z.string().exactOptional(),
    created: time.exactOptional(),
    author: z.string().exactOptional(),
    config: imageConfig.exactOptional(),
    rootfs: z.preprocess(
      withoutNulls,
      // No layers at all: a `FROM scratch` with nothing but configuration.
      z.object({ type: z.literal('layers'), diff_ids: z.array(digestSchema).max(500).default([]) }),
    ),
    history: z
      .array(
        z.preprocess(
          withoutNulls,
          z.object({
            created: z.string().exactOptional(),
            created_by: z.string().exactOptional(),
            author: z.string().exactOptional(),
            comment: z.string().exactOptional(),
            empty_layer: z.boolean().exactOptional(),
          }),
        ),
      )
      .exactOptional(),
  }),
)

/** Decodes a stored or foreign image config. Throws kind `invalid` naming the field. */
export function decodeConfig(data: Uint8Array, what: string): OciImage {
  return decodeJson(data, { schema: ociImage, what: `the config of ${what}` })
}

/** Decodes foreign JSON. Throws kind `invalid` naming `what` and the field that is wrong. */
export function decodeJson<T>(data: Uint8Array, o: { schema: z.ZodType<T>; what: string }): T {
  let value: unknown
  try {
    value = JSON.parse(Buffer.from(data).toString())
  } catch (cause) {
    throw new EngineError('invalid', `${o.what} is not JSON`, { cause })
  }
  const result = o.schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new EngineError(
    'invalid',
    `${o.what} is not valid: ${issue ? `${issue.path.join('.') || 'value'}: ${issue.message}` : 'unknown reason'}`,
  )
}
