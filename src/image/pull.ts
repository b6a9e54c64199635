import { group } from '../lib/group.ts'
import type { ContentStore } from '../content/index.ts'
import { hexOf, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import { canonical, familiar, repositoryOf, withDefaultTag, type Reference } from '../lib/reference.ts'
import { RegistryError, type FetchedManifest, type Registries, type Repository } from '../registry/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Leases } from '../store/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { AuthConfig, Platform } from '../wire/registry.ts'
import { decodeConfig, type Image, type OciImage } from './config.ts'
import { fetchLayer, type LayerNews } from './fetch-layer.ts'
import { maxConfigSize, type Images } from './images.ts'
import type { LayerSources } from './layer-sources.ts'
import { choosePlatform, formatPlatform, hostPlatform, platformOf, suits } from './platform.ts'
import { LayerProgress } from './pull-progress.ts'
import {
  decodeManifest,
  partsOf,
  type ImageManifest,
  type IndexManifest,
  type RegistryDescriptor,
} from './registry-manifest.ts'
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

export interface PullOptions {
  readonly auth: AuthConfig | undefined
  /** Absent: the host's own. `all`: every image of the index, with what else it leads to. */
  readonly platform?: Platform | 'all' | undefined
  readonly report: (message: ProgressMessage) => void
}

export interface Pulled {
  /** The one for this host, or for the platform that was asked for. */
  readonly image: Image
  /** What the reference leads to at the registry: an index, or the image's own manifest. */
  readonly digest: Digest
  /** False: it was here already, under this name. */
  readonly newer: boolean
}

/** Pulls one tag or digest. Failed or cancelled, nothing of it is left. */
export async function pullImage(
  op: Op,
  ref: Reference,
  o: PullOptions & { host: PullHost },
): Promise<Pulled> {
  const reference = withDefaultTag(ref)
  const { host, report } = o
  const repository = await host.registries.repository(op, { ...reference, auth: o.auth, access: 'pull' })
  const wanted = reference.digest ?? reference.tag ?? 'latest'
  const top = await manifestOf(op, { repository, wanted, reference })
  report({ status: `Pulling from ${reference.path}`, id: wanted })
  const name = familiar(reference)
  const index = o.platform === 'all' ? decodeManifest(top, name) : undefined
  const chosen =
    index?.kind === 'index'
      ? await everyImage(op, { index, repository, report, name })
      : [await chooseImage(op, { top, name, repository, platform: platformIn(o) })]
  const before = host.images.stateOf(canonical(reference))
  using lease = host.leases.open()
  const made = { layers: new Set<DiffId>(), blobs: new Set<Digest>() }
  try {
    const pulling: Pulling = { ...o, platform: platformIn(o), repository, reference, lease, made }
    let image: Image | undefined
    for (const each of chosen) image = await bring(op, { top, ...each }, pulling)
    if (!image) throw new EngineError('not-found', `${name}: its index has no image for linux`)
    if (index?.kind === 'index') await bringRest(op, { index, top }, pulling)
    if (o.platform === 'all' && reference.digest === undefined) image = host.images.find(canonical(reference))
    const newer = before !== host.images.stateOf(canonical(reference))
    report({ status: `Digest: ${top.digest}` })
    report({
      status: newer
        ? `Status: Downloaded newer image for ${name}`
        : `Status: Image is up to date for ${name}`,
    })
    return { image, digest: top.digest, newer }
  } finally {
    lease[Symbol.dispose]()
    await host.images.dropUnused(op, made)
  }
}

const platformIn = (o: PullOptions): Platform | undefined => (o.platform === 'all' ? undefined : o.platform)

interface Pulling extends PullOptions {
  readonly platform: Platform | undefined
  readonly host: PullHost
  readonly repository: Repository
  readonly reference: Reference
  readonly lease: ReturnType<Leases['open']>
  /** What was not here before. */
  readonly made: { layers: Set<DiffId>; blobs: Set<Digest> }
}

interface Chosen {
  readonly top: FetchedManifest
  readonly own: FetchedManifest
  readonly manifest: ImageManifest
}

async function bring(op: Op, o: Chosen, p: Pulling): Promise<Image> {
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

async function manifestOf(
  op: Op,
  o: { repository: Repository; wanted: string; reference: Reference },
): Promise<FetchedManifest> {
  const { reference } = o
  try {
    return await o.repository.manifest(op, o.wanted)
  } catch (cause) {
    throw accessError(cause, reference)
  }
}

/** Docker's texts: a registry that hides what exists says 401, 403 or 404 for the same thing. */
export function accessError(cause: unknown, reference: Reference): unknown {
  if (!(cause instanceof RegistryError)) return cause
  const name = familiar({ domain: reference.domain, path: reference.path })
  if (cause.kind === 'unauthorized' || cause.kind === 'forbidden' || cause.code === 'NAME_UNKNOWN') {
    const why = `pull access denied for ${name}, repository does not exist or may require 'docker login': ${cause.message}`
    return new EngineError('not-found', why, { cause })
  }
  if (cause.kind === 'not-found')
    return new EngineError('not-found', `manifest for ${familiar(reference)} not found: ${cause.message}`, {
      cause,
    })
  return cause
}

async function chooseImage(
  op: Op,
  o: { top: FetchedManifest; name: string; repository: Repository; platform: Platform | undefined },
): Promise<{ own: FetchedManifest; manifest: ImageManifest }> {
  const { top, name, repository } = o
  let own = top
  for (let depth = 0; depth < 3; depth++) {
    const manifest = decodeManifest(own, name)
    if (manifest.kind === 'image') return { own, manifest }
    const { digest } = choose(manifest, o)
    own = await repository.manifest(op, digest)
  }
  throw new EngineError('invalid', `${name}: its indexes are nested too deeply`)
}

/** All of an index that can be kept here. */
async function everyImage(
  op: Op,
  o: {
    index: IndexManifest
    repository: Repository
    name: string
    report: (message: ProgressMessage) => void
  },
): Promise<{ own: FetchedManifest; manifest: ImageManifest }[]> {
  const found: { own: FetchedManifest; manifest: ImageManifest }[] = []
  for (const { digest, platform } of o.index.images) {
    if (platform && platform.os !== 'linux') {
      o.report({ status: `Left out ${formatPlatform(platform)}: only images for linux can be kept` })
      continue
    }
    const own = await o.repository.manifest(op, digest)
    const manifest = decodeManifest(own, o.name)
    if (manifest.kind === 'index')
      throw new EngineError(
        'unsupported',
        `${o.name}: an index within its index cannot be pulled with all platforms`,
      )
    found.push({ own, manifest })
  }
  return found
}

/** What an index leads to beside images, byte by byte: attestations. */
async function bringRest(
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

function choose(
  index: IndexManifest,
  o: { name: string; platform: Platform | undefined },
): RegistryDescriptor {
  const wanted = o.platform ?? hostPlatform()
  const found = choosePlatform(index.images, wanted)
  // An index of one image may leave out for what it is; the image's configuration tells.
  const [only, ...others] = index.images
  if (found) return found
  if (only && others.length === 0 && only.platform === undefined) return only
  const has = index.images.flatMap(({ platform }) => (platform ? [formatPlatform(platform)] : []))
  throw new EngineError(
    'not-found',
    `no matching manifest for ${formatPlatform(wanted)} in the manifest list entries of ${o.name}${has.length > 0 ? `: it has ${[...new Set(has)].join(', ')}` : ''}`,
  )
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
    await layers.join(inner, `${descriptor.digest} ${diffId}`, {
      tell: (news) => progress.tell(news),
      work: async (shared, tell) => {
        using lease = p.host.leases.open()
        const { repository, host } = p
        await fetchLayer(shared, { ...host, repository, descriptor, diffId, lease, tell })
      },
    })
    progress.done()
  })
  await group(op, tasks, { limit: p.host.downloads })
}
