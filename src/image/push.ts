import { group } from '../lib/group.ts'
import type { Op } from '../lib/op.ts'
import { canonical, familiarName, repositoryOf, type Reference } from '../lib/reference.ts'
import type { Repository } from '../registry/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Digest } from '../lib/digest.ts'
import { maxConfigSize, type Image } from './config.ts'
import type { LayerBlob } from './layer-blobs.ts'
import { manifestOf, type Document } from './manifest.ts'
import {
  compressionIn,
  line,
  remember,
  sendBlob,
  sendConfig,
  sendLayers,
  sendSmall,
  typeOf,
  Unavailable,
  type PushHost,
  type Pushing,
  type PushOptions,
} from './push-blobs.ts'
import { describeIndex, nameIndex, pushIndex } from './push-index.ts'
import { decodeManifest, maxManifest } from './registry-manifest.ts'

export type { PushHost, PushOptions } from './push-blobs.ts'

/**
 * Pushes what a tag stands for. An index goes whole where all of it is here or at the registry; else the image for this host alone,
 * and that is said. An image that was pulled or pushed before goes with the very manifest it had, so its digest stays; else one is
 * made. The digest becomes a name of the image.
 */
export async function pushImage(
  op: Op,
  reference: Reference,
  o: PushOptions & { host: PushHost },
): Promise<{ digest: Digest; size: number }> {
  const { host } = o
  const name = canonical(reference)
  const image = o.platform ? host.images.findFor(name, o.platform) : host.images.find(name)
  const repository = await openForPush(op, reference, o)
  const push: Pushing = { ...o, repository, reference }
  const index = o.platform ? undefined : host.images.indexOf(name)
  const whole = index && (await pushIndex(op, index, push))
  if (whole) {
    await nameIndex(op, index, { image, push })
    host.images.announceTransfer('push', image, reference)
    const { digest, size } = whole.descriptor
    tellDone(o, { tag: reference.tag ?? 'latest', digest, size })
    return { digest, size }
  }
  using lease = host.leases.open()
  lease.add(`blob:${image.id}`)
  for (const diffId of image.layers) lease.add(`layer:${diffId}`)
  for (const diffId of image.layers) o.report(line(diffId, 'Preparing'))
  const manifest = (await withOwnManifest(op, image, push)) ?? (await withNewManifest(op, image, push))
  await sendConfig(op, image, push)
  const { data, descriptor } = manifest
  await repository.putManifest(op, reference.tag ?? 'latest', { mediaType: descriptor.mediaType, data })
  await host.content.put(op, data)
  const byDigest = `${repositoryOf(reference)}@${descriptor.digest}`
  const config = await host.content.bytes(image.id, maxConfigSize)
  await host.images.adopt(op, config, { refs: [byDigest], lease })
  host.images.manifests.put({ ...descriptor, image: image.id, kind: 'image' })
  host.images.announceTransfer('push', image, reference)
  const { digest, size } = descriptor
  tellDone(o, { tag: reference.tag ?? 'latest', digest, size })
  // Docker's client makes its note of this.
  if (index)
    o.report({
      progressDetail: {},
      aux: {
        ManifestPushedInsteadOfIndex: true,
        OriginalIndex: await describeIndex(index, host),
        SelectedManifest: descriptor,
      },
    })
  return { digest, size }
}

/**
 * Pushes what a build made: layers that are in the content store or can be made from here, then documents (configs and
 * manifests, children first); the last one gets the tag.
 */
export async function pushDocuments(
  op: Op,
  reference: Reference,
  o: PushOptions & {
    host: PushHost
    layers: readonly LayerBlob[]
    configs: readonly Document[]
    manifests: readonly Document[]
  },
): Promise<void> {
  const { host } = o
  const repository = await openForPush(op, reference, o)
  const push: Pushing = { ...o, repository, reference }
  const tasks = unique(o.layers, (layer) => layer.digest).map((layer) => async (inner: Op) => {
    const blob = { mediaType: '', digest: layer.digest, size: layer.size }
    const open = () => host.images.blobs.read(inner, layer)
    const sent = await sendBlob(inner, blob, { push, diffId: layer.diffId, open })
    remember(push, layer.diffId, { ...sent, mediaType: typeOf(layer.compression) })
  })
  for (const { data, descriptor } of o.configs)
    tasks.push((inner) => sendSmall(inner, { ...descriptor, data }, push))
  await group(op, tasks, { limit: host.uploads })
  const top = o.manifests.at(-1)
  for (const { data, descriptor } of o.manifests) {
    const { mediaType, digest, size } = descriptor
    const tag = reference.tag ?? 'latest'
    const name = descriptor === top?.descriptor ? tag : digest
    await repository.putManifest(op, name, { mediaType, data })
    if (name === tag) tellDone(o, { tag, digest, size })
  }
}

async function openForPush(
  op: Op,
  reference: Reference,
  o: PushOptions & { host: PushHost },
): Promise<Repository> {
  o.report(pushBegins(reference))
  return await o.host.registries.repository(op, { ...reference, auth: o.auth, access: 'push' })
}

export const pushBegins = (reference: Reference): ProgressMessage => ({
  status: `The push refers to repository [${repositoryOf(reference)}]`,
})

function tellDone(
  o: PushOptions,
  { tag, digest, size }: { tag: string; digest: Digest; size: number },
): void {
  o.report({ status: `${tag}: digest: ${digest} size: ${size}` })
  o.report({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: size } })
}

/** undefined when there is no manifest, or one whose blobs are to be found nowhere. */
async function withOwnManifest(op: Op, image: Image, push: Pushing): Promise<Document | undefined> {
  const { host } = push
  const records = host.images.manifests.of(image.id).filter((record) => record.kind === 'image')
  for (const { digest, mediaType } of records.toReversed()) {
    if (!(await host.content.has(digest))) continue
    const data = await host.content.bytes(digest, maxManifest)
    const manifest = decodeManifest({ mediaType, digest, data }, familiarName(push.reference))
    if (manifest.kind !== 'image' || manifest.layers.length !== image.layers.length) continue
    try {
      await sendLayers(op, image, { push, wanted: manifest.layers })
      return { descriptor: { mediaType, digest, size: data.length }, data }
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
      op.log.info('an image is pushed with a manifest of its own: blobs of the one that it had are gone', {
        image: image.id,
        manifest: digest,
      })
    }
  }
  return undefined
}

async function withNewManifest(op: Op, image: Image, push: Pushing): Promise<Document> {
  const sent = await sendLayers(op, image, { push })
  const layers = sent.map(({ digest, size, mediaType }, index): LayerBlob => {
    const diffId = image.layers[index] ?? digest
    return { diffId, digest, size, compression: compressionIn(mediaType) }
  })
  const size = await push.host.content.size(image.id)
  return manifestOf({ config: { digest: image.id, size }, layers, oci: false })
}

function unique<T, K>(items: readonly T[], key: (item: T) => K): T[] {
  return [...new Map(items.map((item) => [key(item), item])).values()]
}
