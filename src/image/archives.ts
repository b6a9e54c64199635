import type { Readable } from 'node:stream'
import { decompress } from '../host/decompress.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { canonical, familiar, parseReference, repositoryOf } from '../lib/reference.ts'
import type { ContentStore } from '../content/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Leases } from '../store/index.ts'
import type { ImageConfig } from '../wire/container.ts'
import type { ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { Catalog } from './catalog.ts'
import type { Image, OciImage } from './config.ts'
import type { Garbage } from './garbage.ts'
import { loadArchive } from './load.ts'
import type { Manifests } from './manifests.ts'
import { hostArchitecture } from './platform.ts'
import { saveArchive, type SavedImage, type SavedIndex } from './save.ts'

export interface ArchiveHost {
  readonly catalog: Catalog
  readonly manifests: Manifests
  readonly garbage: Garbage
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly leases: Leases
}

/**
 * Loads every image of a docker-archive (`docker save`) or OCI layout, compressed or not. Layers that are there are
 * not unpacked again. With `platform` only its images are loaded. Messages are docker's.
 */
export async function* loadImages(
  op: Op,
  archive: Readable,
  o: { platform?: Platform | undefined; host: ArchiveHost },
): AsyncGenerator<ProgressMessage> {
  const { catalog, manifests, garbage, content, snapshots, leases } = o.host
  const before = new Set(snapshots.layers().map((layer) => layer.diffId))
  const touched = { layers: new Set<DiffId>(), blobs: new Set<Digest>() }
  const told = new Set<string>()
  try {
    using _loading = garbage.loading()
    using lease = leases.open()
    const host = { content, snapshots, lease, touched, platform: o.platform }
    for await (const step of loadArchive(op, archive, host)) {
      if (step.type === 'progress') {
        yield step.message
        continue
      }
      const { index } = step
      const { id } = await catalog.add(op, step.config, { refs: step.refs, lease, index })
      if (index) {
        catalog.names.indexes.addBlobs(index.digest, index.blobs)
        const { mediaType, manifest, manifestType } = index
        manifests.put({ digest: index.digest, mediaType, image: id, kind: 'index' })
        manifests.put({ digest: manifest, mediaType: manifestType, image: id, kind: 'image' })
      }
      catalog.announce(id, 'load', { name: id })
      const news = step.refs.filter((ref) => !told.has(ref))
      for (const ref of news) yield { stream: `Loaded image: ${familiar(parseReference(ref))}\n` }
      for (const ref of news) told.add(ref)
      if (step.refs.length === 0) yield { stream: `Loaded image ID: ${id}\n` }
    }
  } finally {
    const layers = new Set([...touched.layers].filter((diffId) => !before.has(diffId)))
    await garbage.dropUnused(op, { layers, blobs: touched.blobs })
  }
}

/**
 * A docker-archive that is an OCI layout at the same time, as docker 25 and newer write it. A name without tag means
 * all tags of its repository. Throws at once when an image is not there; the stream fails if its content is not.
 */
export function saveImages(
  op: Op,
  refs: readonly string[],
  o: { platform?: Platform | undefined; host: ArchiveHost },
): Readable {
  const { catalog } = o.host
  const saved = new Map<Digest, SavedImage>()
  const indexes = new Map<Digest, SavedIndex & { readonly refs: Set<string> }>()
  for (const ref of refs) {
    const { ids, names } = resolveForSave(ref, catalog)
    for (const id of o.platform ? [catalog.findFor(ref, o.platform).id] : ids) {
      const image = saved.get(id) ?? { image: catalog.describe(id), refs: new Set<string>() }
      saved.set(id, image)
      for (const name of names) {
        if (catalog.names.idOf(name) === id || o.platform) image.refs.add(name)
        const index = o.platform ? undefined : catalog.names.indexOf(name)
        // Of one platform, the archive is what it always was.
        if (!index || index.members.length < 2) continue
        const known = indexes.get(index.digest)?.refs ?? new Set<string>()
        indexes.set(index.digest, { index, refs: known.add(name) })
      }
    }
  }
  for (const id of saved.keys()) catalog.announce(id, 'save', { name: id })
  return saveArchive(op, { images: [...saved.values()], indexes: [...indexes.values()] }, o.host)
}

export interface ImportOptions {
  readonly ref?: string
  readonly message?: string
  readonly config: ImageConfig
  readonly platform?: { os: string; architecture: string; variant?: string }
}

/** Makes an image of one layer from a file system archive, compressed or not. */
export async function importImage(
  op: Op,
  archive: Readable,
  o: ImportOptions & { host: ArchiveHost },
): Promise<Image> {
  const { catalog, snapshots, leases } = o.host
  const reference = o.ref === undefined ? undefined : parseReference(o.ref)
  if (reference?.digest !== undefined) throw new EngineError('invalid', 'cannot import digest reference')
  using lease = leases.open()
  const layer = await snapshots.importLayer(op, await decompress(op, archive), { lease })
  const created = new Date().toISOString()
  const { variant } = o.platform ?? {}
  const config: OciImage = {
    architecture: o.platform?.architecture ?? hostArchitecture(),
    os: o.platform?.os ?? 'linux',
    ...(variant !== undefined && { variant }),
    created,
    config: o.config,
    rootfs: { type: 'layers', diff_ids: [layer.diffId] },
    history: [{ created, comment: o.message ?? 'Imported from -' }],
  }
  const refs = reference ? [canonical(reference)] : []
  const image = await catalog.add(op, Buffer.from(JSON.stringify(config)), { refs, lease })
  catalog.announce(image.id, 'import', { name: image.id })
  return image
}

function resolveForSave(ref: string, catalog: Catalog): { ids: Digest[]; names: string[] } {
  const idLike = /^(?:sha256:)?[0-9a-f]{64}$/.test(ref) || ref.startsWith('sha256:')
  const reference = idLike ? undefined : parseReference(ref)
  if (reference && reference.tag === undefined && reference.digest === undefined) {
    const names = catalog.names.startingWith(`${repositoryOf(reference)}:`)
    const ids = names.map((name) => catalog.names.idOf(name)).filter((id) => id !== undefined)
    if (ids.length > 0) return { ids, names }
  }
  const { id, key } = catalog.resolve(ref)
  return { ids: [id], names: key !== undefined && !key.includes('@') ? [key] : [] }
}
