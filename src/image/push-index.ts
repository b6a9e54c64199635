import type { Op } from '../lib/op.ts'
import { familiarName, repositoryOf } from '../lib/reference.ts'
import { maxConfigSize, type Image } from './config.ts'
import type { IndexRecord } from './indexes.ts'
import type { Document } from './manifest.ts'
import {
  sendConfig,
  sendLayers,
  Unavailable,
  uploading,
  type Pushing,
  type PushHost,
  type Sent,
} from './push-blobs.ts'
import { type RegistryDescriptor, decodeManifest, maxManifest, partsOf } from './registry-manifest.ts'

export async function describeIndex({ digest, mediaType }: IndexRecord, host: PushHost): Promise<Sent> {
  return { mediaType, digest, size: await host.content.size(digest) }
}

/** The whole index, children first; undefined when some of it is neither here nor at the registry. */
export async function pushIndex(op: Op, index: IndexRecord, push: Pushing): Promise<Document | undefined> {
  const { content, images, leases } = push.host
  const { repository } = push
  const name = familiarName(push.reference)
  using lease = leases.open()
  for (const blob of [index.digest, ...index.blobs]) lease.add(`blob:${blob}`)
  const data = await content.bytes(index.digest, maxManifest)
  const decoded = decodeManifest({ ...index, data }, name)
  if (decoded.kind !== 'index') return undefined
  const here: RegistryDescriptor[] = []
  for (const child of decoded.all)
    if (await content.has(child.digest)) here.push(child)
    else if (!(await uploading(() => repository.head(op, child.digest)))) return undefined
  try {
    for (const child of here) {
      const bytes = await content.bytes(child.digest, maxManifest)
      const id = index.members.find(({ manifest }) => manifest === child.digest)?.image
      if (id !== undefined && images.has(id)) await sendMember(op, images.find(id), { child, bytes, push })
      else await sendParts(op, bytes, push)
      await repository.putManifest(op, child.digest, { mediaType: child.mediaType, data: bytes })
    }
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    op.log.info('an index is not pushed whole: not all of its content is here', { index: index.digest })
    return undefined
  }
  const descriptor = await describeIndex(index, push.host)
  const tag = push.reference.tag ?? 'latest'
  await repository.putManifest(op, tag, { mediaType: index.mediaType, data })
  return { descriptor, data }
}

/** The repository has the index by its digest: that is a name of it now. */
export async function nameIndex(
  op: Op,
  index: IndexRecord,
  o: { image: Image; push: Pushing },
): Promise<void> {
  const { image, push } = o
  const { images, content, leases } = push.host
  const manifest = index.members.find((member) => member.image === image.id)?.manifest
  if (manifest === undefined) return
  using lease = leases.open()
  const config = await content.bytes(image.id, maxConfigSize)
  const refs = [`${repositoryOf(push.reference)}@${index.digest}`]
  await images.adopt(op, config, { refs, lease, index: { ...index, manifest } })
}

async function sendMember(
  op: Op,
  image: Image,
  o: { child: RegistryDescriptor; bytes: Buffer; push: Pushing },
): Promise<void> {
  const { child, bytes, push } = o
  using lease = push.host.leases.open()
  lease.add(`blob:${image.id}`)
  for (const diffId of image.layers) lease.add(`layer:${diffId}`)
  const manifest = decodeManifest({ ...child, data: bytes }, familiarName(push.reference))
  if (manifest.kind !== 'image') throw new Unavailable()
  await sendLayers(op, image, { push, wanted: manifest.layers })
  await sendConfig(op, image, push)
}

/** What an attestation is made of. */
async function sendParts(op: Op, manifest: Buffer, push: Pushing): Promise<void> {
  const { content } = push.host
  for (const { digest, size } of partsOf(manifest, familiarName(push.reference))) {
    if (await uploading(() => push.repository.hasBlob(op, digest))) continue
    if (!(await content.has(digest))) throw new Unavailable()
    const open = () => content.read(digest)
    await uploading(() => push.repository.upload(op, { blob: { digest, size }, open }))
  }
}
