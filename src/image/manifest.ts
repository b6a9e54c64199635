import type { Digest } from '../lib/digest.ts'
import { digestOf } from '../lib/digest.ts'
import { json } from './archive-writer.ts'
import type { LayerBlob, LayerCompression } from './layer-blobs.ts'

export interface Descriptor {
  mediaType: string
  digest: Digest
  size: number
  annotations?: Record<string, string>
  platform?: { architecture: string; os: string; variant?: string }
}

export const ociTypes = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
}

export const dockerTypes = {
  index: 'application/vnd.docker.distribution.manifest.list.v2+json',
  manifest: 'application/vnd.docker.distribution.manifest.v2+json',
  config: 'application/vnd.docker.container.image.v1+json',
  layer: 'application/vnd.docker.image.rootfs.diff.tar',
}

/** A small document that is named by its digest. */
export interface Document {
  readonly descriptor: Descriptor
  readonly data: Buffer
}

export function documentOf(mediaType: string, value: unknown): Document {
  const data = json(value)
  return { descriptor: { mediaType, digest: digestOf(data), size: data.length }, data }
}

/** The manifest of an image. Docker's media types know gzip alone: other layers make it an OCI manifest. */
export function manifestOf(o: {
  config: { digest: Digest; size: number }
  layers: readonly LayerBlob[]
  oci: boolean
  annotations?: Readonly<Record<string, string>>
}): Document {
  const annotations = Object.keys(o.annotations ?? {}).length > 0 ? { annotations: o.annotations } : {}
  const oci = needsOci(o)
  const types = oci ? ociTypes : dockerTypes
  return documentOf(types.manifest, {
    schemaVersion: 2,
    mediaType: types.manifest,
    config: { mediaType: types.config, digest: o.config.digest, size: o.config.size },
    layers: o.layers.map(({ digest, size, compression }) => ({
      mediaType: layerType(compression, oci),
      digest,
      size,
    })),
    ...annotations,
  })
}

export const needsOci = (o: {
  layers: readonly LayerBlob[]
  oci: boolean
  annotations?: Readonly<Record<string, string>>
}): boolean =>
  o.oci ||
  Object.keys(o.annotations ?? {}).length > 0 ||
  o.layers.some((layer) => layer.compression === 'zstd')

function layerType(compression: LayerCompression, oci: boolean): string {
  const { layer } = oci ? ociTypes : dockerTypes
  switch (compression) {
    case 'uncompressed':
      return layer
    case 'gzip':
      return oci ? `${layer}+gzip` : `${layer}.gzip`
    case 'zstd':
      return `${layer}+zstd`
  }
}
