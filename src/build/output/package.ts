import {
  documentOf,
  dockerTypes,
  manifestOf,
  needsOci,
  ociTypes,
  type Descriptor,
  type Document,
  type Images,
  type LayerBlob,
  type OciImage,
} from '../../image/index.ts'
import { digestOf, type Digest } from '../../lib/digest.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import type { Reference } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { Attester } from '../attest/attester.ts'
import type { Io } from '../solver/vertex.ts'
import type { ManifestOptions } from './outputs.ts'

/** An image as it travels: layers, documents, and the one that leads to all of them. */
export interface ImagePackage {
  readonly layers: readonly LayerBlob[]
  /** The image's configuration, then other small blobs. */
  readonly configs: readonly Document[]
  /** Children before those that lead to them; the last one is the root. */
  readonly manifests: readonly Document[]
  readonly root: Descriptor
  readonly configDigest: Digest
}

export async function packageImage(
  op: Op,
  options: ManifestOptions,
  o: {
    config: OciImage
    images: Images
    lease: Lease
    io: Io
    names: readonly Reference[]
    attester: Attester | undefined
  },
): Promise<ImagePackage> {
  const { images, lease, io } = o
  const { annotations } = options
  const form = options.layers
  const layersDone = io.status('exporting layers')
  const layers = await group(
    op,
    o.config.rootfs.diff_ids.map(
      (diffId) => (inner) => images.blobs.describe(inner, diffId, { form, lease }),
    ),
    { limit: 2 },
  )
  layersDone()
  const data = Buffer.from(JSON.stringify(o.config))
  const attester = o.attester?.wanted ? o.attester : undefined
  const oci = needsOci({ layers, oci: options.ociTypes || attester !== undefined })
  const mediaType = oci ? ociTypes.config : dockerTypes.config
  const config = { descriptor: { mediaType, digest: digestOf(data), size: data.length }, data }
  const own = annotations.get('manifest') ?? {}
  const manifest = manifestOf({ config: config.descriptor, layers, oci, annotations: own })
  io.status(`exporting manifest ${manifest.descriptor.digest}`)()
  io.status(`exporting config ${config.descriptor.digest}`)()
  const manifests = [manifest]
  const configs: Document[] = [config]
  let root: Descriptor = annotate(manifest.descriptor, annotations.get('manifest-descriptor'))
  // An index of its own only where something has to stand in it.
  const indexed = annotations.get('index')
  if (indexed || attester) {
    const { architecture, os, variant } = o.config
    const platform = { architecture, os, ...(variant !== undefined && { variant }) }
    const entries: Descriptor[] = [{ ...root, platform }]
    if (attester) {
      const attested = await attester.attest(op, { ...o, manifest: manifest.descriptor })
      entries.push(attested.descriptor)
      configs.push(...attested.documents)
      manifests.push(attested.manifest)
    }
    const index = documentOf(ociTypes.index, {
      schemaVersion: 2,
      mediaType: ociTypes.index,
      manifests: entries,
      ...(indexed && { annotations: indexed }),
    })
    io.status(`exporting manifest list ${index.descriptor.digest}`)()
    manifests.push(index)
    root = index.descriptor
  }
  root = annotate(root, annotations.get('index-descriptor'))
  return { layers, configs, manifests, root, configDigest: config.descriptor.digest }
}

export function annotate(
  descriptor: Descriptor,
  annotations: Readonly<Record<string, string>> | undefined,
): Descriptor {
  return annotations
    ? { ...descriptor, annotations: { ...descriptor.annotations, ...annotations } }
    : descriptor
}
