import type { Readable } from 'node:stream'
import { z } from 'zod'
import { digestOf, isDigest, type Digest } from '../lib/digest.ts'
import { EngineError, hasCode, kindOf } from '../lib/errors.ts'
import { shortId } from '../lib/id.ts'
import { Lock } from '../lib/lock.ts'
import {
  canonical,
  familiar,
  familiarName,
  parseReference,
  repositoryOf,
  withDefaultTag,
  type Reference,
} from '../lib/reference.ts'
import type { Op } from '../lib/op.ts'
import { decompress } from '../host/decompress.ts'
import type { ContentStore } from '../content/index.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Lease, Leases, Store, Table } from '../store/index.ts'
import type { ImageConfig } from '../wire/container.ts'
import type { ImageDeleteItem, ImageHistoryItem, ProgressMessage } from '../wire/image.ts'
import type { Emit } from '../wire/system.ts'
import type { Platform } from '../wire/registry.ts'
import { decodeConfig, type Image, type OciImage } from './config.ts'
import { ImageFiles } from './files.ts'
import { historyOf } from './history.ts'
import type { IndexRecord } from './indexes.ts'
import { LayerBlobs } from './layer-blobs.ts'
import { loadArchive } from './load.ts'
import { Manifests } from './manifests.ts'
import { Names } from './names.ts'
import {
  choosePlatform,
  formatPlatform,
  hostArchitecture,
  hostPlatform,
  platformOf,
  suits,
} from './platform.ts'
import { chainIds, planRemoval, untagged, type ImageUser } from './removal.ts'
import { saveArchive, type SavedImage } from './save.ts'

const digest = z.custom<Digest>((value) => typeof value === 'string' && isDigest(value))
const imageRecord = z.object({
  id: digest,
  /** ISO time at which it came here. */
  addedAt: z.string(),
  lastTaggedAt: z.string().exactOptional(),
})
type ImageRecord = z.infer<typeof imageRecord>

/** A config has environment and history, no more: what is larger is hostile. */
export const maxConfigSize = 8 << 20

interface Entry {
  readonly config: OciImage
  record: ImageRecord
}

export class Images {
  /** What is in images. */
  readonly files: ImageFiles
  /** The archives that layers travel as. */
  readonly blobs: LayerBlobs
  /** The manifests that images came with or went as. */
  readonly manifests: Manifests
  readonly #content: ContentStore
  readonly #snapshots: Snapshots
  readonly #store: Store
  readonly #leases: Leases
  readonly #emit: Emit
  readonly #images: Table<ImageRecord>
  readonly #byId = new Map<Digest, Entry>()
  readonly #names: Names
  /** Held by whatever takes away. */
  readonly #lock = new Lock()
  /** Loads in progress: they write blobs before they know what those are. */
  #loading = 0

  private constructor(o: {
    store: Store
    content: ContentStore
    snapshots: Snapshots
    leases: Leases
    emit: Emit
  }) {
    this.blobs = new LayerBlobs(o)
    this.manifests = new Manifests(o.store)
    this.#content = o.content
    this.#snapshots = o.snapshots
    this.files = new ImageFiles(o)
    this.#store = o.store
    this.#leases = o.leases
    this.#emit = o.emit
    this.#images = o.store.table('images', (value) => imageRecord.parse(value))
    this.#names = new Names({ store: o.store, images: this.#byId })
  }

  static async open(
    op: Op,
    o: { store: Store; content: ContentStore; snapshots: Snapshots; leases: Leases; emit: Emit },
  ): Promise<Images> {
    const images = new Images(o)
    for (const { record } of images.#images.all()) await images.#recall(op, record)
    images.#names.forgetLost()
    images.manifests.keep(images.#byId)
    return images
  }

  /**
   * By name (default tag added), name@digest, id, or the unique beginning of an id. Throws kind `not-found` with
   * docker's text, `invalid` for what is no reference or an ambiguous id. With `platform`, of a name that stands for several
   * the one that suits it, where it is here.
   */
  find(ref: string, o: { platform?: Platform | undefined } = {}): Image {
    const { id, key } = this.#resolve(ref)
    const members = o.platform === undefined || key === undefined ? [] : this.#names.membersOf(key)
    return this.#describe((o.platform && this.#choose(members, o.platform)) ?? id)
  }

  /** As `find`; throws kind `not-found` with docker's text where the name does not mean such an image, or it is not here. */
  findFor(ref: string, platform: Platform): Image {
    const image = this.find(ref, { platform })
    if (suits(platformOf(image.config), platform)) return image
    throw new EngineError(
      'not-found',
      `image with reference ${ref} was found but does not provide the specified platform (${formatPlatform(platform)})`,
    )
  }

  /** The index that a canonical name stands for, and which of its images are here. */
  indexOf(key: string): IndexRecord | undefined {
    return this.#names.indexOf(key)
  }

  /** Whether a name means this image beside those of other platforms, though another one is its first. */
  isMember(id: Digest): boolean {
    return this.#names.isMember(id)
  }

  /** Keeps blobs that an index leads to beside its images. */
  keepWithIndex(index: Digest, blobs: readonly Digest[]): void {
    this.#names.indexes.addBlobs(index, blobs)
  }

  #choose(images: readonly Digest[], wanted: Platform): Digest | undefined {
    const offers = images.flatMap((id) => {
      const config = this.#byId.get(id)?.config
      return config ? [{ id, platform: platformOf(config) }] : []
    })
    return choosePlatform(offers, wanted)?.id
  }

  /** Newest first. */
  list(): Image[] {
    return [...this.#byId.keys()]
      .map((id) => this.#describe(id))
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0))
  }

  /** Gives an image a further name; an image that had it loses it. */
  async tag(op: Op, source: string, target: string): Promise<void> {
    using _lock = await this.#lock.acquire(op.signal)
    const { id, key } = this.#resolve(source)
    const reference = parseReference(target)
    if (reference.digest !== undefined)
      throw new EngineError('invalid', 'refusing to create a tag with a digest reference')
    const index = key === undefined ? undefined : this.#names.indexOf(key)?.digest
    this.#store.transaction(() => this.#name(id, canonical(reference), index))
    this.#announce(id, 'tag', familiar(withDefaultTag(reference)))
  }

  /** Docker's `rmi`; see `planRemoval`. Layers and blobs that became free are left for `collect`. */
  async remove(
    op: Op,
    ref: string,
    o: { force: boolean; noPrune: boolean; usedBy: (id: Digest) => ImageUser | undefined },
  ): Promise<ImageDeleteItem[]> {
    using _lock = await this.#lock.acquire(op.signal)
    const { id, key } = this.#resolve(ref)
    const image = this.#describe(id)
    const names = [...image.refs, ...image.digests]
    const plan = planRemoval({ ref, key, id, names, force: o.force, user: o.usedBy(id) })
    const items = plan.untag.map(untagged)
    const members = new Set(plan.untag.flatMap((name) => this.#names.membersOf(name)))
    this.#store.transaction(() => {
      for (const name of plan.untag) this.#names.delete(name)
      if (plan.deleteImage) this.#images.delete(id)
    })
    for (const _ of plan.untag) this.#announce(id, 'untag', id)
    if (plan.deleteImage) items.push(...this.#forget(image, o))
    // The other platforms go with the last name that meant them.
    for (const member of members) {
      const other = member === id ? undefined : this.#byId.has(member) && this.#describe(member)
      if (!other || this.#isNamed(other) || o.usedBy(member)) continue
      this.#images.delete(member)
      items.push(...this.#forget(other, o))
    }
    this.#names.keepIndexes()
    return items
  }

  #isNamed(image: Image): boolean {
    return image.refs.length > 0 || image.digests.length > 0 || this.isMember(image.id)
  }

  /** What docker reports of an image whose record is gone. */
  #forget(image: Image, o: { noPrune: boolean }): ImageDeleteItem[] {
    const { id } = image
    this.#byId.delete(id)
    this.#emit({ type: 'image', action: 'delete', id, attributes: { name: id } })
    const items: ImageDeleteItem[] = [{ Deleted: id }]
    if (o.noPrune) return items
    const used = this.references().layers
    const chain = chainIds(image.layers)
    for (const [index, diffId] of [...image.layers.entries()].toReversed()) {
      const chainId = chain[index]
      if (!used.has(diffId) && chainId !== undefined) items.push({ Deleted: chainId })
    }
    return items
  }

  /** Makes an image of layers that are there. `refs` are canonical names; images that had them lose them. */
  async create(op: Op, config: OciImage, refs: readonly string[]): Promise<Image> {
    const data = Buffer.from(JSON.stringify(config))
    using lease = this.#leases.open()
    return await this.#add(op, data, { refs, lease })
  }

  /**
   * An image whose config came from elsewhere, as it came; its layers are there. `refs` as for `create`; no event tells of them.
   * `index`: the names stand for that, of which the image with this manifest has come.
   */
  async adopt(
    op: Op,
    config: Buffer,
    o: {
      refs: readonly string[]
      lease: Lease
      index?: { digest: Digest; mediaType: string; manifest: Digest } | undefined
    },
  ): Promise<Image> {
    return await this.#add(op, config, { ...o, silent: true })
  }

  /** Whether there is an image of this id. */
  has(id: Digest): boolean {
    return this.#byId.has(id)
  }

  /** The image that a canonical name, with tag or digest, leads to. */
  idOf(key: string): Digest | undefined {
    return this.#names.idOf(key)
  }

  /** All that a canonical name stands for, to see whether that has changed. */
  stateOf(key: string): string {
    return this.#names.stateOf(key)
  }

  /** Docker names the reference in these events, not the image. */
  announceTransfer(action: 'pull' | 'push', image: Image, reference: Reference): void {
    const name = familiarName(reference)
    const attributes = { ...image.config.config?.Labels, name }
    this.#emit({ type: 'image', action, id: familiar(reference), attributes })
  }

  /**
   * Loads every image of a docker-archive (`docker save`) or OCI layout, compressed or not. Layers that are there are
   * not unpacked again. With `platform` only its images are loaded. Messages are docker's.
   */
  async *load(
    op: Op,
    archive: Readable,
    o: { platform?: Platform | undefined } = {},
  ): AsyncGenerator<ProgressMessage> {
    this.#loading++
    const before = new Set(this.#snapshots.layers().map((layer) => layer.diffId))
    const touched = { layers: new Set<DiffId>(), blobs: new Set<Digest>() }
    const told = new Set<string>()
    try {
      using lease = this.#leases.open()
      const host = { content: this.#content, snapshots: this.#snapshots, lease, touched }
      for await (const step of loadArchive(op, archive, { ...host, platform: o.platform })) {
        if (step.type === 'progress') {
          yield step.message
          continue
        }
        const { index } = step
        const image = await this.#add(op, step.config, { refs: step.refs, lease, index })
        if (index) {
          this.#names.indexes.addBlobs(index.digest, index.blobs)
          const { mediaType, manifest, manifestType } = index
          this.manifests.put({ digest: index.digest, mediaType, image: image.id, kind: 'index' })
          this.manifests.put({ digest: manifest, mediaType: manifestType, image: image.id, kind: 'image' })
        }
        this.#announce(image.id, 'load', image.id)
        const news = step.refs.filter((ref) => !told.has(ref))
        for (const ref of news) yield { stream: `Loaded image: ${familiar(parseReference(ref))}\n` }
        for (const ref of news) told.add(ref)
        if (step.refs.length === 0) yield { stream: `Loaded image ID: ${image.id}\n` }
      }
    } finally {
      this.#loading--
      const layers = new Set([...touched.layers].filter((diffId) => !before.has(diffId)))
      await this.dropUnused(op, { layers, blobs: touched.blobs })
    }
  }

  /**
   * A docker-archive that is an OCI layout at the same time, as docker 25 and newer write it. A name without tag means
   * all tags of its repository. Throws at once when an image is not there; the stream fails if its content is not.
   */
  save(op: Op, refs: readonly string[], o: { platform?: Platform | undefined } = {}): Readable {
    const saved = new Map<Digest, SavedImage>()
    const indexes = new Map<Digest, { index: IndexRecord; refs: Set<string> }>()
    for (const ref of refs) {
      const { id, names } = this.#resolveForSave(ref)
      for (const each of o.platform ? [this.findFor(ref, o.platform).id] : id) {
        const image = this.#describe(each)
        const entry = saved.get(each) ?? { image, refs: new Set<string>() }
        for (const name of names) {
          if (this.#names.idOf(name) === each || o.platform) entry.refs.add(name)
          const index = o.platform ? undefined : this.indexOf(name)
          // Of one platform, the archive is what it always was.
          if (!index || index.members.length < 2) continue
          indexes.set(index.digest, {
            index,
            refs: new Set([...(indexes.get(index.digest)?.refs ?? []), name]),
          })
        }
        saved.set(each, entry)
      }
    }
    for (const id of saved.keys()) this.#announce(id, 'save', id)
    const host = { content: this.#content, snapshots: this.#snapshots }
    return saveArchive(op, { images: [...saved.values()], indexes: [...indexes.values()] }, host)
  }

  /** Makes an image of one layer from a file system archive, compressed or not. */
  async import(
    op: Op,
    archive: Readable,
    o: {
      ref?: string
      message?: string
      config: ImageConfig
      platform?: { os: string; architecture: string; variant?: string }
    },
  ): Promise<Image> {
    const reference = o.ref === undefined ? undefined : parseReference(o.ref)
    if (reference?.digest !== undefined) throw new EngineError('invalid', 'cannot import digest reference')
    using lease = this.#leases.open()
    const layer = await this.#snapshots.importLayer(op, await decompress(op, archive), { lease })
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
    const image = await this.#add(op, Buffer.from(JSON.stringify(config)), { refs, lease })
    this.#announce(image.id, 'import', image.id)
    return image
  }

  /** Newest step first. */
  history(image: Image): ImageHistoryItem[] {
    return historyOf(image, (diffId) => this.#snapshots.layer(diffId)?.size ?? 0)
  }

  /** Bytes of the image's layers that other images have too. */
  sharedSize(image: Image): number {
    const others = new Set<DiffId>()
    for (const [id, { config }] of this.#byId)
      if (id !== image.id) for (const diffId of config.rootfs.diff_ids) others.add(diffId)
    return [...new Set(image.layers)]
      .filter((diffId) => others.has(diffId))
      .reduce((sum, diffId) => sum + (this.#snapshots.layer(diffId)?.size ?? 0), 0)
  }

  /** Layers and blobs that images need. */
  references(): { layers: Set<DiffId>; blobs: Set<Digest> } {
    const layers = new Set<DiffId>()
    const blobs = new Set<Digest>()
    for (const [id, { config }] of this.#byId) {
      blobs.add(id)
      for (const diffId of config.rootfs.diff_ids) layers.add(diffId)
    }
    for (const diffId of layers) {
      const blob = this.#snapshots.layer(diffId)?.blob
      if (blob) blobs.add(blob)
    }
    for (const manifest of this.manifests.digests()) blobs.add(manifest)
    for (const blob of this.#names.indexes.blobs()) blobs.add(blob)
    return { layers, blobs }
  }

  /** Removes layers and blobs that no image, no lease and nothing in `extra` reaches. */
  async collect(op: Op, extra: { layers: ReadonlySet<DiffId> }): Promise<void> {
    using _lock = await this.#lock.acquire(op.signal)
    this.manifests.keep(this.#byId)
    this.#names.keepIndexes()
    const used = this.references()
    for (const { diffId } of this.#snapshots.layers())
      if (!used.layers.has(diffId) && !extra.layers.has(diffId)) await this.#snapshots.removeLayer(op, diffId)
    for (const blob of await this.#content.list()) {
      // Looked up anew for each: other work goes on meanwhile.
      if (this.#loading > 0 || this.#leases.holds(`blob:${blob}`) || this.#needsBlob(blob)) continue
      await this.#content.delete(blob)
    }
  }

  #needsBlob(blob: Digest): boolean {
    if (this.#byId.has(blob) || this.manifests.has(blob)) return true
    if (this.#names.indexes.blobs().some((one) => one === blob)) return true
    return this.#snapshots.layers().some((layer) => layer.blob === blob)
  }

  async #add(
    op: Op,
    data: Buffer,
    o: {
      refs: readonly string[]
      lease: Lease
      silent?: boolean
      index?: { digest: Digest; mediaType: string; manifest: Digest } | undefined
    },
  ): Promise<Image> {
    const id = digestOf(data)
    const config = decodeConfig(data, id)
    o.lease.add(`blob:${id}`)
    for (const diffId of config.rootfs.diff_ids) {
      o.lease.add(`layer:${diffId}`)
      if (!this.#snapshots.layer(diffId)) throw new EngineError('not-found', `layer ${diffId} is missing`)
    }
    await this.#content.put(op, data)
    op.signal.throwIfAborted()
    const known = this.#byId.get(id)
    const record = known?.record ?? { id, addedAt: new Date().toISOString() }
    this.#store.transaction(() => {
      this.#images.put(id, record)
      this.#byId.set(id, known ?? { config, record })
      const { index } = o
      if (index) this.#names.indexes.addMember(index, { manifest: index.manifest, image: id })
      const members = index
        ? this.#names.indexes.get(index.digest)?.members.map(({ image }) => image)
        : undefined
      const first = this.#choose(members ?? [], hostPlatform()) ?? id
      for (const ref of o.refs) this.#name(first, ref, index?.digest)
    })
    this.#names.keepIndexes()
    for (const ref of o.silent ? [] : o.refs) this.#announce(id, 'tag', familiar(parseReference(ref)))
    return this.#describe(id)
  }

  /** Within a transaction. */
  #name(id: Digest, key: string, index?: Digest): void {
    const entry = this.#byId.get(id)
    if (!entry) throw new EngineError('not-found', `No such image: ${id}`)
    this.#names.put(key, { id, index })
    entry.record = { ...entry.record, lastTaggedAt: new Date().toISOString() }
    this.#images.put(id, entry.record)
  }

  #announce(id: Digest, action: string, name: string): void {
    const labels = this.#byId.get(id)?.config.config?.Labels ?? {}
    this.#emit({ type: 'image', action, id, attributes: { ...labels, name } })
  }

  #describe(id: Digest): Image {
    const entry = this.#byId.get(id)
    if (!entry) throw new EngineError('not-found', `No such image: ${id}`)
    const names = this.#names.of(id)
    const { lastTaggedAt, addedAt } = entry.record
    return {
      id,
      config: entry.config,
      layers: entry.config.rootfs.diff_ids,
      size: entry.config.rootfs.diff_ids.reduce(
        (sum, diffId) => sum + (this.#snapshots.layer(diffId)?.size ?? 0),
        0,
      ),
      createdAt: entry.config.created ?? addedAt,
      refs: names.filter((name) => !name.includes('@')).toSorted(),
      digests: names.filter((name) => name.includes('@')).toSorted(),
      ...(lastTaggedAt !== undefined && { lastTaggedAt }),
    }
  }

  /** `key`: the canonical name under which it was found; undefined when it was an id. */
  #resolve(ref: string): { id: Digest; key: string | undefined } {
    const hex = /^(?:sha256:)?([0-9a-f]{1,64})$/.exec(ref)?.[1]
    // A whole id, or one with its algorithm, cannot be a name.
    const idOnly = hex !== undefined && (ref.startsWith('sha256:') || hex.length === 64)
    if (idOnly) {
      const id = this.#byPrefix(hex)
      if (id) return { id, key: undefined }
      throw new EngineError('not-found', `No such image: ${ref}`)
    }
    const reference = parseReference(ref)
    const key =
      reference.digest === undefined ? canonical(reference) : `${repositoryOf(reference)}@${reference.digest}`
    const named = this.#names.idOf(key)
    if (named) return { id: named, key }
    // Docker: name@id finds the image too.
    if (reference.digest !== undefined && isDigest(reference.digest) && this.#byId.has(reference.digest))
      return { id: reference.digest, key: undefined }
    const id = hex === undefined ? undefined : this.#byPrefix(hex)
    if (id) return { id, key: undefined }
    throw new EngineError('not-found', `No such image: ${familiar(withDefaultTag(reference))}`)
  }

  #byPrefix(hex: string): Digest | undefined {
    const found = [...this.#byId.keys()].filter((id) => id.startsWith(`sha256:${hex}`))
    if (found.length > 1)
      throw new EngineError(
        'invalid',
        `image id ${hex} is ambiguous: it is the beginning of ${found.map(shortId).join(', ')}`,
      )
    return found[0]
  }

  #resolveForSave(ref: string): { id: Digest[]; names: string[] } {
    const idLike = /^(?:sha256:)?[0-9a-f]{64}$/.test(ref) || ref.startsWith('sha256:')
    const reference = idLike ? undefined : parseReference(ref)
    if (reference && reference.tag === undefined && reference.digest === undefined) {
      const prefix = `${repositoryOf(reference)}:`
      const names = this.#names.startingWith(prefix)
      const ids = names.map((name) => this.#names.idOf(name)).filter((id) => id !== undefined)
      if (ids.length > 0) return { id: ids, names }
    }
    const { id, key } = this.#resolve(ref)
    return { id: [id], names: key !== undefined && !key.includes('@') ? [key] : [] }
  }

  /** Brings an image back from its record; one that has lost a layer is unpacked again, or forgotten. */
  async #recall(op: Op, record: ImageRecord): Promise<void> {
    let config: OciImage | undefined
    try {
      config = decodeConfig(await this.#content.bytes(record.id, maxConfigSize), record.id)
    } catch (error) {
      if (kindOf(error) === 'internal') throw error
      op.log.error('the config of an image is lost: the image is forgotten', { image: record.id, error })
    }
    const missing = config?.rootfs.diff_ids.find((diffId) => !this.#snapshots.layer(diffId))
    if (missing !== undefined)
      op.log.error(
        'an image has lost a layer: it is forgotten, and has to be pulled, loaded or built again',
        {
          image: record.id,
          layer: missing,
        },
      )
    if (config && missing === undefined) this.#byId.set(record.id, { config, record })
    else this.#images.delete(record.id)
  }

  /** Takes away what a load or a pull has made and no image took; leases hold what others use. */
  async dropUnused(
    op: Op,
    made: { readonly layers: ReadonlySet<DiffId>; readonly blobs: ReadonlySet<Digest> },
  ): Promise<void> {
    using _lock = await this.#lock.acquire()
    const used = this.references().layers
    for (const diffId of made.layers) if (!used.has(diffId)) await this.#snapshots.removeLayer(op, diffId)
    for (const blob of made.blobs) {
      if (this.#loading > 0 || this.#leases.holds(`blob:${blob}`) || this.#needsBlob(blob)) continue
      try {
        await this.#content.delete(blob)
      } catch (error) {
        if (!hasCode(error, 'EROFS', 'EIO')) throw error
        op.log.warn('cannot delete content', { blob, error })
      }
    }
  }
}
