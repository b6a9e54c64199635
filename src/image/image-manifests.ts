import type { ContentStore } from '../content/index.ts'
import type { Digest } from '../lib/digest.ts'
import type { Op } from '../lib/op.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Platform } from '../wire/registry.ts'
import type { Catalog } from './catalog.ts'
import type { Image } from './config.ts'
import type { IndexRecord } from './indexes.ts'
import { dockerTypes, ociTypes, type Descriptor } from './manifest.ts'
import type { Manifests } from './manifests.ts'
import { ownManifest } from './own-manifest.ts'
import { platformOf } from './platform.ts'
import { decodeManifest, maxManifest, partsOf, type RegistryDescriptor } from './registry-manifest.ts'

interface Host {
  readonly catalog: Catalog
  readonly manifests: Manifests
  readonly content: ContentStore
  readonly snapshots: Snapshots
}

/** What the names of an image stand for, manifest by manifest. */
export interface ImageManifests {
  /** Of the index, or of the image's own manifest. */
  readonly target: Descriptor
  readonly manifests: readonly ManifestPart[]
}

export type ManifestPart = {
  readonly descriptor: Descriptor
  /** Everything that it is made of is here. */
  readonly available: boolean
  /** Bytes of the manifest, configuration and layer archives that are here. */
  readonly content: number
} & (
  | { readonly kind: 'image'; readonly platform: Platform; readonly image: Image | undefined }
  | { readonly kind: 'attestation'; readonly for: string }
  | { readonly kind: 'unknown' }
)

/**
 * Of an index all that it lists, here or not. Of a single image its manifest: the one that it came with or went as last, or else the
 * one that it would be saved with.
 */
export async function imageManifests(op: Op, image: Image, host: Host): Promise<ImageManifests> {
  const { catalog } = host
  for (const name of [...image.refs, ...image.digests]) {
    const index = catalog.names.indexOf(name)
    if (index) return await ofIndex(op, index, { name, host })
  }
  const known = await knownManifest(image, host)
  const { descriptor: target, parts } = known ?? (await madeManifest(op, image, host))
  const content = await bytesHere([target, ...parts], host)
  const platform = platformOf(image.config)
  const only: ManifestPart = {
    descriptor: target,
    available: true,
    content: content.bytes,
    kind: 'image',
    platform,
    image,
  }
  return { target, manifests: [only] }
}

async function ofIndex(op: Op, index: IndexRecord, o: { name: string; host: Host }): Promise<ImageManifests> {
  const { content } = o.host
  const data = await content.bytes(index.digest, maxManifest)
  const decoded = decodeManifest({ ...index, data }, o.name)
  const manifests: ManifestPart[] = []
  for (const item of decoded.kind === 'index' ? decoded.all : []) {
    op.signal.throwIfAborted()
    manifests.push(await part(item, { index, ...o }))
  }
  return { target: { mediaType: index.mediaType, digest: index.digest, size: data.length }, manifests }
}

async function part(
  item: RegistryDescriptor,
  o: { index: IndexRecord; name: string; host: Host },
): Promise<ManifestPart> {
  const { catalog, content } = o.host
  const manifestIsHere = await content.has(item.digest)
  // What an index within the index leads to is not kept.
  const readable = manifestIsHere && !isIndex(item)
  const parts = readable ? partsOf(await content.bytes(item.digest, maxManifest), o.name) : []
  const here = await bytesHere([item, ...parts], o.host)
  const { mediaType, digest, size, platform, annotations } = item
  const descriptor: Descriptor = {
    mediaType,
    digest,
    size,
    ...(platform && { platform }),
    ...(Object.keys(annotations).length > 0 && { annotations }),
  }
  const id = o.index.members.find((member) => member.manifest === digest)?.image
  const image = id !== undefined && catalog.has(id) ? catalog.describe(id) : undefined
  // A layer that came with another image in another form is not kept twice.
  const common = {
    descriptor,
    available: image !== undefined || (readable && here.all),
    content: here.bytes,
  }
  const subject = annotations['vnd.docker.reference.digest']
  if (annotations['vnd.docker.reference.type'] === 'attestation-manifest' && subject !== undefined)
    return { ...common, kind: 'attestation', for: subject }
  const itsPlatform = platform ?? (image && platformOf(image.config))
  if (!itsPlatform || itsPlatform.os === 'unknown') return { ...common, kind: 'unknown' }
  return { ...common, kind: 'image', platform: itsPlatform, image }
}

const isIndex = ({ mediaType }: RegistryDescriptor) =>
  mediaType === ociTypes.index || mediaType === dockerTypes.index

async function knownManifest(image: Image, { manifests, content }: Host) {
  const records = manifests.of(image.id).filter((record) => record.kind === 'image')
  for (const { digest, mediaType } of records.toReversed()) {
    if (!(await content.has(digest))) continue
    const data = await content.bytes(digest, maxManifest)
    return { descriptor: { mediaType, digest, size: data.length }, parts: partsOf(data, digest) }
  }
  return undefined
}

async function madeManifest(op: Op, image: Image, host: Host) {
  const { descriptor, config, layers } = await ownManifest(op, image, host)
  return { descriptor, parts: [config, ...layers] }
}

async function bytesHere(
  blobs: readonly { digest: Digest; size: number }[],
  { content }: Host,
): Promise<{ bytes: number; all: boolean }> {
  const unique = [...new Map(blobs.map((blob) => [blob.digest, blob.size]))]
  const here = await Promise.all(unique.map(([digest]) => content.has(digest)))
  return {
    bytes: unique.reduce((sum, [, size], position) => sum + (here[position] ? size : 0), 0),
    all: here.every(Boolean),
  }
}
