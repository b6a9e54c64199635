import { z } from 'zod'
import { isDigest, type Digest } from './digest.ts'
import { DistributionError } from './errors.ts'

/** What a manifest says that matters to a registry. */
export interface ManifestDocument {
  readonly mediaType: string
  /** Blobs that must be in the repository. */
  readonly blobs: readonly Digest[]
  /** Manifests that must be in the repository. */
  readonly manifests: readonly Digest[]
  readonly subject: Digest | undefined
  /** As a referrer's descriptor tells it ("Listing Referrers"): of the manifest, else of its configuration. */
  readonly artifactType: string | undefined
  readonly annotations: Readonly<Record<string, string>> | undefined
}

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value), {
  error: 'not a sha256 or sha512 digest',
})
const mediaType = z.string().min(1).max(255)
const descriptor = z.object({
  mediaType,
  digest,
  size: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
  urls: z.array(z.string()).nullish(),
})
const common = {
  mediaType: mediaType.nullish(),
  artifactType: z.string().max(255).nullish(),
  subject: descriptor.nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
}
const image = z.object({
  ...common,
  schemaVersion: z.literal(2),
  config: descriptor,
  layers: z.array(descriptor).max(10_000),
  // A document that reads as an image to one client and as an index to another is an attack (CVE-2021-41190).
  manifests: z.undefined({ error: 'an image has no manifests' }).optional(),
})
const index = z.object({
  ...common,
  schemaVersion: z.literal(2),
  manifests: z.array(descriptor).max(10_000),
  layers: z.undefined({ error: 'an index has no layers' }).optional(),
  config: z.undefined({ error: 'an index has no config' }).optional(),
})
/** Of release candidates of the image specification 1.1; clients of that time still push it. */
const artifact = z.object({
  ...common,
  mediaType,
  blobs: z.array(descriptor).max(10_000).nullish(),
  manifests: z.undefined({ error: 'an artifact has no manifests' }).optional(),
  layers: z.undefined({ error: 'an artifact has no layers' }).optional(),
})

const images = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
])
const indexes = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])
const artifactType = 'application/vnd.oci.artifact.manifest.v1+json'
/** Layers that are kept elsewhere, by licence; Docker: they need not be in the registry. */
const foreign = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistributable)\./

/**
 * Reads a manifest that was pushed as `type`; empty: as what it says itself. Throws MANIFEST_INVALID, saying what is wrong.
 */
export function readManifest(data: Uint8Array, pushedAs: string): ManifestDocument {
  const value = parse(data)
  const type = pushedAs || decode(z.object({ mediaType: common.mediaType }), value).mediaType || ''
  if (images.has(type)) {
    const found = decode(image, value)
    const { config, layers } = found
    const kept = layers.filter((layer) => !foreign.test(layer.mediaType))
    return documentOf(found, {
      type,
      blobs: [config.digest, ...kept.map((layer) => layer.digest)],
      manifests: [],
      configType: config.mediaType,
    })
  }
  if (indexes.has(type)) {
    const found = decode(index, value)
    return documentOf(found, { type, blobs: [], manifests: found.manifests.map((one) => one.digest) })
  }
  if (type === artifactType) {
    const found = decode(artifact, value)
    const blobs = (found.blobs ?? []).map((blob) => blob.digest)
    return documentOf(found, { type, blobs, manifests: [] })
  }
  throw invalid(
    type === ''
      ? 'neither the Content-Type nor the manifest says what it is'
      : `manifests of the type ${JSON.stringify(type.slice(0, 255))} are not supported`,
  )
}

function documentOf(
  found: {
    mediaType?: string | null | undefined
    artifactType?: string | null | undefined
    subject?: { digest: Digest } | null | undefined
    annotations?: Record<string, string> | null | undefined
  },
  o: { type: string; blobs: readonly Digest[]; manifests: readonly Digest[]; configType?: string },
): ManifestDocument {
  if (found.mediaType != null && found.mediaType !== o.type)
    throw invalid(
      `the manifest says that it is of the type ${JSON.stringify(found.mediaType)}, its Content-Type is ${JSON.stringify(o.type)}`,
    )
  return {
    mediaType: o.type,
    blobs: [...new Set(o.blobs)],
    manifests: [...new Set(o.manifests)],
    subject: found.subject?.digest,
    artifactType: found.artifactType || o.configType,
    annotations: found.annotations ?? undefined,
  }
}

function parse(data: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data))
  } catch (cause) {
    throw invalid(`the manifest is not JSON: ${cause instanceof Error ? cause.message.slice(0, 200) : ''}`)
  }
}

function decode<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const field = issue?.path.join('.') ?? ''
  const what = (issue?.message ?? 'invalid').replace(/^Invalid input: /, '')
  throw invalid(`invalid manifest: ${field === '' ? '' : `${field}: `}${what}`)
}

const invalid = (message: string) => new DistributionError('MANIFEST_INVALID', message)
