import type { Image, ImageManifests, ManifestPart } from '../../image/index.ts'
import { familiar, parseReference } from '../../lib/reference.ts'
import { sortedByKey } from './sorted-by-key.ts'
import type {
  ImageInspect,
  ImageManifestSummary,
  ImageSummary,
  ManifestDescriptor,
} from '../../wire/image.ts'

const seconds = (time: string | undefined) => Math.floor(Date.parse(time ?? '') / 1000) || 0

const familiarOf = (ref: string) => familiar(parseReference(ref))

export function encodeSummary(
  image: Image,
  o: { sharedSize: number; containers: number; minor: number },
): ImageSummary {
  const tags = image.refs.map(familiarOf)
  const digests = image.digests.map(familiarOf)
  // Docker: before 1.43 nameless images had a name that said so.
  const old = o.minor < 43
  return {
    Id: image.id,
    ParentId: '',
    RepoTags: tags.length === 0 && old ? ['<none>:<none>'] : tags,
    RepoDigests: digests.length === 0 && old ? ['<none>@<none>'] : digests,
    Created: seconds(image.createdAt),
    Size: image.size,
    SharedSize: o.sharedSize,
    Labels: image.config.config?.Labels ? sortedByKey(image.config.config.Labels) : null,
    Containers: o.containers,
  }
}

interface Asking {
  /** Of the API. */
  readonly minor: number
  /** `User-Agent`. */
  readonly agent: string
}

/**
 * What older clients look for. docker-compose 1 (Debian 12) speaks the newest version that it is offered, and makes no container
 * anew without `ContainerConfig`, which docker leaves out since 1.45.
 */
export function olderInspect({ config, size }: Image, { minor, agent }: Asking): object {
  return {
    ...(minor < 44 && { VirtualSize: size }),
    ...((minor < 45 || agent.startsWith('docker-compose/1.')) && { ContainerConfig: config.config ?? {} }),
  }
}

export function encodeInspect(image: Image, graph: Record<string, string>): ImageInspect {
  const { config } = image
  return {
    Id: image.id,
    RepoTags: image.refs.map(familiarOf),
    RepoDigests: image.digests.map(familiarOf),
    Parent: '',
    Comment: config.history?.at(-1)?.comment ?? '',
    ...(config.created === undefined ? {} : { Created: config.created }),
    Author: config.author ?? '',
    Config: config.config ?? {},
    Architecture: config.architecture,
    ...(config.variant === undefined ? {} : { Variant: config.variant }),
    Os: config.os,
    Size: image.size,
    GraphDriver: { Name: 'overlayfs', Data: graph },
    RootFS: { Type: 'layers', Layers: [...image.layers] },
    Metadata: { LastTagTime: image.lastTaggedAt ?? '0001-01-01T00:00:00Z' },
  }
}

/** What `manifests=1` adds to an image. `users`: ids of the containers of an image. */
export function encodeManifests(
  { target, manifests }: ImageManifests,
  users: (image: string) => string[],
): { Descriptor: ManifestDescriptor; Manifests: ImageManifestSummary[] } {
  return { Descriptor: target, Manifests: manifests.map((part) => encodePart(part, users)) }
}

function encodePart(part: ManifestPart, users: (image: string) => string[]): ImageManifestSummary {
  const { descriptor, available, content } = part
  const unpacked = part.kind === 'image' ? (part.image?.size ?? 0) : 0
  const common = {
    ID: descriptor.digest,
    Descriptor: descriptor,
    Available: available,
    Size: { Content: content, Total: content + unpacked },
  }
  switch (part.kind) {
    case 'image':
      return {
        ...common,
        Kind: 'image',
        ImageData: {
          Platform: part.platform,
          Containers: part.image ? users(part.image.id) : [],
          Size: { Unpacked: unpacked },
        },
      }
    case 'attestation':
      return { ...common, Kind: 'attestation', AttestationData: { For: part.for } }
    case 'unknown':
      return { ...common, Kind: 'unknown' }
  }
}
