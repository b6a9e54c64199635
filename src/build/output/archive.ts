import { layoutArchive, type Descriptor, type Images } from '../../image/index.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, familiar } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { Io } from '../solver/vertex.ts'
import type { ExporterResponse } from './deliver.ts'
import type { ArchiveOutput } from './outputs.ts'
import { annotate, packageImages, type FinishedImage, type ImagePackage } from './package.ts'

/** Sends the images as an OCI layout, for `docker` (which has one) as a docker-archive too. */
export async function sendArchive(
  op: Op,
  output: ArchiveOutput,
  o: { finished: readonly FinishedImage[]; images: Images; lease: Lease; io: Io },
): Promise<ExporterResponse> {
  const image = await packageImages(op, output.manifest, { ...o, names: output.names })
  const sent = o.io.status('sending tarball')
  const layout = {
    manifests: named(image.root, output, o.finished[0]?.config.created),
    documents: [...image.configs, ...image.manifests],
    layers: image.layers,
    ...(output.format === 'docker' && { dockerManifest: [dockerEntry(image, output)] }),
  }
  await output.send(op, layoutArchive(op, layout, o.images.blobs))
  sent()
  return packageResponse(image, output)
}

export function packageResponse(image: ImagePackage, output: Pick<ArchiveOutput, 'names'>): ExporterResponse {
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
function named(root: Descriptor, output: ArchiveOutput, created: string | undefined): Descriptor[] {
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
