import { Readable } from 'node:stream'
import type { Digest } from '../lib/digest.ts'
import type { Op } from '../lib/op.ts'
import { blob, endOfArchive, file, folders, json } from './archive-writer.ts'
import type { LayerBlob, LayerBlobs } from './layer-blobs.ts'
import { ociTypes, type Descriptor, type Document } from './manifest.ts'

export interface Layout {
  /** Entries of index.json. */
  readonly manifests: readonly Descriptor[]
  /** Configs, manifests and whatever else they lead to, but layers. */
  readonly documents: readonly Document[]
  readonly layers: readonly LayerBlob[]
  /** Makes it a docker-archive at the same time. */
  readonly dockerManifest?: readonly object[]
}

/** An OCI layout as a tar. */
export function layoutArchive(op: Op, layout: Layout, blobs: LayerBlobs): Readable {
  return Readable.from(archive(op, layout, blobs), { objectMode: false })
}

async function* archive(op: Op, layout: Layout, blobs: LayerBlobs): AsyncGenerator<Buffer> {
  const written = new Set<Digest>()
  const isNew = (digest: Digest) => !written.has(digest) && Boolean(written.add(digest))
  yield* folders()
  for (const layer of layout.layers) if (isNew(layer.digest)) yield* blob(layer, await blobs.read(op, layer))
  for (const { descriptor, data } of layout.documents)
    if (isNew(descriptor.digest)) yield* blob(descriptor, Readable.from([data]))
  yield* file(
    'index.json',
    json({ schemaVersion: 2, mediaType: ociTypes.index, manifests: layout.manifests }),
  )
  if (layout.dockerManifest) yield* file('manifest.json', json(layout.dockerManifest))
  yield* file('oci-layout', json({ imageLayoutVersion: '1.0.0' }))
  yield endOfArchive
}
