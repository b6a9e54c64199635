import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import { digestOf, type Digest } from '../lib/digest.ts'
import { EngineError, kindOf } from '../lib/errors.ts'
import { canonical, familiar, parseReference, withDefaultTag } from '../lib/reference.ts'
import type { Op } from '../lib/op.ts'
import type { ContentStore } from '../content/index.ts'
import type { Snapshots } from '../snapshot/index.ts'
import type { Lease, Store, Table } from '../store/index.ts'
import type { Platform } from '../wire/registry.ts'
import type { Emit } from '../wire/system.ts'
import { decodeConfig, maxConfigSize, type Image, type OciImage } from './config.ts'
import { Names } from './names.ts'
import { choosePlatform, formatPlatform, hostPlatform, platformOf, suits } from './platform.ts'
import { resolve, type Resolved } from './resolve.ts'

const imageRecord = z.object({
  id: digestSchema,
  /** ISO time at which it came here. */
  addedAt: z.string(),
  lastTaggedAt: z.string().exactOptional(),
})
type ImageRecord = z.infer<typeof imageRecord>

interface Entry {
  readonly config: OciImage
  record: ImageRecord
}

export interface CatalogHost {
  readonly store: Store
  readonly content: ContentStore
  readonly snapshots: Snapshots
  readonly emit: Emit
}

/** The index that names of an image stand for, of which the image with this manifest has come. */
export interface NewMember {
  readonly digest: Digest
  readonly mediaType: string
  readonly manifest: Digest
}

/** The images that are here and the names that lead to them: their records, in memory and in the store. */
export class Catalog {
  readonly names: Names
  readonly #content: ContentStore
  readonly #snapshots: Snapshots
  readonly #store: Store
  readonly #emit: Emit
  readonly #records: Table<ImageRecord>
  readonly #entries = new Map<Digest, Entry>()

  private constructor(o: CatalogHost) {
    this.#content = o.content
    this.#snapshots = o.snapshots
    this.#store = o.store
    this.#emit = o.emit
    this.#records = o.store.table('images', (value) => imageRecord.parse(value))
    this.names = new Names({ store: o.store, images: this })
  }

  static async open(op: Op, o: CatalogHost): Promise<Catalog> {
    const catalog = new Catalog(o)
    for (const { record } of catalog.#records.all()) await catalog.#recall(op, record)
    catalog.names.forgetLost()
    return catalog
  }

  has(id: Digest): boolean {
    return this.#entries.has(id)
  }

  ids(): Iterable<Digest> {
    return this.#entries.keys()
  }

  configOf(id: Digest): OciImage | undefined {
    return this.#entries.get(id)?.config
  }

  /** Throws kind `not-found`. */
  describe(id: Digest): Image {
    const { config, record } = this.#entry(id)
    const names = this.names.of(id)
    const { lastTaggedAt, addedAt } = record
    return {
      id,
      config,
      layers: config.rootfs.diff_ids,
      size: config.rootfs.diff_ids.reduce(
        (sum, diffId) => sum + (this.#snapshots.layer(diffId)?.size ?? 0),
        0,
      ),
      createdAt: config.created ?? addedAt,
      refs: names.filter((name) => !name.includes('@')).toSorted(),
      digests: names.filter((name) => name.includes('@')).toSorted(),
      ...(lastTaggedAt !== undefined && { lastTaggedAt }),
    }
  }

  /** See `resolve()`. */
  resolve(ref: string): Resolved {
    return resolve(ref, { names: this.names, ids: this.#entries })
  }

  /**
   * By name (default tag added), name@digest, id, or the unique beginning of an id; throws as `resolve` does. With `platform`, of a
   * name that stands for several the one that suits it, where it is here.
   */
  find(ref: string, o: { platform?: Platform | undefined } = {}): Image {
    const { id, key } = this.resolve(ref)
    const members = o.platform === undefined || key === undefined ? [] : this.names.membersOf(key)
    return this.describe((o.platform && this.choose(members, o.platform)) ?? id)
  }

  /** As `find`; throws kind `not-found` with docker's text where the name does not mean such an image, or it is not here. */
  findFor(ref: string, platform: Platform): Image {
    const image = this.find(ref, { platform })
    if (suits(platformOf(image.config), platform)) return image
    throw notForPlatform(ref, platform)
  }

  /** The one of these images that suits a platform best. */
  choose(images: readonly Digest[], wanted: Platform): Digest | undefined {
    const offers = images.flatMap((id) => {
      const config = this.configOf(id)
      return config ? [{ id, platform: platformOf(config) }] : []
    })
    return choosePlatform(offers, wanted)?.id
  }

  /** A name leads to this image, or means it beside those of other platforms. */
  isNamed(id: Digest): boolean {
    return this.names.of(id).length > 0 || this.names.isMember(id)
  }

  /** Stores the config of an image whose layers are there, and gives it names, which other images lose. */
  async add(
    op: Op,
    data: Buffer,
    o: {
      /** Canonical names. */
      refs: readonly string[]
      lease: Lease
      /** No event tells of the names. */
      silent?: boolean
      index?: NewMember | undefined
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
    const known = this.#entries.get(id)
    const record = known?.record ?? { id, addedAt: new Date().toISOString() }
    this.#store.transaction(() => {
      this.#records.put(id, record)
      this.#entries.set(id, known ?? { config, record })
      const { index } = o
      if (index) this.names.indexes.addMember(index, { manifest: index.manifest, image: id })
      const members = index
        ? this.names.indexes.get(index.digest)?.members.map(({ image }) => image)
        : undefined
      const first = this.choose(members ?? [], hostPlatform()) ?? id
      for (const ref of o.refs) this.name(first, ref, index?.digest)
    })
    this.names.keepIndexes()
    for (const ref of o.silent ? [] : o.refs)
      this.announce(id, 'tag', { name: familiar(parseReference(ref)) })
    return this.describe(id)
  }

  /** Gives an image a further name; an image that had it loses it. Throws kind `invalid` for a digest. */
  tag(source: string, target: string): void {
    const { id, key } = this.resolve(source)
    const reference = parseReference(target)
    if (reference.digest !== undefined)
      throw new EngineError('invalid', 'refusing to create a tag with a digest reference')
    const index = key === undefined ? undefined : this.names.indexOf(key)?.digest
    this.#store.transaction(() => this.name(id, canonical(reference), index))
    this.announce(id, 'tag', { name: familiar(withDefaultTag(reference)) })
  }

  /** Within a transaction. */
  name(id: Digest, key: string, index?: Digest): void {
    const entry = this.#entry(id)
    this.names.put(key, { id, index })
    entry.record = { ...entry.record, lastTaggedAt: new Date().toISOString() }
    this.#records.put(id, entry.record)
  }

  /**
   * Forgets the images that `decide` gives: their configs and layers are garbage then, if nothing else needs them. What it does to
   * names is one transaction with that.
   */
  forget(decide: () => readonly Digest[]): void {
    const ids = this.#store.transaction(() => {
      const going = decide()
      for (const id of going) this.#records.delete(id)
      return going
    })
    for (const id of ids) this.#entries.delete(id)
  }

  /** `labels`: of an image that may be forgotten already. */
  announce(
    id: Digest,
    action: string,
    o: { name: string; labels?: Record<string, string> | undefined },
  ): void {
    const labels = o.labels ?? this.configOf(id)?.config?.Labels
    this.#emit({ type: 'image', action, id, attributes: { ...labels, name: o.name } })
  }

  #entry(id: Digest): Entry {
    const entry = this.#entries.get(id)
    if (!entry) throw new EngineError('not-found', `No such image: ${id}`)
    return entry
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
        { image: record.id, layer: missing },
      )
    if (config && missing === undefined) this.#entries.set(record.id, { config, record })
    else this.#records.delete(record.id)
  }
}

export function notForPlatform(ref: string, platform: Platform): EngineError {
  return new EngineError(
    'not-found',
    `image with reference ${ref} was found but does not provide the specified platform (${formatPlatform(platform)})`,
  )
}
