import type { Readable } from 'node:stream'
import type { ContentStore } from '../content/index.ts'
import { compressionOf, decompress, peek } from '../host/decompress.ts'
import type { Digest } from '../lib/digest.ts'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import type { DiffId, Snapshots } from '../snapshot/index.ts'
import type { Lease } from '../store/index.ts'

export type LayerCompression = 'uncompressed' | 'gzip' | 'zstd'

/** How layers are to travel. */
export interface LayerForm {
  readonly compression: LayerCompression
  /** gzip 0 to 9, zstd 0 to 22; absent: 4 and 3. */
  readonly level?: number
  /** Also layers that came compressed in another way are made anew. */
  readonly force?: boolean
}

/** A layer's archive as it travels. Equal layers and forms give equal digests. */
export interface LayerBlob {
  readonly diffId: DiffId
  readonly digest: Digest
  readonly size: number
  readonly compression: LayerCompression
}

/** The archives of layers: those they came as, those that can be made again at any time, and compressed ones made on demand. */
export class LayerBlobs {
  readonly #content: ContentStore
  readonly #snapshots: Snapshots
  /** What was compressed in this daemon's life, by layer and form; the bytes may have been collected since. */
  readonly #made = new Map<string, LayerBlob>()

  constructor(o: { content: ContentStore; snapshots: Snapshots }) {
    this.#content = o.content
    this.#snapshots = o.snapshots
  }

  /** The archive's digest and size; what had to be compressed for it is in the content store, held by `lease`. */
  async describe(op: Op, diffId: DiffId, o: { form: LayerForm; lease: Lease }): Promise<LayerBlob> {
    const layer = this.#snapshots.layer(diffId)
    if (!layer) throw new EngineError('not-found', `layer ${diffId} is missing`)
    const { form, lease } = o
    lease.add(`layer:${diffId}`)
    const plain: LayerBlob = { diffId, digest: diffId, size: layer.tarSize, compression: 'uncompressed' }
    if (layer.blob !== undefined) {
      lease.add(`blob:${layer.blob}`)
      const stored = await this.#storedForm(layer.blob)
      if (stored !== undefined && stored !== 'uncompressed' && (!form.force || stored === form.compression))
        return {
          diffId,
          digest: layer.blob,
          size: await this.#content.size(layer.blob),
          compression: stored,
        }
    }
    if (form.compression === 'uncompressed') return plain
    return await this.#compress(op, diffId, o)
  }

  /** The bytes that `describe` promised. */
  async read(op: Op, blob: LayerBlob): Promise<Readable> {
    return blob.digest === blob.diffId ? await this.#plain(op, blob.diffId) : this.#content.read(blob.digest)
  }

  async #compress(op: Op, diffId: DiffId, o: { form: LayerForm; lease: Lease }): Promise<LayerBlob> {
    const { form, lease } = o
    const key = `${diffId} ${form.compression} ${form.level ?? ''}`
    const known = this.#made.get(key)
    if (known) {
      lease.add(`blob:${known.digest}`)
      if (await this.#content.has(known.digest)) return known
    }
    const { digest, size } = await this.#content.write(op, this.packed(op, diffId, { form }), { lease })
    const made: LayerBlob = { diffId, digest, size, compression: form.compression }
    this.#made.set(key, made)
    return made
  }

  /** The archive, compressed while it is read. `progress`: so many bytes of it have been, before they are compressed. */
  packed(op: Op, diffId: DiffId, o: { form: LayerForm; progress?: (read: number) => void }): Readable {
    const { compression, level } = o.form
    if (compression === 'uncompressed')
      throw new EngineError('internal', `layer ${diffId}: there is nothing to compress`)
    const blob = this.#snapshots.layer(diffId)?.blob
    return this.#snapshots.pack(op, diffId, {
      form: { compression, level: level ?? usualLevel[compression] },
      blob: blob && this.#content.path(blob),
      ...(o.progress && { progress: o.progress }),
    })
  }

  /** The uncompressed archive. */
  async #plain(op: Op, diffId: DiffId): Promise<Readable> {
    const blob = this.#snapshots.layer(diffId)?.blob
    if (blob === undefined) return this.#snapshots.tar(op, diffId)
    return await decompress(op, this.#content.read(blob))
  }

  /** Undefined for forms that OCI has no media type for. */
  async #storedForm(blob: Digest): Promise<LayerCompression | undefined> {
    const { head, whole } = await peek(this.#content.read(blob), 6)
    whole.destroy()
    switch (compressionOf(head)) {
      case 'gzip':
        return 'gzip'
      case 'zstd':
        return 'zstd'
      case 'none':
        return 'uncompressed'
      case 'bzip2':
      case 'xz':
        return undefined
    }
  }
}

/**
 * zstd's own; of gzip, the level below its own 6 and 5 that makes a third of the work of them and archives that are one
 * per cent larger.
 */
const usualLevel = { gzip: 4, zstd: 3 } as const
