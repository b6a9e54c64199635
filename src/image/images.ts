import type { Readable } from 'node:stream'
import type { Digest } from '../lib/digest.ts'
import { familiar, familiarName, type Reference } from '../lib/reference.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Lease, Leases } from '../store/index.ts'
import type { ImageDeleteItem, ImageHistoryItem, ProgressMessage } from '../wire/image.ts'
import type { Platform } from '../wire/registry.ts'
import type { Emit } from '../wire/system.ts'
import { importImage, loadImages, saveImages, type ArchiveHost, type ImportOptions } from './archives.ts'
import { commitImage, type CommitOptions } from './commit.ts'
import { Catalog, type CatalogHost, type NewMember } from './catalog.ts'
import type { Image, OciImage } from './config.ts'
import { ImageFiles } from './files.ts'
import { Garbage } from './garbage.ts'
import { historyOf } from './history.ts'
import { imageManifests, type ImageManifests } from './image-manifests.ts'
import type { IndexRecord } from './indexes.ts'
import { LayerBlobs } from './layer-blobs.ts'
import { Manifests } from './manifests.ts'
import { removeImage, type RemoveOptions } from './remove-image.ts'
import { removePlatforms } from './remove-platforms.ts'

/** What the rest of the engine does with images: see the index of this folder. */
export class Images {
  /** What is in images. */
  readonly files: ImageFiles
  /** The archives that layers travel as. */
  readonly blobs: LayerBlobs
  /** The manifests that images came with or went as. */
  readonly manifests: Manifests
  readonly #catalog: Catalog
  readonly #garbage: Garbage
  readonly #snapshots: Snapshots
  readonly #leases: Leases
  readonly #emit: Emit
  readonly #host: ArchiveHost

  private constructor(o: CatalogHost & { leases: Leases }, catalog: Catalog) {
    this.#catalog = catalog
    this.#snapshots = o.snapshots
    this.#leases = o.leases
    this.#emit = o.emit
    this.blobs = new LayerBlobs(o)
    this.files = new ImageFiles(o)
    this.manifests = new Manifests(o.store)
    this.#garbage = new Garbage({ ...o, catalog, manifests: this.manifests })
    this.#host = { ...o, catalog, manifests: this.manifests, garbage: this.#garbage }
  }

  static async open(op: Op, o: CatalogHost & { leases: Leases }): Promise<Images> {
    const catalog = await Catalog.open(op, o)
    const images = new Images(o, catalog)
    images.manifests.keep(catalog)
    return images
  }

  /** See `Catalog.find`. */
  find(ref: string, o: { platform?: Platform | undefined } = {}): Image {
    return this.#catalog.find(ref, o)
  }

  /** See `Catalog.findFor`. */
  findFor(ref: string, platform: Platform): Image {
    return this.#catalog.findFor(ref, platform)
  }

  /** Whether there is an image of this id. */
  has(id: Digest): boolean {
    return this.#catalog.has(id)
  }

  /** Newest first. */
  list(): Image[] {
    return [...this.#catalog.ids()]
      .map((id) => this.#catalog.describe(id))
      .sort((a, b) => (a.createdAt < b.createdAt ? 1 : a.createdAt > b.createdAt ? -1 : 0))
  }

  /** The image that a canonical name, with tag or digest, leads to. */
  idOf(key: string): Digest | undefined {
    return this.#catalog.names.idOf(key)
  }

  /** The index that a canonical name stands for, and which of its images are here. */
  indexOf(key: string): IndexRecord | undefined {
    return this.#catalog.names.indexOf(key)
  }

  /** Whether a name means this image beside those of other platforms, though another one is its first. */
  isMember(id: Digest): boolean {
    return this.#catalog.names.isMember(id)
  }

  /** All that a canonical name stands for, to see whether that has changed. */
  stateOf(key: string): string {
    return this.#catalog.names.stateOf(key)
  }

  /** Keeps blobs that an index leads to beside its images. */
  keepWithIndex(index: Digest, blobs: readonly Digest[]): void {
    this.#catalog.names.indexes.addBlobs(index, blobs)
  }

  /** Makes an image of layers that are there. `refs` are canonical names; images that had them lose them. */
  async create(op: Op, config: OciImage, refs: readonly string[]): Promise<Image> {
    using lease = this.#leases.open()
    return await this.#catalog.add(op, Buffer.from(JSON.stringify(config)), { refs, lease })
  }

  /**
   * An image whose config came from elsewhere, as it came; its layers are there. `refs` as for `create`; no event tells of them.
   * `index`: the names stand for that, of which the image with this manifest has come.
   */
  async adopt(
    op: Op,
    config: Buffer,
    o: { refs: readonly string[]; lease: Lease; index?: NewMember | undefined },
  ): Promise<Image> {
    return await this.#catalog.add(op, config, { ...o, silent: true })
  }

  /** Gives an image a further name; an image that had it loses it. */
  async tag(op: Op, source: string, target: string): Promise<void> {
    using _lock = await this.#garbage.lock.acquire(op.signal)
    this.#catalog.tag(source, target)
  }

  /** Docker's `rmi`, of `platforms` alone where there are any; see `removeImage` and `removePlatforms`. */
  async remove(
    op: Op,
    ref: string,
    o: RemoveOptions & { platforms?: readonly Platform[] },
  ): Promise<ImageDeleteItem[]> {
    using _lock = await this.#garbage.lock.acquire(op.signal)
    const { platforms = [] } = o
    return platforms.length > 0
      ? removePlatforms(ref, { ...o, platforms }, this.#host)
      : removeImage(ref, o, this.#host)
  }

  /** What the names of an image stand for, manifest by manifest. */
  async manifestsOf(op: Op, image: Image): Promise<ImageManifests> {
    return await imageManifests(op, image, this.#host)
  }

  /** See `loadImages`. */
  load(
    op: Op,
    archive: Readable,
    o: { platform?: Platform | undefined } = {},
  ): AsyncGenerator<ProgressMessage> {
    return loadImages(op, archive, { ...o, host: this.#host })
  }

  /** See `saveImages`. */
  save(op: Op, refs: readonly string[], o: { platform?: Platform | undefined } = {}): Readable {
    return saveImages(op, refs, { ...o, host: this.#host })
  }

  /** Makes an image of one layer from a file system archive, compressed or not. */
  async import(op: Op, archive: Readable, o: ImportOptions): Promise<Image> {
    return await importImage(op, archive, { ...o, host: this.#host })
  }

  /** See `commitImage`. */
  async commit(op: Op, o: CommitOptions): Promise<Image> {
    return await commitImage(op, o, this.#host)
  }

  /** Newest step first. */
  history(image: Image): ImageHistoryItem[] {
    return historyOf(image, (diffId) => this.#snapshots.layer(diffId)?.size ?? 0)
  }

  /** Bytes of the image's layers that other images have too. */
  sharedSize(image: Image): number {
    const others = new Set<DiffId>()
    for (const id of this.#catalog.ids())
      if (id !== image.id)
        for (const diffId of this.#catalog.configOf(id)?.rootfs.diff_ids ?? []) others.add(diffId)
    return [...new Set(image.layers)]
      .filter((diffId) => others.has(diffId))
      .reduce((sum, diffId) => sum + (this.#snapshots.layer(diffId)?.size ?? 0), 0)
  }

  /** Docker names the reference in these events, not the image. */
  announceTransfer(action: 'pull' | 'push', image: Image, reference: Reference): void {
    const attributes = { ...image.config.config?.Labels, name: familiarName(reference) }
    this.#emit({ type: 'image', action, id: familiar(reference), attributes })
  }

  /** Layers and blobs that images need. */
  references(): { layers: Set<DiffId>; blobs: Set<Digest> } {
    return this.#garbage.references()
  }

  /** Removes layers and blobs that no image, no lease and nothing in `extra` reaches. */
  async collect(op: Op, extra: { layers: ReadonlySet<DiffId> }): Promise<void> {
    await this.#garbage.collect(op, extra)
  }

  /** Takes away what a load or a pull has made and no image took; leases hold what others use. */
  async dropUnused(
    op: Op,
    made: { readonly layers: ReadonlySet<DiffId>; readonly blobs: ReadonlySet<Digest> },
  ): Promise<void> {
    await this.#garbage.dropUnused(op, made)
  }
}
