import {
  documentOf,
  dockerTypes,
  layoutArchive,
  manifestOf,
  needsOci,
  ociTypes,
  type Descriptor,
  type Images,
  type OciImage,
} from '../../image/index.ts'
import { digestOf } from '../../lib/digest.ts'
import { group } from '../../lib/group.ts'
import type { Op } from '../../lib/op.ts'
import { canonical, familiar } from '../../lib/reference.ts'
import type { Lease } from '../../store/index.ts'
import type { Io } from '../solver/vertex.ts'
import type { ExporterResponse } from './deliver.ts'
import type { ArchiveOutput } from './outputs.ts'

/** Sends the image as an OCI layout, for `docker` as a docker-archive too. */
export async function sendArchive(
  op: Op,
  output: ArchiveOutput,
  o: { config: OciImage; images: Images; lease: Lease; io: Io },
): Promise<ExporterResponse> {
  const { images, lease, io } = o
  const { annotations } = output.manifest
  const layersDone = io.status('exporting layers')
  const form = output.manifest.layers
  const layers = await group(
    op,
    o.config.rootfs.diff_ids.map(
      (diffId) => (inner) => images.blobs.describe(inner, diffId, { form, lease }),
    ),
    { limit: 2 },
  )
  layersDone()
  const data = Buffer.from(JSON.stringify(o.config))
  const oci = needsOci({ layers, oci: output.manifest.ociTypes })
  const types = oci ? ociTypes : dockerTypes
  const config = {
    descriptor: { mediaType: types.config, digest: digestOf(data), size: data.length },
    data,
  }
  const manifest = manifestOf({
    config: config.descriptor,
    layers,
    oci,
    annotations: annotations.get('manifest') ?? {},
  })
  const top = { ...manifest.descriptor, ...annotated(annotations.get('manifest-descriptor')) }
  io.status(`exporting manifest ${manifest.descriptor.digest}`)()
  io.status(`exporting config ${config.descriptor.digest}`)()
  const documents = [config, manifest]
  // An index of its own only where something has to stand in it.
  const indexAnnotations = annotations.get('index')
  let root: Descriptor = top
  if (indexAnnotations) {
    const { architecture, os, variant } = o.config
    const platform = { architecture, os, ...(variant !== undefined && { variant }) }
    const index = documentOf(ociTypes.index, {
      schemaVersion: 2,
      mediaType: ociTypes.index,
      manifests: [{ ...top, platform }],
      annotations: indexAnnotations,
    })
    io.status(`exporting manifest list ${index.descriptor.digest}`)()
    documents.push(index)
    root = index.descriptor
  }
  root = { ...root, ...annotated(annotations.get('index-descriptor'), root.annotations) }
  const sent = io.status('sending tarball')
  const archive = layoutArchive(
    op,
    {
      manifests: named(root, output, o.config.created),
      documents,
      layers,
      ...(output.format === 'docker' && {
        dockerManifest: [
          {
            Config: `blobs/${config.descriptor.digest.replace(':', '/')}`,
            RepoTags: output.names.map(familiar),
            Layers: layers.map((layer) => `blobs/${layer.digest.replace(':', '/')}`),
          },
        ],
      }),
    },
    images.blobs,
  )
  await output.send(op, archive)
  sent()
  return {
    'containerimage.digest': root.digest,
    'containerimage.config.digest': config.descriptor.digest,
    'containerimage.descriptor': root,
    ...(output.names.length > 0 && { 'image.name': output.names.map(canonical).join(',') }),
  }
}

/** One entry of index.json for each name. */
function named(root: Descriptor, output: ArchiveOutput, created: string | undefined): Descriptor[] {
  const own = {
    ...root.annotations,
    ...(created !== undefined && { 'org.opencontainers.image.created': created }),
  }
  if (output.names.length === 0) return [{ ...root, ...annotated(own) }]
  return output.names.map((name) => ({
    ...root,
    annotations: {
      ...own,
      'io.containerd.image.name': canonical(name),
      'org.opencontainers.image.ref.name': name.tag ?? 'latest',
    },
  }))
}

function annotated(
  annotations: Readonly<Record<string, string>> | undefined,
  below?: Readonly<Record<string, string>>,
): { annotations?: Record<string, string> } {
  const all = { ...below, ...annotations }
  return Object.keys(all).length > 0 ? { annotations: all } : {}
}
