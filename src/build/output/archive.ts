import {
  choosePlatform,
  hostPlatform,
  layoutArchive,
  type Descriptor,
  type Image,
  type Images,
  type Layout,
} from '../../image/index.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, familiar } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { Io } from '../solver/vertex.ts'
import type { ExporterResponse } from './deliver.ts'
import type { ArchiveOutput, StoreOutput } from './outputs.ts'
import { annotate, packageImages, platformOf, type FinishedImage, type ImagePackage } from './package.ts'

/** Sends the images as an OCI layout, for `docker` (which has one) as a docker-archive too. */
export async function sendArchive(
  op: Op,
  output: ArchiveOutput,
  o: { finished: readonly FinishedImage[]; images: Images; lease: Lease; io: Io },
): Promise<ExporterResponse> {
  const image = await packageImages(op, output.manifest, { ...o, names: output.names })
  const sent = o.io.status('sending tarball')
  const layout = {
    ...layoutOf(image, output, o.finished),
    ...(output.format === 'docker' && { dockerManifest: [dockerEntry(image, output)] }),
  }
  await output.send(op, layoutArchive(op, layout, o.images.blobs))
  sent()
  return packageResponse(image, output)
}

/** Images for several platforms come into the local store as any index does: from an archive. Returns the image for this host, or the last. */
export async function storeIndex(
  op: Op,
  output: StoreOutput,
  o: { finished: readonly FinishedImage[]; images: Images; lease: Lease; io: Io },
): Promise<{ image: Image; response: ExporterResponse }> {
  const { images, io } = o
  const made = await packageImages(op, output.manifest, { ...o, names: output.names })
  const unpacked = io.status('unpacking to local store')
  const archive = layoutArchive(op, layoutOf(made, output, o.finished), images.blobs)
  for await (const _message of images.load(op, archive)) op.signal.throwIfAborted()
  unpacked()
  for (const name of output.names) io.status(`naming to ${canonical(name)}`)()
  const configs = o.finished.map(({ config }) => ({ platform: platformOf(config) }))
  const own = choosePlatform(configs, hostPlatform())
  const chosen = made.images[own ? configs.indexOf(own) : configs.length - 1]
  if (!chosen) throw new Error('an index has at least one image')
  return { image: images.find(chosen.config.descriptor.digest), response: packageResponse(made, output) }
}

function layoutOf(
  image: ImagePackage,
  output: Named,
  finished: readonly FinishedImage[],
): Omit<Layout, 'dockerManifest'> {
  return {
    manifests: named(image.root, output, finished[0]?.config.created),
    documents: [...image.configs, ...image.manifests],
    layers: image.layers,
  }
}

type Named = Pick<ArchiveOutput, 'names'>

export function packageResponse(image: ImagePackage, output: Named): ExporterResponse {
  const [only, ...more] = image.images
  return {
    'containerimage.digest': image.root.digest,
    // BuildKit: of several there is none to name.
    ...(only && more.length === 0 && { 'containerimage.config.digest': only.config.descriptor.digest }),
    'containerimage.descriptor': image.root,
    ...(output.names.length > 0 && { 'image.name': output.names.map(canonical).join(',') }),
  }
}

/** One entry of index.json for each name. */
function named(root: Descriptor, output: Named, created: string | undefined): Descriptor[] {
  const dated = created === undefined ? root : annotate(root, { 'org.opencontainers.image.created': created })
  if (output.names.length === 0) return [dated]
  return output.names.map((name) =>
    annotate(dated, {
      'io.containerd.image.name': canonical(name),
      'org.opencontainers.image.ref.name': name.tag ?? 'latest',
    }),
  )
}

/** Of docker's manifest.json. */
function dockerEntry(image: ImagePackage, output: ArchiveOutput): object {
  const pathOf = (digest: string) => `blobs/${digest.replace(':', '/')}`
  return {
    Config: pathOf(image.images[0]?.config.descriptor.digest ?? ''),
    RepoTags: output.names.map(familiar),
    Layers: image.layers.map((layer) => pathOf(layer.digest)),
  }
}
