/**
 * Images: a config (whose digest is the image's id) over layers, and the names that lead to it.
 *
 * An image appears when its config is stored and all its layers are unpacked, in one transaction with its names; it
 * goes by docker's rules (`remove`), and what no image, caller or lease reaches any more goes in `collect`.
 * Archives are untrusted: every digest is checked, paths in manifests are only looked up among the archive's own
 * entries, and a load that fails leaves no image, layer or blob of its own behind.
 */
export { Images } from './images.ts'
export { Distribution } from './distribution.ts'
export type { Pulled } from './pull.ts'
export { choosePlatform, formatPlatform, hostPlatform, parsePlatform, platformOf, suits } from './platform.ts'
export type { ImageManifests, ManifestPart } from './image-manifests.ts'
export type { Image, OciImage, HistoryEntry } from './config.ts'
export { LayerBlobs, type LayerBlob, type LayerCompression, type LayerForm } from './layer-blobs.ts'
export { layoutArchive, type Layout } from './layout-archive.ts'
export {
  documentOf,
  dockerTypes,
  manifestOf,
  needsOci,
  ociTypes,
  type Descriptor,
  type Document,
} from './manifest.ts'
