import { existsSync, mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import { isMountPoint } from '../host/mount.ts'
import type { Store, Table } from '../store/index.ts'
import type { Emit } from '../wire/system.ts'
import { checkOptions, isMounted, mountVolume, unmountBelow, unmountVolume } from './driver.ts'
import { clear, dataFolder, importPrefix, isEmptyTree, removingPrefix } from './folders.ts'
import { run } from './jobs.ts'
import {
  anonymousLabel,
  checkName,
  volumeRecord,
  type TrashedVolume,
  type Volume,
  type VolumeRecord,
  type VolumeRequest,
} from './record.ts'
import { Trash } from './trash.ts'
import { Uses } from './uses.ts'

export type { TrashedVolume, Volume, VolumeRequest } from './record.ts'

export class Volumes {
  readonly #root: string
  readonly #table: Table<VolumeRecord>
  readonly #emit: Emit
  readonly #op: Op
  readonly #records = new Map<string, VolumeRecord>()
  readonly #trash: Trash
  readonly #locks = new KeyedLock()
  /** Who keeps a volume with mount options mounted. */
  readonly #holders = new Map<string, Set<string>>()
  readonly #uses = new Uses()
  /** Until the holders that outlived an earlier daemon are known, nothing is unmounted. */
  #settled = false

  private constructor(op: Op, o: { root: string; table: Table<VolumeRecord>; emit: Emit }) {
    this.#op = op
    this.#root = o.root
    this.#table = o.table
    this.#emit = o.emit
    for (const { key, record } of o.table.all()) if (!record.trash) this.#records.set(key, record)
    this.#trash = new Trash({ ...o, log: op.log })
  }

  /** Ends what a killed daemon had begun, and adopts directories with content that no record knows. */
  static async open(op: Op, o: { root: string; store: Store; emit: Emit }): Promise<Volumes> {
    mkdirSync(o.root, { recursive: true, mode: 0o701 })
    const table = o.store.table('volumes', (value) => volumeRecord.parse(value))
    const volumes = new Volumes(op, { root: o.root, table, emit: o.emit })
    await volumes.#recover(op)
    await volumes.#trash.expire()
    return volumes
  }

  /** Stops the clock of the trash. */
  close(): void {
    this.#trash.close()
    this.#settled = false
  }

  list(): Volume[] {
    return [...this.#records.values()].map((r) => this.#view(r))
  }

  find(name: string): Volume {
    return this.#view(this.#record(name))
  }

  /** Docker: an existing volume of that name is returned as it is. */
  async create(op: Op, o: VolumeRequest): Promise<Volume> {
    if (o.driver && o.driver !== 'local')
      throw new EngineError(
        'not-found',
        `create ${o.name ?? ''}: error looking up volume plugin ${o.driver}: plugin ${JSON.stringify(o.driver)} not found`,
      )
    const name = o.name || newId()
    checkName(name)
    const options = o.options ?? {}
    checkOptions(name, options)
    using _lock = await this.#locks.acquire(name, op.signal)
    const existing = this.#records.get(name)
    if (existing) return this.#view(existing)
    const labels = { ...o.labels, ...(o.name ? {} : { [anonymousLabel]: '' }) }
    const made = { name, createdAt: new Date().toISOString(), labels, options, populating: false }
    await mkdir(join(this.#root, name), { recursive: true, mode: 0o701 })
    await mkdir(this.#dataOf(name), { recursive: true, mode: 0o755 })
    return this.#added(made)
  }

  /**
   * Kind `conflict` while containers use it, but for the container `except`, which is going. `force`: a missing volume
   * is no error.
   */
  async remove(op: Op, name: string, o: { force: boolean; except?: string }): Promise<void> {
    using _lock = await this.#locks.acquire(name, op.signal)
    if (o.force && !this.#records.has(name)) return
    this.#record(name)
    this.#uses.assertNone(name, { verb: 'remove', ...(o.except !== undefined && { except: o.except }) })
    const gone = join(this.#root, `${removingPrefix}${newId().slice(0, 12)}-${name}`)
    await this.#moveAway(name, gone)
    this.#forget(name)
    await rm(gone, { recursive: true, force: true })
    this.#emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: 'local' } })
  }

  // Use

  /** Who tells the ids of the containers that mount a volume, running or not. */
  askUsers(usedBy: (name: string) => readonly string[]): void {
    this.#uses.ask(usedBy)
  }

  users(name: string): readonly string[] {
    return this.#uses.containers(name)
  }

  /**
   * From now on the volume counts as used: by a container that has no record yet. Taken before the container's
   * mounts are decided, disposed when it is known: in between nobody can remove the volume.
   */
  claim(name: string, who = 'a container that is being created'): Disposable {
    return this.#uses.claim(name, who)
  }

  /** Where the volume's content is; one with mount options is mounted for its first holder. Idempotent for one holder. */
  async hold(op: Op, name: string, holder: string): Promise<string> {
    using _lock = await this.#locks.acquire(name, op.signal)
    const record = this.#record(name)
    const path = this.#dataOf(name)
    if (!existsSync(path))
      throw new EngineError('conflict', `the directory of volume ${name} is missing: ${path}`)
    if (!isMounted(record.options)) return path
    const holders = this.#holders.get(name) ?? new Set()
    if (!isMountPoint(path)) await mountVolume(record.options, path)
    this.#holders.set(name, holders.add(holder))
    return path
  }

  /** The last one that lets go unmounts. Not holding is not an error. */
  async release(op: Op, name: string, holder: string): Promise<void> {
    using _lock = await this.#locks.acquire(name, op.signal)
    const holders = this.#holders.get(name)
    holders?.delete(holder)
    const record = this.#records.get(name)
    if (!record || !isMounted(record.options) || (holders?.size ?? 0) > 0) return
    this.#holders.delete(name)
    if (this.#settled) unmountVolume(this.#dataOf(name))
  }

  /**
   * At boot, once, when containers are known: who holds what since before. Other mounts of an earlier daemon go, and
   * so does content that was half copied in: a container's creation, or an import, starts anew.
   */
  async settle(held: ReadonlyMap<string, readonly string[]>): Promise<void> {
    for (const [name, holders] of held) this.#holders.set(name, new Set(holders))
    this.#settled = true
    for (const { name, options } of this.#records.values())
      if (isMounted(options) && !this.#holders.has(name)) unmountVolume(this.#dataOf(name))
    for (const record of this.#records.values())
      if (record.populating && !isMounted(record.options)) {
        await this.#clear(record.name)
        this.#save({ ...record, populating: false })
      }
  }

  /** Calls back with the path of the content, which is mounted for as long. */
  async using<T>(op: Op, name: string, work: (path: string) => Promise<T>): Promise<T> {
    const holder = newId()
    using _claim = this.claim(name, 'a call that reads or writes it')
    const path = await this.hold(op, name, holder)
    try {
      return await work(path)
    } finally {
      await this.release({ ...op, signal: AbortSignal.timeout(10_000) }, name, holder)
    }
  }

  // Content

  /** True also while content that was being copied in is not complete. */
  async isEmpty(op: Op, name: string): Promise<boolean> {
    if (this.#record(name).populating) return true
    return this.using(op, name, async (path) => {
      const entries = await readdir(path)
      // A file system of its own has this from the start.
      return entries.length === 0 || (entries.length === 1 && entries[0] === 'lost+found')
    })
  }

  /**
   * Docker's copy-up: an empty volume receives what the image has at `path` (absolute, inside `rootfs`, which is not
   * trusted), with owners, modes, times, links and attributes; the volume's own directory those of `path`. A volume
   * with content, and an image without such a directory, change nothing. All or nothing.
   */
  async populate(op: Op, name: string, o: { rootfs: string; path: string }): Promise<void> {
    await this.using(op, name, async (target) => {
      using _lock = await this.#locks.acquire(`content ${name}`, op.signal)
      if (!(await this.isEmpty(op, name))) return
      await this.#filling(name, () => run(op, { kind: 'populate', ...o, target }))
    })
  }

  /** A new volume with the same content (cloned block by block where the file system can), labels and attributes. */
  async clone(op: Op, name: string, copy: string): Promise<Volume> {
    const { labels } = this.#record(name)
    checkName(copy)
    const kept = Object.entries(labels).filter(([label]) => label !== anonymousLabel)
    return this.using(op, name, (rootfs) =>
      this.make(op, { name: copy, labels: Object.fromEntries(kept) }, (target) =>
        run(op, { kind: 'populate', rootfs, path: '/', target }),
      ),
    )
  }

  /** A new volume that appears with the content which `fill` puts into its directory, or not at all. */
  async make(
    op: Op,
    o: { name: string; labels?: Readonly<Record<string, string>> },
    fill: (target: string) => Promise<void>,
  ): Promise<Volume> {
    const { name, labels = {} } = o
    checkName(name)
    using _lock = await this.#locks.acquire(name, op.signal)
    this.#assertFree(name)
    const folder = join(this.#root, `${importPrefix}${newId().slice(0, 12)}`)
    try {
      await mkdir(join(folder, dataFolder), { recursive: true, mode: 0o701 })
      await fill(join(folder, dataFolder))
      op.signal.throwIfAborted()
      await rename(folder, join(this.#root, name))
    } catch (error) {
      await rm(folder, { recursive: true, force: true })
      throw error
    }
    return this.#added({
      name,
      createdAt: new Date().toISOString(),
      labels,
      options: {},
      populating: false,
    })
  }

  /** Fills an existing empty volume; what fails leaves it empty. */
  async fill(op: Op, name: string, fill: (target: string) => Promise<void>): Promise<void> {
    await this.using(op, name, async (target) => {
      using _lock = await this.#locks.acquire(`content ${name}`, op.signal)
      await this.#filling(name, () => fill(target))
    })
  }

  /** Only while no container mounts it. */
  async rename(op: Op, name: string, to: string): Promise<Volume> {
    checkName(to)
    const [first, second] = [name, to].toSorted()
    if (first === undefined || second === undefined || first === second)
      throw new EngineError('invalid', `Renaming a volume with the same name as its current name`)
    using _first = await this.#locks.acquire(first, op.signal)
    using _second = await this.#locks.acquire(second, op.signal)
    const record = this.#record(name)
    this.#assertFree(to)
    this.#uses.assertNone(name, { verb: 'rename' })
    const { [anonymousLabel]: _anonymous, ...labels } = record.labels
    unmountBelow(this.#dataOf(name))
    // The directory first: one without a record becomes a volume again, so a crash here loses nothing but labels.
    await rename(join(this.#root, name), join(this.#root, to))
    this.#forget(name)
    this.#save({ ...record, name: to, labels })
    this.#emit({ type: 'volume', action: 'rename', id: to, attributes: { driver: 'local', oldName: name } })
    return this.find(to)
  }

  // Trash

  /** Takes an unused volume away, whole, for `keep` milliseconds. `createdAt`: only if it is still that one. */
  async discard(op: Op, name: string, o: { keep: number; createdAt?: string }): Promise<TrashedVolume> {
    using _lock = await this.#locks.acquire(name, op.signal)
    const record = this.#record(name)
    if (o.createdAt !== undefined && record.createdAt !== o.createdAt)
      throw new EngineError('conflict', `remove ${name}: it is another volume by now`)
    this.#uses.assertNone(name, { verb: 'remove' })
    const trashed = await this.#trash.put(record, o.keep, (folder) => this.#moveAway(name, folder))
    this.#forget(name)
    this.#emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: 'local' } })
    return trashed
  }

  /** Newest first. */
  trash(): TrashedVolume[] {
    return this.#trash.list()
  }

  /** Brings a pruned volume back as it was, by its name (the last one of that name) or the id of the trash. */
  async restore(op: Op, ref: string, o: { as?: string } = {}): Promise<Volume> {
    const found = this.#trash.find(ref)
    const name = o.as ?? found.name
    checkName(name)
    using _lock = await this.#locks.acquire(name, op.signal)
    this.#assertFree(name)
    const record = await this.#trash.take(found.id, join(this.#root, name))
    return this.#added({ ...record, name })
  }

  /** Deletes trash for good: one piece, or all of it. Returns what went. */
  emptyTrash(id?: string): Promise<TrashedVolume[]> {
    return this.#trash.empty(id)
  }

  // Records

  async #filling(name: string, work: () => Promise<void>): Promise<void> {
    const set = (populating: boolean) => {
      const current = this.#records.get(name)
      if (current) this.#save({ ...current, populating })
    }
    set(true)
    try {
      await work()
    } catch (error) {
      await this.#clear(name)
      set(false)
      throw error
    }
    set(false)
  }

  /** Half of something is worse than nothing, but nothing is worse than to lose what a container may have written. */
  async #clear(name: string): Promise<void> {
    if (this.#uses.containers(name).length === 0) await clear(this.#dataOf(name))
    else this.#op.log.warn('content is incomplete, and stays: the volume is in use', { name })
  }

  async #moveAway(name: string, to: string): Promise<void> {
    // Whatever is still mounted there is somebody else's: deleting must never reach it.
    unmountBelow(join(this.#root, name))
    try {
      await rename(join(this.#root, name), to)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error // somebody deleted the directory by hand
    }
  }

  #assertFree(name: string): void {
    if (this.#records.has(name)) throw new EngineError('conflict', `a volume named ${name} exists already`)
  }

  async #recover(op: Op): Promise<void> {
    const folders = await readdir(this.#root)
    for (const folder of folders.filter((f) => f.startsWith(removingPrefix) || f.startsWith(importPrefix))) {
      const name = folder.startsWith(removingPrefix) ? folder.slice(removingPrefix.length + 13) : undefined
      if (name !== undefined && !folders.includes(name)) this.#forget(name)
      unmountBelow(join(this.#root, folder))
      await rm(join(this.#root, folder), { recursive: true, force: true })
    }
    await this.#trash.recover(folders, {
      find: (name) => this.#records.get(name),
      forget: (name) => this.#forget(name),
    })
    for (const name of await readdir(this.#root)) {
      if (name.startsWith('.') || this.#records.has(name)) continue
      const info = await stat(join(this.#root, name))
      if (!info.isDirectory()) continue
      if (await isEmptyTree(join(this.#root, name))) {
        await rm(join(this.#root, name), { recursive: true })
        continue
      }
      op.log.warn('found a volume without a record: it is kept', { name })
      const labels: Record<string, string> = /^[0-9a-f]{64}$/.test(name) ? { [anonymousLabel]: '' } : {}
      this.#save({ name, createdAt: info.birthtime.toISOString(), labels, options: {}, populating: false })
    }
    for (const name of this.#records.keys())
      if (!folders.includes(name)) op.log.warn('the directory of a volume is missing', { name })
  }

  #record(name: string): VolumeRecord {
    const found = this.#records.get(name)
    if (!found) throw new EngineError('not-found', `get ${name}: no such volume`)
    return found
  }

  #dataOf(name: string): string {
    return join(this.#root, name, dataFolder)
  }

  #view(r: VolumeRecord): Volume {
    return {
      name: r.name,
      mountpoint: this.#dataOf(r.name),
      driver: 'local',
      createdAt: r.createdAt,
      labels: r.labels,
      options: r.options,
      anonymous: anonymousLabel in r.labels,
    }
  }

  #added(r: VolumeRecord): Volume {
    this.#save(r)
    this.#emit({ type: 'volume', action: 'create', id: r.name, attributes: { driver: 'local' } })
    return this.#view(r)
  }

  #save(r: VolumeRecord): void {
    this.#table.put(r.name, r)
    this.#records.set(r.name, r)
  }

  #forget(name: string): void {
    this.#table.delete(name)
    this.#records.delete(name)
  }
}
