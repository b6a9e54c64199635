import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { spreadBelow } from '../host/spread.ts'
import { digestSchema } from '../lib/digest-schema.ts'
import { hexOf, type Digest } from '../lib/digest.ts'
import { EngineError, messageOf } from '../lib/errors.ts'
import { KeyedLock } from '../lib/lock.ts'
import { background, detached, type Op } from '../lib/op.ts'
import type { Lease, Leases, Store, Table } from '../store/index.ts'
import type { Packed } from './jobs.ts'
import type { Pool, Pump } from './pool.ts'

/** Digest of a layer's uncompressed archive. */
export type DiffId = Digest

export interface Layer {
  readonly diffId: DiffId
  /** Bytes of file content. */
  readonly size: number
  /** Bytes of the uncompressed archive. */
  readonly tarSize: number
  readonly createdAt: string
  /** The archive it came from, in the content store, compressed or not. None: `tar` makes it. */
  readonly blob?: Digest
  /** Deletes everything below it. */
  readonly opaque?: boolean
}

const layerRecord = z.object({
  diffId: digestSchema,
  size: z.number(),
  tarSize: z.number(),
  createdAt: z.string(),
  blob: digestSchema.exactOptional(),
  /** Unpacked from an archive that our writer would not reproduce. */
  foreign: z.boolean().exactOptional(),
  /** Deletes everything below it. */
  opaque: z.boolean().exactOptional(),
  /** The boot in which it was made, until its files are known to be on the disk. */
  unsynced: z.string().exactOptional(),
})
type LayerRecord = z.infer<typeof layerRecord>

const emptyTarSize = 1024
const syncDelayMs = 2000

/** Layer directories `<root>/layers/<hex>/fs` and their records. */
export class Layers {
  readonly #root: string
  readonly #leases: Leases
  readonly #pool: Pool
  readonly #table: Table<LayerRecord>
  readonly #layers = new Map<DiffId, LayerRecord>()
  readonly #lock = new KeyedLock()
  readonly #bootId = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  /** Temporary directories in use: what else is in `tmp` is garbage. */
  readonly #temporary = new Set<string>()
  readonly #op: Op
  #trash: Promise<void> = Promise.resolve()
  #syncTimer: NodeJS.Timeout | undefined

  constructor(op: Op, o: { root: string; store: Store; leases: Leases; pool: Pool }) {
    this.#root = o.root
    this.#leases = o.leases
    this.#pool = o.pool
    this.#op = background(op.log)
    for (const name of ['layers', 'tmp', 'trash', 'empty'])
      mkdirSync(join(o.root, name), { recursive: true, mode: 0o755 })
    // Every layer begins there.
    spreadBelow(join(o.root, 'tmp'))
    this.#table = o.store.table('layers', (value) => layerRecord.parse(value))
    for (const { record } of this.#table.all()) this.#layers.set(record.diffId, record)
  }

  get(diffId: DiffId): Layer | undefined {
    return this.#layers.get(diffId)
  }

  all(): Layer[] {
    return [...this.#layers.values()]
  }

  path(diffId: DiffId): string {
    return join(this.#root, 'layers', hexOf(diffId), 'fs')
  }

  get emptyPath(): string {
    return join(this.#root, 'empty')
  }

  /** Directories to mount, top first, of layers given bottom first. Throws kind `not-found` for one that is missing. */
  stack(diffIds: readonly DiffId[]): string[] {
    const paths = new Set<string>()
    for (const diffId of diffIds.toReversed()) {
      const layer = this.#layers.get(diffId)
      if (!layer) throw new EngineError('not-found', `layer ${diffId} is missing`)
      // The kernel refuses a directory twice. The upper one alone gives the same result: it repeats, above whatever
      // is in between, all that the lower one says.
      if (layer.tarSize > emptyTarSize) paths.add(this.path(diffId))
      if (layer.opaque) break
    }
    return [...paths]
  }

  /** Unpacks an archive; see Snapshots. With `own`, its diffID is that of our own archive of what came out. */
  async unpack(
    op: Op,
    tar: Readable,
    o: { expected?: DiffId; blob?: Digest; lease?: Lease; own?: boolean } = {},
  ): Promise<Layer> {
    const { expected } = o
    using _lock = expected === undefined ? undefined : await this.#lock.acquire(expected, op.signal)
    if (expected !== undefined) {
      o.lease?.add(`layer:${expected}`)
      const present = this.#layers.get(expected)
      if (present) {
        tar.destroy()
        return present
      }
    }
    const temporary = this.makeTemporary()
    try {
      const dir = join(temporary, 'fs')
      mkdirSync(dir, { mode: 0o755 })
      const unpacked = await this.#pool.feed(op, 'unpack', { input: { dir }, source: tar })
      checkUnpacked(op, unpacked, expected)
      const { opaqueRoot, ...facts } = o.own
        ? { ...(await this.#pool.run(op, 'hash', { dir })), opaqueRoot: false }
        : unpacked
      op.signal.throwIfAborted()
      return this.#place(temporary, {
        diffId: facts.digest,
        size: facts.size,
        tarSize: facts.tarSize,
        createdAt: new Date().toISOString(),
        ...(o.blob && { blob: o.blob }),
        ...(!o.own && { foreign: true }),
        ...(opaqueRoot && { opaque: true }),
        lease: o.lease,
      })
    } finally {
      this.dropTemporary(temporary)
    }
  }

  /** Unpacks an archive as it comes from elsewhere, and keeps it; see Snapshots. */
  async receive(
    op: Op,
    pump: Pump,
    o: { expected: DiffId; blob: Digest; copyTo: string; commit(): Promise<void>; lease?: Lease },
  ): Promise<Layer> {
    const { expected, blob } = o
    using _lock = await this.#lock.acquire(expected, op.signal)
    o.lease?.add(`layer:${expected}`)
    const present = this.#layers.get(expected)
    if (present) return present
    const temporary = this.makeTemporary()
    try {
      const dir = join(temporary, 'fs')
      mkdirSync(dir, { mode: 0o755 })
      const input = { dir, copyTo: o.copyTo }
      const unpacked = await this.#pool.fill(op, 'receive', { input, pump })
      if (unpacked.blob !== blob)
        throw new EngineError('invalid', `filesystem layer verification failed for digest ${blob}`)
      checkUnpacked(op, unpacked, expected)
      op.signal.throwIfAborted()
      await o.commit()
      return this.#place(temporary, {
        diffId: expected,
        size: unpacked.size,
        tarSize: unpacked.tarSize,
        createdAt: new Date().toISOString(),
        blob,
        foreign: true,
        ...(unpacked.opaqueRoot && { opaque: true }),
        lease: o.lease,
      })
    } finally {
      this.dropTemporary(temporary)
    }
  }

  /** Makes an overlay upper directory the layer that it is. It is moved; on failure it is gone. */
  async adopt(op: Op, upper: string, o: { lease?: Lease; epoch?: number }): Promise<Layer> {
    const facts = await this.#pool.run(op, 'hash', {
      dir: upper,
      ...(o.epoch !== undefined && { epoch: o.epoch }),
    })
    op.signal.throwIfAborted()
    const temporary = this.makeTemporary()
    try {
      renameSync(upper, join(temporary, 'fs'))
      return this.#place(temporary, {
        diffId: facts.digest,
        size: facts.size,
        tarSize: facts.tarSize,
        createdAt: new Date().toISOString(),
        lease: o.lease,
      })
    } finally {
      this.dropTemporary(temporary)
    }
  }

  /** The archive of a layer that was made here: its digest is the diffID. */
  tar(op: Op, diffId: DiffId): Readable {
    const layer = this.#layers.get(diffId)
    if (!layer) throw new EngineError('not-found', `layer ${diffId} is missing`)
    if (layer.foreign)
      throw new EngineError(
        'unsupported',
        `layer ${diffId} was not made here: its archive is ${layer.blob ?? 'not kept'}`,
      )
    return this.#pool.stream(op, 'tar', { input: { dir: this.path(diffId), form: 'layer' } })
  }

  /** The archive, compressed; `blob` is where the one is that it came as. */
  pack(
    op: Op,
    diffId: DiffId,
    o: { form: Packed; blob: string | undefined; progress?: (read: number) => void },
  ): Readable {
    if (!this.#layers.has(diffId)) throw new EngineError('not-found', `layer ${diffId} is missing`)
    const from = o.blob === undefined ? { dir: this.path(diffId) } : { file: o.blob }
    return this.#pool.stream(op, 'pack', {
      input: { from, form: o.form },
      ...(o.progress && { progress: o.progress }),
    })
  }

  /** False when a lease holds it, or there is none. */
  remove(diffId: DiffId): boolean {
    if (!this.#layers.has(diffId) || this.#leases.holds(`layer:${diffId}`)) return false
    this.#table.delete(diffId)
    this.#layers.delete(diffId)
    this.discard(join(this.#root, 'layers', hexOf(diffId)))
    return true
  }

  /** Records and directories agree afterwards; what `keep` and leases do not name goes. */
  reconcile(op: Op, keep: ReadonlySet<DiffId>): void {
    for (const { diffId } of this.#layers.values()) {
      if (!existsSync(this.path(diffId))) {
        op.log.error('the directory of a layer is missing: its record is dropped', { layer: diffId })
        this.#table.delete(diffId)
        this.#layers.delete(diffId)
      } else if (!keep.has(diffId)) this.remove(diffId)
    }
    for (const name of readdirSync(join(this.#root, 'layers')))
      if (!this.#layers.has(`sha256:${name}`)) this.discard(join(this.#root, 'layers', name))
    for (const name of readdirSync(join(this.#root, 'tmp')))
      if (!this.#temporary.has(join(this.#root, 'tmp', name))) this.discard(join(this.#root, 'tmp', name))
  }

  /**
   * After a power failure the files of layers made shortly before may be missing or empty though their records are
   * there. Such layers are checked against their digest, or dropped where that cannot be done.
   */
  async verifyUnsynced(op: Op): Promise<void> {
    const doubtful = [...this.#layers.values()].filter((layer) => layer.unsynced !== undefined)
    for (const layer of doubtful) {
      if (layer.unsynced === this.#bootId || (await this.#isIntact(op, layer))) continue
      op.log.error('a layer was damaged when the machine stopped: dropped', { layer: layer.diffId })
      this.remove(layer.diffId)
    }
    if (doubtful.length > 0) this.#syncSoon()
  }

  async #isIntact(op: Op, layer: LayerRecord): Promise<boolean> {
    if (layer.foreign || !existsSync(this.path(layer.diffId))) return false
    try {
      return (await this.#pool.run(op, 'hash', { dir: this.path(layer.diffId) })).digest === layer.diffId
    } catch (error) {
      op.signal.throwIfAborted()
      op.log.warn('a layer cannot be read', { layer: layer.diffId, error })
      return false
    }
  }

  #place(temporary: string, o: Omit<LayerRecord, 'unsynced'> & { lease: Lease | undefined }): Layer {
    const { lease, ...layer } = o
    lease?.add(`layer:${layer.diffId}`)
    const present = this.#layers.get(layer.diffId)
    if (present) {
      if (present.blob || !layer.blob) return present
      return this.#save({ ...present, blob: layer.blob })
    }
    const target = join(this.#root, 'layers', hexOf(layer.diffId))
    // Left by a daemon that was killed between this rename and its record.
    if (existsSync(target)) this.discard(target)
    renameSync(temporary, target)
    this.#syncSoon()
    return this.#save({ ...layer, unsynced: this.#bootId })
  }

  #save(layer: LayerRecord): Layer {
    this.#table.put(layer.diffId, layer)
    this.#layers.set(layer.diffId, layer)
    return layer
  }

  /** A new directory below `tmp`, for `dropTemporary` to remove. */
  makeTemporary(): string {
    const path = join(this.#root, 'tmp', randomBytes(6).toString('hex'))
    mkdirSync(path, { mode: 0o700 })
    this.#temporary.add(path)
    return path
  }

  dropTemporary(path: string): void {
    this.#temporary.delete(path)
    if (existsSync(path)) this.discard(path)
  }

  /** Takes a directory out of sight at once and deletes it in the background. */
  discard(path: string): void {
    const trash = join(this.#root, 'trash', randomBytes(6).toString('hex'))
    renameSync(path, trash)
    this.#delete(trash)
  }

  /** What an earlier daemon did not get to. */
  emptyTrash(): void {
    for (const name of readdirSync(join(this.#root, 'trash'))) this.#delete(join(this.#root, 'trash', name))
  }

  #delete(path: string): void {
    this.#trash = this.#trash.then(async () => {
      try {
        await this.#pool.run(this.#op, 'remove', { path })
      } catch (error) {
        this.#op.log.warn('cannot delete a directory: it is tried again at the next start', {
          path,
          error: messageOf(error),
        })
      }
    })
  }

  #syncSoon(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined
      this.#sync().catch((error: unknown) =>
        this.#op.log.warn('cannot note that layers are on the disk', { error }),
      )
    }, syncDelayMs).unref()
  }

  async #sync(): Promise<void> {
    const layers = [...this.#layers.values()].filter((layer) => layer.unsynced !== undefined)
    if (layers.length === 0) return
    try {
      await this.#pool.run(detached(this.#op, 60_000), 'sync', { path: this.#root })
    } catch (error) {
      this.#op.log.warn('cannot write layers to the disk now', { error })
      return
    }
    for (const { diffId } of layers) {
      const layer = this.#layers.get(diffId)
      if (!layer) continue
      const { unsynced: _, ...synced } = layer
      this.#save(synced)
    }
  }

  /** Waits until all is deleted and on the disk. */
  async settle(): Promise<void> {
    clearTimeout(this.#syncTimer)
    this.#syncTimer = undefined
    await this.#sync()
    await this.#trash
  }
}

function checkUnpacked(
  op: Op,
  unpacked: { digest: Digest; skippedXattrs: readonly string[] },
  expected: DiffId | undefined,
): void {
  if (expected !== undefined && unpacked.digest !== expected)
    throw new EngineError(
      'invalid',
      `the layer has the digest ${unpacked.digest}, not ${expected} as promised`,
    )
  if (unpacked.skippedXattrs.length > 0)
    op.log.warn('attributes that belong to another host were left out of a layer', {
      layer: unpacked.digest,
      attributes: unpacked.skippedXattrs,
    })
}
