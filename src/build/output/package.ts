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
import { digestOf } from '../../lib/digest.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import type { Reference } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { Platform } from '../../wire/registry.ts'
import type { Attester } from '../attest/attester.ts'
import type { Io } from '../solver/vertex.ts'
import { annotationsOf } from './annotations.ts'
import type { ManifestOptions } from './outputs.ts'

/** Images as they travel: layers, documents, and the one that leads to all of them. */
export interface ImagePackage {
  readonly layers: readonly LayerBlob[]
  /** Images' configurations and other small blobs. */
  readonly configs: readonly Document[]
  /** Children before those that lead to them; the last one is the root. */
  readonly manifests: readonly Document[]
  readonly root: Descriptor
  /** In the order in which they were given. */
  readonly images: readonly PackagedImage[]
}

export interface PackagedImage {
  readonly config: Document
  /** In their order, as often as they stand in it. */
  readonly layers: readonly LayerBlob[]
}

/** What the build made for one platform. */
export interface FinishedImage {
  readonly config: OciImage
  readonly attester?: Attester | undefined
}

interface PackageHost {
  readonly images: Images
  readonly lease: Lease
  readonly io: Io
  readonly names: readonly Reference[]
}

/** One image is a manifest, or an index where something has to stand beside it; several are an index. */
export async function packageImages(
  op: Op,
  options: ManifestOptions,
  o: PackageHost & { finished: readonly FinishedImage[] },
): Promise<ImagePackage> {
  const { finished, io } = o
  const { annotations } = options
  const layersDone = io.status('exporting layers')
  const layersOf: LayerBlob[][] = []
  for (const { config } of finished) layersOf.push(await describeLayers(op, config, { ...o, options }))
  layersDone()
  const indexed = annotationsOf(annotations, 'index')
  const attested = finished.some(({ attester }) => attester?.wanted)
  const inIndex = indexed !== undefined || attested || finished.length > 1
  const oci = needsOci({ layers: layersOf.flat(), oci: options.ociTypes || attested })
  const entries: Descriptor[] = []
  const configs: Document[] = []
  const manifests: Document[] = []
  const images: PackagedImage[] = []
  for (const [position, one] of finished.entries()) {
    const layers = layersOf[position] ?? []
    const platform = platformOf(one.config)
    const config = configOf(one.config, oci)
    const own = annotationsOf(annotations, 'manifest', platform) ?? {}
    const manifest = manifestOf({ config: config.descriptor, layers, oci, annotations: own })
    io.status(`exporting manifest ${manifest.descriptor.digest}`)()
    io.status(`exporting config ${config.descriptor.digest}`)()
    const beside = annotationsOf(annotations, 'manifest-descriptor', platform)
    const descriptor = annotate(manifest.descriptor, beside)
    entries.push(inIndex ? { ...descriptor, platform } : descriptor)
    configs.push(config)
    manifests.push(manifest)
    images.push({ config, layers })
    if (!one.attester?.wanted) continue
    const said = await one.attester.attest(op, { ...o, config: one.config, manifest: manifest.descriptor })
    entries.push(said.descriptor)
    configs.push(...said.documents)
    manifests.push(said.manifest)
  }
  const [only] = entries
  if (!only) throw new Error('a package has at least one image')
  let root = only
  if (inIndex) {
    const mediaType = oci ? ociTypes.index : dockerTypes.index
    // BuildKit: images first, what is said of them behind.
    const manifestsOfIndex = [
      ...entries.filter((each) => each.platform?.os !== 'unknown'),
      ...entries.filter((each) => each.platform?.os === 'unknown'),
    ]
    const index = documentOf(mediaType, {
      schemaVersion: 2,
      mediaType,
      manifests: manifestsOfIndex,
      ...(indexed && { annotations: indexed }),
    })
    io.status(`exporting manifest list ${index.descriptor.digest}`)()
    manifests.push(index)
    root = index.descriptor
  }
  root = annotate(root, annotationsOf(annotations, 'index-descriptor'))
  return { layers: layersOf.flat(), configs, manifests, root, images }
}

function describeLayers(
  op: Op,
  config: OciImage,
  o: PackageHost & { options: ManifestOptions },
): Promise<LayerBlob[]> {
  const { images, lease } = o
  const form = o.options.layers
  const tasks = config.rootfs.diff_ids.map(
    (diffId) => (inner: Op) => images.blobs.describe(inner, diffId, { form, lease }),
  )
  return group(op, tasks, { limit: 2 })
}

function configOf(config: OciImage, oci: boolean): Document {
  const data = Buffer.from(JSON.stringify(config))
  const mediaType = oci ? ociTypes.config : dockerTypes.config
  return { descriptor: { mediaType, digest: digestOf(data), size: data.length }, data }
}

export function platformOf({ architecture, os, variant }: OciImage): Platform {
  return { architecture, os, ...(variant !== undefined && { variant }) }
}

export function annotate(
  descriptor: Descriptor,
  annotations: Readonly<Record<string, string>> | undefined,
): Descriptor {
  return annotations
    ? { ...descriptor, annotations: { ...descriptor.annotations, ...annotations } }
    : descriptor
}
