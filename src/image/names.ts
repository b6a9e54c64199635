import { z } from 'zod'
import { digestSchema } from '../lib/digest-schema.ts'
import type { Digest } from '../lib/digest.ts'
import type { Store, Table } from '../store/index.ts'
import { Indexes, type IndexRecord } from './indexes.ts'

/** `index`: the name stands for all platforms of that index; `id` is the image for this host, or else the latest that came. */
const refRecord = z.object({ id: digestSchema, index: digestSchema.exactOptional() })
type RefRecord = z.infer<typeof refRecord>

/** Canonical names, with tag or digest: the image that each leads to, and the index that it stands for. */
export class Names {
  readonly #table: Table<RefRecord>
  readonly #records = new Map<string, RefRecord>()
  readonly #images: { has(image: Digest): boolean }
  readonly indexes: Indexes

  constructor(o: { store: Store; images: { has(image: Digest): boolean } }) {
    this.#images = o.images
    this.indexes = new Indexes(o.store)
    this.#table = o.store.table('image_refs', (value) => refRecord.parse(value))
    for (const { key, record } of this.#table.all()) this.#records.set(key, record)
  }

  /** At the start: names of images that were not found again go. */
  forgetLost(): void {
    for (const [key, { id }] of this.#records) if (!this.#images.has(id)) this.delete(key)
    this.keepIndexes()
  }

  idOf(key: string): Digest | undefined {
    return this.#records.get(key)?.id
  }

  /** Within a transaction. */
  put(key: string, record: { id: Digest; index?: Digest | undefined }): void {
    const { id, index } = record
    const clean = { id, ...(index !== undefined && { index }) }
    this.#table.put(key, clean)
    this.#records.set(key, clean)
  }

  /** Within a transaction. */
  delete(key: string): void {
    this.#table.delete(key)
    this.#records.delete(key)
  }

  /** Of an image. */
  of(id: Digest): string[] {
    return [...this.#records].filter(([, record]) => record.id === id).map(([key]) => key)
  }

  /** That stand for an index. */
  ofIndex(index: Digest): string[] {
    return [...this.#records].filter(([, record]) => record.index === index).map(([key]) => key)
  }

  startingWith(prefix: string): string[] {
    return [...this.#records.keys()].filter((key) => key.startsWith(prefix))
  }

  /** The index that a name stands for, and which of its images are here. */
  indexOf(key: string): IndexRecord | undefined {
    const index = this.#records.get(key)?.index
    return index === undefined ? undefined : this.indexes.get(index)
  }

  /** The images of all platforms that a name stands for; none where it is a single image's. */
  membersOf(key: string): Digest[] {
    const members = this.indexOf(key)?.members ?? []
    return members.map(({ image }) => image).filter((image) => this.#images.has(image))
  }

  /** Whether a name means this image beside those of other platforms. */
  isMember(id: Digest): boolean {
    return this.#named()
      .values()
      .some((index) => this.indexes.get(index)?.members.some(({ image }) => image === id) ?? false)
  }

  /** All that a name stands for, to see whether that has changed. */
  stateOf(key: string): string {
    const { id, index } = this.#records.get(key) ?? {}
    return [id, index, ...this.membersOf(key).toSorted()].join(' ')
  }

  /** Forgets indexes that no name stands for any more. */
  keepIndexes(): void {
    this.indexes.keep({ named: this.#named(), images: this.#images })
  }

  #named(): Set<Digest> {
    return new Set(this.#records.values().flatMap(({ index }) => (index === undefined ? [] : [index])))
  }
}
