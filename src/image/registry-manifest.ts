import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { FetchedManifest } from '../registry/index.ts'
import type { Platform } from '../wire/registry.ts'
import { decodeJson } from './config.ts'
import { dockerTypes, ociTypes } from './manifest.ts'

/** A manifest as a registry keeps it, decoded. */
export type RegistryManifest = ImageManifest | IndexManifest

export interface ImageManifest {
  readonly kind: 'image'
  readonly config: RegistryDescriptor
  /** Bottom first. */
  readonly layers: readonly RegistryDescriptor[]
}

export interface IndexManifest {
  readonly kind: 'index'
  /** Images alone: attestations are left out. */
  readonly images: readonly RegistryDescriptor[]
  readonly all: readonly RegistryDescriptor[]
}

export interface RegistryDescriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly platform: Platform | undefined
  readonly annotations: Readonly<Record<string, string>>
}

/** Bytes of a manifest: what the specification asks registries to take, and more than any image needs. */
export const maxManifest = 4 << 20
/** Bytes of one blob: far more than any registry takes. */
const maxBlob = 2 ** 40

/** What leads to a blob or to another manifest. */
export const blobDescriptor = z.object({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.number().int().min(0).max(maxBlob),
})
const descriptor = blobDescriptor.extend({
  platform: z.object({ os: z.string(), architecture: z.string(), variant: z.string().nullish() }).nullish(),
  annotations: z.record(z.string(), z.string()).nullish(),
})
const image = z.object({ config: descriptor, layers: z.array(descriptor).max(500) })
const index = z.object({ manifests: z.array(descriptor).max(1000) })

const configTypes = [ociTypes.config, dockerTypes.config]
const layerTypes = new Set([
  ...['', '+gzip', '+zstd'].map((suffix) => ociTypes.layer + suffix),
  ...['', '.gzip', '.zstd', '+zstd', '+gzip'].map((suffix) => dockerTypes.layer + suffix),
])
const foreign = /nondistributable|foreign/

/** Throws kind `unsupported` for what is no image, naming it as `ref`. */
export function decodeManifest(manifest: FetchedManifest, ref: string): RegistryManifest {
  const what = `the manifest of ${ref}`
  switch (manifest.mediaType) {
    case ociTypes.index:
    case dockerTypes.index: {
      const all = decodeJson(manifest.data, { schema: index, what }).manifests.map(clean)
      return { kind: 'index', all, images: all.filter((one) => !isAttestation(one)) }
    }
    case ociTypes.manifest:
    case dockerTypes.manifest: {
      const { config, layers } = decodeJson(manifest.data, { schema: image, what })
      checkTypes({ config, layers }, ref)
      return { kind: 'image', config: clean(config), layers: layers.map(clean) }
    }
    case 'application/vnd.docker.distribution.manifest.v1+json':
    case 'application/vnd.docker.distribution.manifest.v1+prettyjws':
      throw new EngineError(
        'unsupported',
        `${ref} has a manifest of Docker's schema 1, which is not supported: it has to be pushed again by docker 1.10 or newer`,
      )
    default:
      throw new EngineError(
        'unsupported',
        `${ref} has a manifest of the unknown type ${JSON.stringify(manifest.mediaType.slice(0, 200))}`,
      )
  }
}

/** What a manifest of any kind is made of: an attestation is an image only in form. Throws kind `invalid`. */
export function partsOf(data: Buffer, ref: string): { digest: Digest; size: number }[] {
  const { config, layers } = decodeJson(data, { schema: image, what: `a manifest of ${ref}` })
  return [config, ...layers].map(clean)
}

function checkTypes(o: z.infer<typeof image>, ref: string): void {
  if (!configTypes.includes(o.config.mediaType))
    throw new EngineError(
      'unsupported',
      `${ref} is not an image: its configuration is of the type ${JSON.stringify(o.config.mediaType.slice(0, 200))}`,
    )
  for (const { mediaType } of o.layers) {
    if (layerTypes.has(mediaType)) continue
    const why = foreign.test(mediaType) ? 'is kept outside of the registry' : 'is of an unknown type'
    throw new EngineError(
      'unsupported',
      `a layer of ${ref} ${why}: ${JSON.stringify(mediaType.slice(0, 200))}`,
    )
  }
}

function clean(from: z.infer<typeof descriptor>): RegistryDescriptor {
  const { mediaType, digest, size, platform, annotations } = from
  const { variant } = platform ?? {}
  return {
    mediaType,
    digest,
    size,
    platform: platform
      ? { os: platform.os, architecture: platform.architecture, ...(variant && { variant }) }
      : undefined,
    annotations: annotations ?? {},
  }
}

/** Builders put them beside images, for the platform `unknown/unknown`. */
function isAttestation(item: RegistryDescriptor): boolean {
  return item.annotations['vnd.docker.reference.type'] !== undefined || item.platform?.os === 'unknown'
}
