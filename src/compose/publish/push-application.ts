/** A Compose application as a manifest of a registry, to the byte as docker compose 2.40 makes it. */
import { Readable } from 'node:stream'
import { digestOf, type Digest } from '../../lib/digest.ts'
import type { Op } from '../../lib/op.ts'
import { RegistryError, type Repository } from '../../registry/index.ts'
import { composeVersion } from '../labels.ts'
import { annotation, emptyConfigType, envFileType, fileType, projectType } from '../remote/artifact.ts'
import type { ApplicationFile } from './application-files.ts'

const ociVersions = ['1.0', '1.1'] as const
export type OciVersion = (typeof ociVersions)[number]

interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
  readonly annotations?: Readonly<Record<string, string>>
  readonly data?: string
  readonly artifactType?: string
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'
const emptyType = 'application/vnd.oci.empty.v1+json'
const version = { [annotation.version]: composeVersion }

/** Without a version: 1.1, or 1.0 where the registry refuses that. Returns what was stored under the tag. */
export async function pushApplication(
  op: Op,
  repository: Repository,
  o: { tag: string; files: readonly ApplicationFile[]; version?: OciVersion | undefined },
): Promise<Descriptor> {
  const layers: Descriptor[] = []
  for (const file of o.files) layers.push(await store(op, repository, layerOf(file), file.content))
  await store(op, repository, emptyConfig('1.1'), '{}')
  if (o.version !== undefined) return await put(op, repository, { layers, tag: o.tag, version: o.version })
  try {
    return await put(op, repository, { layers, tag: o.tag, version: '1.1' })
  } catch (error) {
    // It may be of a time before artifacts had a type.
    if (!(error instanceof RegistryError) || !isRefusal(error.status)) throw error
    return await put(op, repository, { layers, tag: o.tag, version: '1.0' })
  }
}

/** `--app`: a list of the images that the application uses, which refers to it. */
export async function pushImageList(
  op: Op,
  repository: Repository,
  o: { application: Descriptor; images: readonly object[] },
): Promise<void> {
  const { data: _, ...subject } = o.application
  const index = { schemaVersion: 2, mediaType: indexType, manifests: o.images, subject, annotations: version }
  const data = Buffer.from(JSON.stringify(index))
  await repository.putManifest(op, digestOf(data), { mediaType: indexType, data })
}

function isRefusal(status: number | undefined): boolean {
  return status !== undefined && status >= 400 && status < 500 && ![401, 403, 407].includes(status)
}

function layerOf({ kind, name }: ApplicationFile): Pick<Descriptor, 'mediaType' | 'annotations'> {
  if (kind === 'env')
    return { mediaType: envFileType, annotations: { [annotation.envFile]: name, ...version } }
  return {
    mediaType: fileType,
    annotations: {
      ...(kind === 'extended' && { [annotation.extends]: 'true' }),
      [annotation.file]: name,
      ...version,
    },
  }
}

function emptyConfig(of: OciVersion): Pick<Descriptor, 'mediaType'> {
  return { mediaType: of === '1.0' ? emptyConfigType : emptyType }
}

function descriptorOf(
  { mediaType, annotations }: Pick<Descriptor, 'mediaType' | 'annotations'>,
  content: string,
): Descriptor {
  return {
    mediaType,
    digest: digestOf(content),
    size: Buffer.byteLength(content),
    ...(annotations && { annotations }),
    data: Buffer.from(content).toString('base64'),
  }
}

async function store(
  op: Op,
  repository: Repository,
  kind: Pick<Descriptor, 'mediaType' | 'annotations'>,
  content: string,
): Promise<Descriptor> {
  const descriptor = descriptorOf(kind, content)
  const { digest, size } = descriptor
  if (!(await repository.hasBlob(op, digest)))
    await repository.upload(op, { blob: { digest, size }, open: () => Readable.from([Buffer.from(content)]) })
  return descriptor
}

async function put(
  op: Op,
  repository: Repository,
  o: { layers: readonly Descriptor[]; tag: string; version: OciVersion },
): Promise<Descriptor> {
  const manifest = {
    schemaVersion: 2,
    mediaType: manifestType,
    ...(o.version === '1.1' && { artifactType: projectType }),
    config: descriptorOf(emptyConfig(o.version), '{}'),
    layers: o.layers,
    annotations: { 'org.opencontainers.image.created': new Date().toISOString().replace(/\.\d+Z$/, 'Z') },
  }
  const data = Buffer.from(JSON.stringify(manifest))
  const digest = await repository.putManifest(op, o.tag, { mediaType: manifestType, data })
  return {
    mediaType: manifestType,
    digest,
    size: data.length,
    annotations: version,
    ...(o.version === '1.1' && { artifactType: projectType }),
  }
}
