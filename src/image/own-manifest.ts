import { compressionOf, peek } from '../host/decompress.ts'
import type { ContentStore } from '../content/index.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Image } from './config.ts'
import { documentOf, ociTypes, type Descriptor, type Document } from './manifest.ts'

interface Host {
  readonly content: ContentStore
  readonly snapshots: Snapshots
}

/** A manifest with what it is made of. */
export interface OwnManifest extends Document {
  readonly config: Descriptor
  /** Bottom first. */
  readonly layers: readonly Descriptor[]
}

/** The manifest that an image is saved with: each layer in the form in which it is here. */
export async function ownManifest(op: Op, image: Image, host: Host): Promise<OwnManifest> {
  const layers: Descriptor[] = []
  for (const diffId of image.layers) layers.push(await describeLayer(op, diffId, host))
  const config: Descriptor = {
    mediaType: ociTypes.config,
    digest: image.id,
    size: await host.content.size(image.id),
  }
  const document = documentOf(ociTypes.manifest, {
    schemaVersion: 2,
    mediaType: ociTypes.manifest,
    config,
    layers,
  })
  return { ...document, config, layers }
}

/** Layers made here are our own archive of them; others the blob that they came as. */
async function describeLayer(op: Op, diffId: DiffId, host: Host): Promise<Descriptor> {
  const layer = host.snapshots.layer(diffId)
  if (!layer) throw new EngineError('not-found', `layer ${diffId} is missing`)
  const plain = { mediaType: ociTypes.layer, digest: diffId, size: layer.tarSize }
  if (layer.blob === undefined) return plain
  const { head, whole } = await peek(host.content.read(layer.blob), 6)
  whole.destroy()
  op.signal.throwIfAborted()
  switch (compressionOf(head)) {
    case 'gzip':
    case 'zstd':
      return {
        mediaType: `${ociTypes.layer}+${compressionOf(head)}`,
        digest: layer.blob,
        size: await host.content.size(layer.blob),
      }
    // OCI has no media type for these: such layers are saved uncompressed.
    case 'bzip2':
    case 'xz':
    case 'none':
      return plain
  }
}
