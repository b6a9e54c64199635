import { mkdirSync } from 'node:fs'
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { KeyedLock } from '../lib/lock.ts'
import type { Op } from '../lib/op.ts'
import type { Store, Table } from '../store/index.ts'
import type { Emit } from '../wire/system.ts'
import { populate } from './populate.ts'

export interface Volume {
  readonly name: string
  /** Absolute path of its content on the host. */
  readonly mountpoint: string
  readonly driver: 'local'
  readonly createdAt: string
  readonly labels: Readonly<Record<string, string>>
  readonly options: Readonly<Record<string, string>>
  /** Nobody chose its name: it goes with its container (`rm -v`, `--rm`) and with `volume prune`. */
  readonly anonymous: boolean
}

export interface VolumeRequest {
  /** Without one the volume is anonymous. */
  readonly name?: string
  readonly driver?: string
  readonly labels?: Readonly<Record<string, string>>
  readonly options?: Readonly<Record<string, string>>
}

const record = z.strictObject({
  name: z.string(),
  createdAt: z.string(),
  labels: z.record(z.string(), z.string()),
  /** Content of an image is being copied in: what is there may be half of it. */
  populating: z.boolean(),
})
type VolumeRecord = z.infer<typeof record>

/** Docker's mark of volumes that nobody named. */
const anonymousLabel = 'com.docker.volume.anonymous'
const dataFolder = '_data'
/** Names of volumes cannot start with a dot. */
const trashPrefix = '.removing-'

export class Volumes {
  readonly #root: string
  readonly #table: Table<VolumeRecord>
  readonly #emit: Emit
  readonly #records: Map<string, VolumeRecord>
  readonly #locks = new KeyedLock()

  private constructor(o: { root: string; table: Table<VolumeRecord>; emit: Emit }) {
    this.#root = o.root
    this.#table = o.table
    this.#emit = o.emit
    this.#records = new Map(o.table.all().map((entry) => [entry.key, entry.record]))
  }

  /** Ends what a killed daemon had begun, and adopts directories with content that no record knows. */
  static async open(op: Op, o: { root: string; store: Store; emit: Emit }): Promise<Volumes> {
    mkdirSync(o.root, { recursive: true, mode: 0o701 })
    const table = o.store.table('volumes', (value) => record.parse(value))
    const volumes = new Volumes({ root: o.root, table, emit: o.emit })
    await volumes.#recover(op)
    return volumes
  }

  list(): Volume[] {
    return [...this.#records.values()].map((r) => this.#view(r))
  }

  find(name: string): Volume {
    const found = this.#records.get(name)
    if (!found) throw new EngineError('not-found', `get ${name}: no such volume`)
    return this.#view(found)
  }

  /** Docker: an existing volume of that name is returned as it is. */
  async create(op: Op, o: VolumeRequest): Promise<Volume> {
    checkSupported(o)
    const name = o.name || newId()
    checkName(name)
    using _lock = await this.#locks.acquire(name, op.signal)
    const existing = this.#records.get(name)
    if (existing) return this.#view(existing)
    const labels = { ...o.labels, ...(o.name ? {} : { [anonymousLabel]: '' }) }
    const made: VolumeRecord = { name, createdAt: new Date().toISOString(), labels, populating: false }
    await mkdir(join(this.#root, name), { recursive: true, mode: 0o701 })
    await mkdir(this.#dataOf(name), { recursive: true, mode: 0o755 })
    this.#save(made)
    this.#emit({ type: 'volume', action: 'create', id: name, attributes: { driver: 'local' } })
    return this.#view(made)
  }

  /** `usedBy` tells the containers that mount it; with any, kind `conflict`. `force`: a missing volume is no error. */
  async remove(
    op: Op,
    name: string,
    o: { force: boolean; usedBy: (name: string) => readonly string[] },
  ): Promise<void> {
    using _lock = await this.#locks.acquire(name, op.signal)
    if (o.force && !this.#records.has(name)) return
    this.find(name)
    const users = o.usedBy(name)
    if (users.length > 0)
      throw new EngineError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`)
    const trash = join(this.#root, `${trashPrefix}${newId().slice(0, 12)}-${name}`)
    try {
      await rename(join(this.#root, name), trash)
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error // somebody deleted the directory by hand
    }
    this.#forget(name)
    await rm(trash, { recursive: true, force: true })
    this.#emit({ type: 'volume', action: 'destroy', id: name, attributes: { driver: 'local' } })
  }

  /** True also while content that was being copied in is not complete. */
  async isEmpty(name: string): Promise<boolean> {
    const { mountpoint } = this.find(name)
    return this.#records.get(name)?.populating === true || (await readdir(mountpoint)).length === 0
  }

  /**
   * Docker's copy-up: an empty volume receives what the image has at `path` (absolute, inside `rootfs`, which is not
   * trusted), with owners, modes, times, links and attributes; the volume's own directory those of `path`. A volume
   * with content, and an image without such a directory, change nothing. All or nothing.
   */
  async populate(op: Op, name: string, o: { rootfs: string; path: string }): Promise<void> {
    using _lock = await this.#locks.acquire(name, op.signal)
    if (!(await this.isEmpty(name))) return
    const current = this.#records.get(name)
    if (!current) return
    this.#save({ ...current, populating: true })
    try {
      await populate(op, { ...o, target: this.#dataOf(name) })
    } catch (error) {
      await this.#clear(name)
      this.#save({ ...current, populating: false })
      throw error
    }
    this.#save({ ...current, populating: false })
  }

  async #clear(name: string): Promise<void> {
    const folder = this.#dataOf(name)
    for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true, force: true })
  }

  async #recover(op: Op): Promise<void> {
    const folders = await readdir(this.#root)
    for (const trash of folders.filter((f) => f.startsWith(trashPrefix))) {
      const name = trash.slice(trashPrefix.length + 13)
      if (!folders.includes(name)) this.#forget(name)
      await rm(join(this.#root, trash), { recursive: true, force: true })
    }
    for (const name of folders) {
      if (name.startsWith('.') || this.#records.has(name)) continue
      const info = await stat(join(this.#root, name))
      if (!info.isDirectory()) continue
      if (await isEmptyTree(join(this.#root, name))) {
        await rm(join(this.#root, name), { recursive: true })
        continue
      }
      op.log.warn('found a volume without a record: it is kept', { name })
      const labels: Record<string, string> = /^[0-9a-f]{64}$/.test(name) ? { [anonymousLabel]: '' } : {}
      this.#save({ name, createdAt: info.birthtime.toISOString(), labels, populating: false })
    }
    for (const name of this.#records.keys())
      if (!folders.includes(name)) op.log.warn('the directory of a volume is missing', { name })
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
      options: {},
      anonymous: anonymousLabel in r.labels,
    }
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

async function isEmptyTree(folder: string): Promise<boolean> {
  const names = await readdir(folder)
  if (names.length === 0) return true
  return (
    names.length === 1 && names[0] === dataFolder && (await readdir(join(folder, dataFolder))).length === 0
  )
}

/** Docker's rules and texts. */
function checkName(name: string): void {
  if (name.length < 2)
    throw new EngineError(
      'invalid',
      'volume name is too short, names should be at least two alphanumeric characters',
    )
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name))
    throw new EngineError(
      'invalid',
      `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`,
    )
  if (name.length > 200)
    throw new EngineError('invalid', `create ${name.slice(0, 20)}…: volume name is too long`)
}

function checkSupported(o: VolumeRequest): void {
  if (o.driver && o.driver !== 'local')
    throw new EngineError('unsupported', `volume driver "${o.driver}" is not supported: only "local" is`)
  const [option] = Object.keys(o.options ?? {})
  if (option !== undefined)
    throw new EngineError('unsupported', `option "${option}" of volume driver "local" is not supported yet`)
}
