import { Readable } from 'node:stream'
import { compressionOf, peek } from '../host/decompress.ts'
import { digestOf, hexOf, type Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import { group } from '../lib/group.ts'
import { shortId } from '../lib/id.ts'
import type { Op } from '../lib/op.ts'
import { formatProgress } from '../lib/progress-bar.ts'
import { repositoryOf, type Reference } from '../lib/reference.ts'
import { noCredentials, RegistryError, type Repository } from '../registry/index.ts'
import type { DiffId } from '../snapshot/index.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { AuthConfig, Platform } from '../wire/registry.ts'
import type { PullHost } from './bring-image.ts'
import { maxConfigSize, type Image } from './config.ts'
import type { LayerCompression, LayerForm } from './layer-blobs.ts'
import { dockerTypes } from './manifest.ts'
import type { RegistryDescriptor } from './registry-manifest.ts'

export interface PushHost extends Pick<
  PullHost,
  'registries' | 'images' | 'content' | 'snapshots' | 'leases' | 'sources'
> {
  /** Layers of one push at the same time. */
  readonly uploads: number
}

export interface PushOptions {
  readonly auth: AuthConfig | undefined
  /** Of an image for several platforms only this one, without the index. */
  readonly platform?: Platform | undefined
  readonly report: (message: ProgressMessage) => void
}

/** A blob that the registry has now. */
export interface Sent {
  readonly mediaType: string
  readonly digest: Digest
  readonly size: number
}

export type Pushing = PushOptions & { host: PushHost; repository: Repository; reference: Reference }

/** What a manifest of the image needs is neither here nor at the registry. */
export class Unavailable extends Error {}

export async function sendLayers(
  op: Op,
  image: Image,
  o: { push: Pushing; wanted?: readonly RegistryDescriptor[] },
): Promise<Sent[]> {
  const { push } = o
  const place = new Map<DiffId, number>()
  for (const [index, diffId] of image.layers.entries()) if (!place.has(diffId)) place.set(diffId, index)
  const positions = [...place.values()]
  for (const index of positions.slice(push.host.uploads)) {
    const diffId = image.layers[index]
    if (diffId !== undefined) push.report(line(diffId, 'Waiting'))
  }
  const sent = new Map<DiffId, Sent>()
  let unavailable: Unavailable | undefined
  const tasks = [...place].map(([diffId, index]) => async (inner: Op) => {
    const wanted = o.wanted?.[index]
    if (unavailable) return
    try {
      const blob = wanted
        ? await sendWanted(inner, diffId, { push, wanted })
        : await sendAny(inner, diffId, push)
      remember(push, diffId, blob)
      sent.set(diffId, blob)
    } catch (error) {
      // No failure of the push: what the others have begun at the registry is brought to its end, not cut off.
      if (!(error instanceof Unavailable)) throw error
      unavailable = error
    }
  })
  await group(op, tasks, { limit: push.host.uploads })
  if (unavailable) throw unavailable
  return image.layers.flatMap((diffId) => sent.get(diffId) ?? [])
}

/** The layer as this very blob. Throws Unavailable when it is nowhere. */
async function sendWanted(
  op: Op,
  diffId: DiffId,
  o: { push: Pushing; wanted: RegistryDescriptor },
): Promise<Sent> {
  const { content, sources } = o.push.host
  const { mediaType, digest, size } = o.wanted
  const here = await content.has(digest)
  const known = sources.of(diffId).find((one) => one.digest === digest)
  const blob = { mediaType, digest, size, repositories: known?.repositories ?? [] }
  return await sendBlob(op, blob, { push: o.push, diffId, ...(here && { open: () => content.read(digest) }) })
}

/** The layer in whatever form the registry has it, we have it, or, at last, as it is compressed on its way. */
async function sendAny(op: Op, diffId: DiffId, push: Pushing): Promise<Sent> {
  const { sources, content, snapshots } = push.host
  for (const known of sources.of(diffId))
    if (await push.repository.hasBlob(op, known.digest)) {
      push.report(line(diffId, 'Layer already exists'))
      return known
    }
  const { domain } = push.reference
  for (const known of sources.of(diffId)) {
    if (!known.repositories.some((name) => name.startsWith(`${domain}/`))) continue
    try {
      return await sendBlob(op, known, { push, diffId, asked: true })
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error
    }
  }
  const stored = snapshots.layer(diffId)?.blob
  const type = stored === undefined ? undefined : await storedType(content.read(stored))
  if (stored !== undefined && type !== undefined) {
    const blob = { mediaType: type, digest: stored, size: await content.size(stored) }
    return await sendBlob(op, blob, { push, diffId, open: () => content.read(stored) })
  }
  return await sendCompressed(op, diffId, push)
}

/** A blob that is known by its digest. Without `open`, it can only be mounted: throws Unavailable where it cannot. */
export async function sendBlob(
  op: Op,
  blob: Sent & { repositories?: readonly string[] },
  o: { push: Pushing; diffId: DiffId; open?: () => Readable | Promise<Readable>; asked?: boolean },
): Promise<Sent> {
  const { push, diffId, open } = o
  const { mediaType, digest, size } = blob
  const sent = { mediaType, digest, size }
  const { repository } = push
  if (!o.asked && (await uploading(() => repository.hasBlob(op, digest)))) {
    push.report(line(diffId, 'Layer already exists'))
    return sent
  }
  const from = mountable(blob.repositories ?? [], push.reference)
  const mountedFrom = await uploading(() => repository.mount(op, { digest }, from))
  if (mountedFrom !== undefined) {
    push.report(line(diffId, `Mounted from ${mountedFrom}`))
    return sent
  }
  if (!open) throw new Unavailable()
  const progress = new Progress(diffId, push.report)
  await uploading(() =>
    repository.upload(op, {
      blob: { digest, size },
      open,
      progress: (bytes) => progress.sent(bytes, size),
      retrying: (ms) => progress.retrying(ms),
    }),
  )
  push.report(line(diffId, 'Pushed'))
  return sent
}

/** The latest few others of the same registry. */
function mountable(repositories: readonly string[], reference: Reference): string[] {
  const prefix = `${reference.domain}/`
  return repositories
    .filter((name) => name.startsWith(prefix) && name !== repositoryOf(reference))
    .map((name) => name.slice(prefix.length))
    .toReversed()
    .slice(0, 3)
}

/** Compressed while it goes: nothing is written to the disk. Tried again, it is compressed again. */
async function sendCompressed(op: Op, diffId: DiffId, push: Pushing): Promise<Sent> {
  const { images, snapshots } = push.host
  const total = snapshots.layer(diffId)?.tarSize ?? 0
  const progress = new Progress(diffId, push.report)
  const form: LayerForm = { compression: 'gzip' }
  const { digest, size } = await uploading(() =>
    push.repository.upload(op, {
      open: (inner) =>
        images.blobs.packed(inner, diffId, { form, progress: (read) => progress.sent(read, total) }),
      retrying: (ms) => progress.retrying(ms),
    }),
  )
  push.report(line(diffId, 'Pushed'))
  return { mediaType: `${dockerTypes.layer}.gzip`, digest, size }
}

/** Docker's text for what nearly always is a missing login or a name that belongs to somebody else. */
export async function uploading<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (!(cause instanceof RegistryError) || (cause.kind !== 'unauthorized' && cause.kind !== 'forbidden'))
      throw cause
    if (cause.code === noCredentials) throw new EngineError(cause.kind, noCredentials, { cause })
    const message = /denied/.test(cause.message)
      ? cause.message
      : `denied: requested access to the resource is denied (${cause.message})`
    throw new EngineError(cause.kind, message, { cause })
  }
}

export async function sendConfig(op: Op, image: Image, push: Pushing): Promise<void> {
  const data = await push.host.content.bytes(image.id, maxConfigSize)
  await sendSmall(op, { digest: image.id, size: data.length, data }, push)
}

export async function sendSmall(
  op: Op,
  blob: { digest: Digest; size: number; data: Buffer },
  push: Pushing,
): Promise<void> {
  const { digest, size, data } = blob
  if (digestOf(data) !== digest) throw new EngineError('internal', `content ${digest} is damaged`)
  if (await uploading(() => push.repository.hasBlob(op, digest))) return
  await uploading(() =>
    push.repository.upload(op, { blob: { digest, size }, open: () => Readable.from([Buffer.from(data)]) }),
  )
}

export function remember(push: Pushing, diffId: DiffId, blob: Sent): void {
  const { digest, size, mediaType } = blob
  push.host.sources.add(diffId, { digest, size, mediaType }, repositoryOf(push.reference))
}

/** The media type of a stored blob that can travel as it is; plain archives are better compressed. */
async function storedType(blob: Readable): Promise<string | undefined> {
  const { head, whole } = await peek(blob, 6)
  whole.destroy()
  const compression = compressionOf(head)
  return compression === 'gzip' || compression === 'zstd' ? typeOf(compression) : undefined
}

export function typeOf(compression: LayerCompression): string {
  return compression === 'uncompressed' ? dockerTypes.layer : `${dockerTypes.layer}.${compression}`
}

export function compressionIn(mediaType: string): LayerCompression {
  if (/[+.]gzip$/.test(mediaType)) return 'gzip'
  return /[+.]zstd$/.test(mediaType) ? 'zstd' : 'uncompressed'
}

/** Docker names the layers of a push by their content, not by their blobs. */
export function line(diffId: DiffId, status: string): ProgressMessage {
  return { status, id: shortId(hexOf(diffId)), progressDetail: {} }
}

const intervalMs = 100

class Progress {
  readonly #diffId: DiffId
  readonly #report: (message: ProgressMessage) => void
  #next = 0

  constructor(diffId: DiffId, report: (message: ProgressMessage) => void) {
    this.#diffId = diffId
    this.#report = report
  }

  sent(current: number, total: number): void {
    const now = performance.now()
    if (now < this.#next) return
    this.#next = now + intervalMs
    const progress = formatProgress(current, total)
    this.#report({ ...line(this.#diffId, 'Pushing'), progressDetail: { current, total }, progress })
  }

  retrying(ms: number): void {
    const seconds = Math.ceil(ms / 1000)
    this.#report(line(this.#diffId, `Retrying in ${seconds} second${seconds === 1 ? '' : 's'}`))
  }
}
