import type { Digest } from './digest.ts'
import { DistributionError } from './errors.ts'
import { annotationsOf, descriptorOf, descriptorsOf, mediaTypeOf, type Fields } from './manifest-fields.ts'

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

const images = new Set([
  'application/vnd.oci.image.manifest.v1+json',
  'application/vnd.docker.distribution.manifest.v2+json',
])
const indexes = new Set([
  'application/vnd.oci.image.index.v1+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
])
/** Of release candidates of the image specification 1.1; clients of that time still push it. */
const artifact = 'application/vnd.oci.artifact.manifest.v1+json'
/** Layers that are kept elsewhere, by licence; Docker: they need not be in the registry. */
const foreign = /^application\/vnd\.(?:docker\.image\.rootfs\.foreign|oci\.image\.layer\.nondistributable)\./

/**
 * Reads a manifest that was pushed as `pushedAs`; empty: as what it says itself. Throws MANIFEST_INVALID, saying what is wrong. The
 * first fault ends it, and what a registry does not need is not looked at: a hostile document costs little more than its parsing.
 */
export function readManifest(data: Uint8Array, pushedAs: string): ManifestDocument {
  const fields = parse(data)
  const own = fields['mediaType'] == null ? undefined : mediaTypeOf(fields['mediaType'], 'mediaType')
  const mediaType = pushedAs || own || ''
  if (own !== undefined && own !== mediaType)
    throw invalid(
      `the manifest says that it is of the type ${JSON.stringify(own)}, its Content-Type is ${JSON.stringify(mediaType.slice(0, 255))}`,
    )
  const { artifactType } = fields
  if (artifactType != null && (typeof artifactType !== 'string' || artifactType.length > 255))
    throw invalid('invalid manifest: artifactType: not a media type')
  const parts = partsOf(fields, mediaType)
  return {
    mediaType,
    blobs: [...new Set(parts.blobs)],
    manifests: [...new Set(parts.manifests)],
    subject: fields['subject'] == null ? undefined : descriptorOf(fields['subject'], 'subject').digest,
    artifactType: artifactType || parts.configType,
    annotations: annotationsOf(fields['annotations']),
  }
}

interface Parts {
  readonly blobs: readonly Digest[]
  readonly manifests: readonly Digest[]
  readonly configType?: string
}

function partsOf(fields: Fields, mediaType: string): Parts {
  if (images.has(mediaType)) {
    checkVersion(fields)
    // A document that reads as an image to one client and as an index to another is an attack (CVE-2021-41190).
    refuse(fields, ['manifests'], 'an image')
    const config = descriptorOf(fields['config'], 'config')
    const layers = descriptorsOf(fields['layers'], 'layers')
    const kept = layers.filter((layer) => !foreign.test(layer.mediaType))
    return {
      blobs: [config.digest, ...kept.map((layer) => layer.digest)],
      manifests: [],
      configType: config.mediaType,
    }
  }
  if (indexes.has(mediaType)) {
    checkVersion(fields)
    refuse(fields, ['layers', 'config'], 'an index')
    const manifests = descriptorsOf(fields['manifests'], 'manifests')
    return { blobs: [], manifests: manifests.map((one) => one.digest) }
  }
  if (mediaType === artifact) {
    refuse(fields, ['manifests', 'layers', 'config'], 'an artifact')
    const blobs = descriptorsOf(fields['blobs'] ?? [], 'blobs')
    return { blobs: blobs.map((blob) => blob.digest), manifests: [] }
  }
  throw invalid(
    mediaType === ''
      ? 'neither the Content-Type nor the manifest says what it is'
      : `manifests of the type ${JSON.stringify(mediaType.slice(0, 255))} are not supported`,
  )
}

function parse(data: Uint8Array): Fields {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(data))
  } catch (cause) {
    throw invalid(`the manifest is not JSON: ${cause instanceof Error ? cause.message.slice(0, 200) : ''}`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('the manifest is not a JSON object')
  // JSON's objects have nothing but fields.
  return value as Fields
}

function checkVersion(fields: Fields): void {
  if (fields['schemaVersion'] !== 2) throw invalid('invalid manifest: schemaVersion: want 2')
}

function refuse(fields: Fields, names: readonly string[], what: string): void {
  const name = names.find((one) => fields[one] !== undefined)
  if (name !== undefined) throw invalid(`invalid manifest: ${what} has no ${name}`)
}

const invalid = (message: string) => new DistributionError('MANIFEST_INVALID', message)
