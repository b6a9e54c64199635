import type { ContentStore } from '../content/index.ts'
import { hexOf, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import { shortId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import { canonical, familiar, repositoryOf, type Reference } from '../lib/reference.ts'
import { RegistryError, type FetchedManifest, type Registries, type Repository } from '../registry/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Lease, Leases } from '../store/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { ChosenManifest } from './choose-manifest.ts'
import { decodeConfig, maxConfigSize, type Image, type OciImage } from './config.ts'
import { fetchLayer, type LayerNews } from './fetch-layer.ts'
import type { Images } from './images.ts'
import type { LayerSources } from './layer-sources.ts'
import { formatPlatform, platformOf, suits } from './platform.ts'
import { LayerProgress } from './pull-progress.ts'
import { partsOf, type ImageManifest, type IndexManifest } from './registry-manifest.ts'
import type { SharedWork } from './shared-work.ts'

export interface PullHost {
  readonly registries: Registries
  readonly images: Images
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly leases: Leases
  readonly sources: LayerSources
  /** Layers on their way, by blob and diffID. */
  readonly layers: SharedWork<string, LayerNews, void>
  /** Layers of one pull at the same time. */
  readonly downloads: number
}

/** A pull under way. */
export interface Pulling {
  readonly host: PullHost
  readonly repository: Repository
  readonly reference: Reference
  /** That was asked for. */
  readonly platform: Platform | undefined
  readonly report: (message: ProgressMessage) => void
  readonly lease: Lease
  /** What was not here before. */
  readonly made: { layers: Set<DiffId>; blobs: Set<Digest> }
}

/** Fetches what a manifest is made of, and makes it an image under the reference's names. `top` is what the reference leads to. */
export async function bringImage(
  op: Op,
  o: ChosenManifest & { top: FetchedManifest },
  p: Pulling,
): Promise<Image> {
  const { host, reference, lease } = p
  const { images, content } = host
  const name = familiar(reference)
  const { config, data } = await fetchConfig(op, o.manifest, p)
  checkPlatform(config, { wanted: p.platform, name })
  const diffIds = config.rootfs.diff_ids
  if (diffIds.length !== o.manifest.layers.length)
    throw new EngineError(
      'invalid',
      `${name}: its configuration has ${diffIds.length} layers, its manifest ${o.manifest.layers.length}`,
    )
  const known = images.has(o.manifest.config.digest)
  await fetchLayers(op, { manifest: o.manifest, diffIds, known, p })
  for (const manifest of new Set([o.own, o.top])) {
    lease.add(`blob:${manifest.digest}`)
    if (!(await content.has(manifest.digest))) p.made.blobs.add(manifest.digest)
    await content.put(op, manifest.data)
  }
  const byDigest = `${repositoryOf(reference)}@${o.top.digest}`
  const refs = reference.digest === undefined ? [canonical(reference), byDigest] : [byDigest]
  const index =
    o.top.digest === o.own.digest
      ? undefined
      : { digest: o.top.digest, mediaType: o.top.mediaType, manifest: o.own.digest }
  const image = await images.adopt(op, data, { refs, lease, index })
  for (const [index, layer] of o.manifest.layers.entries()) {
    const diffId = diffIds[index]
    if (diffId !== undefined) host.sources.add(diffId, layer, repositoryOf(reference))
  }
  const { own, top } = o
  if (top.digest !== own.digest)
    images.manifests.put({ digest: top.digest, mediaType: top.mediaType, image: image.id, kind: 'index' })
  images.manifests.put({ digest: own.digest, mediaType: own.mediaType, image: image.id, kind: 'image' })
  images.announceTransfer('pull', image, reference)
  return image
}

/** What an index leads to beside images, byte by byte: attestations. */
export async function bringRest(
  op: Op,
  o: { index: IndexManifest; top: FetchedManifest },
  p: Pulling,
): Promise<void> {
  const { content, images } = p.host
  const kept: Digest[] = []
  const hold = (blob: Digest) => {
    p.lease.add(`blob:${blob}`)
    kept.push(blob)
  }
  for (const item of o.index.all.filter((one) => !o.index.images.includes(one))) {
    const { digest, data } = await p.repository.manifest(op, item.digest)
    hold(digest)
    p.made.blobs.add(digest)
    await content.put(op, data)
    for (const blob of partsOf(data, familiar(p.reference))) {
      hold(blob.digest)
      if (await content.has(blob.digest)) continue
      p.made.blobs.add(blob.digest)
      const { digest: expected, size: maxBytes } = blob
      await content.write(op, p.repository.blob(op, blob), { expected, maxBytes, lease: p.lease })
    }
  }
  images.keepWithIndex(o.top.digest, kept)
}

async function fetchConfig(
  op: Op,
  manifest: ImageManifest,
  p: Pulling,
): Promise<{ config: OciImage; data: Buffer }> {
  const { digest, size } = manifest.config
  const { content } = p.host
  p.lease.add(`blob:${digest}`)
  if (size > maxConfigSize)
    throw new EngineError(
      'invalid',
      `the configuration of ${familiar(p.reference)} has ${size} bytes: more than the ${maxConfigSize} allowed`,
    )
  if (!(await content.has(digest))) {
    await content.write(op, p.repository.blob(op, manifest.config), {
      expected: digest,
      maxBytes: size,
      lease: p.lease,
    })
    p.made.blobs.add(digest)
  }
  const data = await content.bytes(digest, maxConfigSize)
  return { config: decodeConfig(data, familiar(p.reference)), data }
}

function checkPlatform(config: OciImage, o: { wanted: Platform | undefined; name: string }): void {
  const platform = platformOf(config)
  if (config.os !== 'linux')
    throw new EngineError(
      'unsupported',
      `image operating system "${config.os}" cannot be used on this platform`,
    )
  if (o.wanted && !suits(platform, o.wanted))
    throw new EngineError(
      'not-found',
      `image with reference ${o.name} was found but its platform (${formatPlatform(platform)}) does not match the specified platform (${formatPlatform(o.wanted)})`,
    )
}

async function fetchLayers(
  op: Op,
  o: { manifest: ImageManifest; diffIds: readonly DiffId[]; known: boolean; p: Pulling },
): Promise<void> {
  const { p } = o
  const { snapshots, layers } = p.host
  const todo = o.manifest.layers.flatMap((descriptor, index) => {
    const diffId = o.diffIds[index]
    return diffId === undefined ? [] : [{ descriptor, diffId, id: shortId(hexOf(descriptor.digest)) }]
  })
  for (const { diffId, descriptor } of todo) {
    p.lease.add(`layer:${diffId}`)
    p.lease.add(`blob:${descriptor.digest}`)
  }
  const missing = todo.filter(({ diffId, id }) => {
    const here = snapshots.layer(diffId) !== undefined
    // Docker: not a word of the layers of an image that is here.
    if (here && o.known) return false
    p.report({ status: here ? 'Already exists' : 'Pulling fs layer', id, progressDetail: {} })
    return !here
  })
  for (const { id } of missing.slice(p.host.downloads))
    p.report({ status: 'Waiting', id, progressDetail: {} })
  const tasks = missing.map(({ diffId, descriptor, id }) => async (inner: Op) => {
    const progress = new LayerProgress(id, p.report)
    if (!snapshots.layer(diffId)) p.made.layers.add(diffId)
    p.made.blobs.add(descriptor.digest)
    try {
      await layers.join(inner, `${descriptor.digest} ${diffId}`, {
        tell: (news) => progress.tell(news),
        work: async (shared, tell) => {
          using lease = p.host.leases.open()
          const { repository, host } = p
          await fetchLayer(shared, { ...host, repository, descriptor, diffId, lease, tell })
        },
      })
    } catch (cause) {
      if (!(cause instanceof EngineError) || cause instanceof RegistryError) throw cause
      const what = `failed to register layer ${id} of ${familiar(p.reference)}`
      throw new EngineError(cause.kind, `${what}: ${cause.message}`, { cause })
    }
    progress.done()
  })
  await group(op, tasks, { limit: p.host.downloads })
}
