import { rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import type { Logger } from '../lib/log.ts'
import type { Table } from '../store/index.ts'
import { unmountBelow } from './driver.ts'
import { dataFolder, trashPrefix } from './folders.ts'
import type { TrashedVolume, VolumeRecord } from './record.ts'

/** How long setTimeout can wait. */
const maxWait = 2 ** 31 - 1

/** Pruned volumes, whole, in folders of their own until their time is over. */
export class Trash {
  readonly #root: string
  readonly #table: Table<VolumeRecord>
  readonly #log: Logger
  /** By folder name, which is also their key in the table. */
  readonly #records = new Map<string, VolumeRecord>()
  #timer: NodeJS.Timeout | undefined

  /** Knows what is on record; recover() and expire() come next. */
  constructor(o: { root: string; table: Table<VolumeRecord>; log: Logger }) {
    this.#root = o.root
    this.#table = o.table
    this.#log = o.log
    for (const { key, record } of o.table.all()) if (record.trash) this.#records.set(key, record)
  }

  /** Stops the clock. */
  close(): void {
    clearTimeout(this.#timer)
  }

  /** Newest first. */
  list(): TrashedVolume[] {
    return [...this.#records]
      .map(([folder, record]) => this.#view(folder, record))
      .toSorted((a, b) => (a.since < b.since ? 1 : -1))
  }

  /** By id, or the last one of a name. */
  find(ref: string): TrashedVolume {
    const all = this.list()
    const found = all.find((t) => t.id === ref) ?? all.find((t) => t.name === ref)
    if (!found) throw missing(ref)
    return found
  }

  /** Keeps a volume for `keep` milliseconds; `move` brings its folder to the path given. */
  async put(record: VolumeRecord, keep: number, move: (to: string) => Promise<void>): Promise<TrashedVolume> {
    const now = Date.now()
    const folder = `${trashPrefix}${newId().slice(0, 12)}`
    const trash = { since: new Date(now).toISOString(), until: new Date(now + keep).toISOString() }
    const trashed: VolumeRecord = { ...record, trash }
    // The record first: a crash before the folder's move is finished at boot.
    this.#table.put(folder, trashed)
    await move(join(this.#root, folder))
    this.#records.set(folder, trashed)
    this.#watch()
    return this.#view(folder, trashed)
  }

  /** Moves a volume out again; its record as it was before. */
  async take(id: string, to: string): Promise<VolumeRecord> {
    const folder = `${trashPrefix}${id}`
    const record = this.#records.get(folder)
    if (!record) throw missing(id)
    const { trash: _trash, ...rest } = record
    this.#records.delete(folder)
    await rename(join(this.#root, folder), to)
    this.#table.delete(folder)
    return rest
  }

  /** Deletes for good: one piece, or all of it. Returns what went. */
  async empty(id?: string): Promise<TrashedVolume[]> {
    const chosen = this.list().filter((t) => id === undefined || t.id === id)
    if (id !== undefined && chosen.length === 0)
      throw new EngineError('not-found', `${id}: no such volume in the trash`)
    for (const { id: one } of chosen) await this.#destroy(`${trashPrefix}${one}`)
    return chosen
  }

  /** Deletes what is due, and wakes up when the next piece is. */
  async expire(): Promise<void> {
    const now = new Date().toISOString()
    for (const [folder, { name, trash }] of this.#records) {
      if (!trash || trash.until > now) continue
      this.#log.info('a pruned volume is deleted for good', { name })
      await this.#destroy(folder)
    }
    this.#watch()
  }

  /** At boot: a crash between the two steps of put() or take() is brought to the side of the trash: nothing is lost. */
  async recover(
    folders: readonly string[],
    volumes: { find(name: string): VolumeRecord | undefined; forget(name: string): void },
  ): Promise<void> {
    for (const [folder, record] of this.#records) {
      if (folders.includes(folder)) continue
      const live = volumes.find(record.name)
      const sameVolume = live === undefined || live.createdAt === record.createdAt
      if (folders.includes(record.name) && sameVolume) {
        unmountBelow(join(this.#root, record.name))
        await rename(join(this.#root, record.name), join(this.#root, folder))
        if (live) volumes.forget(record.name)
        this.#log.warn('a volume whose pruning was cut short is in the trash', { name: record.name })
      } else {
        this.#records.delete(folder)
        this.#table.delete(folder)
      }
    }
    for (const folder of folders.filter((name) => name.startsWith(trashPrefix))) {
      const record = this.#records.get(folder)
      if (!record) {
        this.#log.warn('found trash without a record: it is left alone', { folder })
        continue
      }
      // The move was done, the old record not yet gone.
      const { name, createdAt } = record
      if (!folders.includes(name) && volumes.find(name)?.createdAt === createdAt) volumes.forget(name)
    }
  }

  async #destroy(folder: string): Promise<void> {
    const path = join(this.#root, folder)
    this.#records.delete(folder)
    unmountBelow(path)
    await rm(path, { recursive: true, force: true })
    this.#table.delete(folder)
  }

  #watch(): void {
    clearTimeout(this.#timer)
    const next = [...this.#records.values()].map(({ trash }) => Date.parse(trash?.until ?? ''))
    if (next.length === 0) return
    const wait = Math.min(Math.max(Math.min(...next) - Date.now(), 0) + 50, maxWait)
    this.#timer = setTimeout(() => {
      this.expire().catch((error: unknown) => this.#log.error('trash was not emptied', { error }))
    }, wait).unref()
  }

  #view(folder: string, r: VolumeRecord): TrashedVolume {
    return {
      id: folder.slice(trashPrefix.length),
      name: r.name,
      path: join(this.#root, folder, dataFolder),
      createdAt: r.createdAt,
      since: r.trash?.since ?? '',
      until: r.trash?.until ?? '',
    }
  }
}

const missing = (ref: string): EngineError =>
  new EngineError('not-found', `restore ${ref}: no such volume in the trash`)
