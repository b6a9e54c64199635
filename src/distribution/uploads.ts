import { randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { DistributionError } from './errors.ts'
import { Upload } from './upload.ts'

/** Uploads that are kept in memory while they are idle, at most. */
const maxOpen = 1000
/** Longer than any request takes from finding its upload to using it. Milliseconds. */
const idleTime = 60_000
const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** What is written beside the data when an upload begins. */
interface UploadState {
  readonly repository: string
  readonly startedAt: string
}

export interface UploadEntry {
  readonly id: string
  readonly repository: string
  readonly startedAt: Date
  /** When the last bytes came. */
  readonly modified: Date
  readonly size: number
}

/**
 * Uploads that are not finished: `<spool>/<uuid>/` with the bytes so far and what they are for. They outlive the process; the
 * hash of the bytes is made anew from the file when one goes on after a restart.
 */
export class Uploads {
  readonly #spool: string
  /** Those that were used since the start. */
  readonly #open = new Map<string, Upload>()
  /** Those that have not all their files yet: they look like what a killed process left. */
  readonly #starting = new Set<string>()

  private constructor(spool: string) {
    this.#spool = spool
  }

  static async open(spool: string): Promise<Uploads> {
    await mkdir(spool, { recursive: true, mode: 0o700 })
    return new Uploads(spool)
  }

  async start(_op: Op, repository: string): Promise<Upload> {
    const id = randomUUID()
    const directory = join(this.#spool, id)
    const startedAt = new Date()
    const state: UploadState = { repository, startedAt: startedAt.toISOString() }
    this.#starting.add(id)
    try {
      await mkdir(directory, { mode: 0o700 })
      await writeFile(join(directory, 'state'), JSON.stringify(state), { mode: 0o600 })
      await writeFile(join(directory, 'data'), '', { mode: 0o600 })
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    } finally {
      this.#starting.delete(id)
    }
    return this.#add({ id, repository, startedAt, size: 0 })
  }

  /** Throws BLOB_UPLOAD_UNKNOWN when there is none of that id in the repository. */
  async get(op: Op, repository: string, id: string): Promise<Upload> {
    const upload = this.#open.get(id) ?? (uuid.test(id) ? await this.#load(op, id) : undefined)
    if (upload?.repository !== repository)
      throw new DistributionError(
        'BLOB_UPLOAD_UNKNOWN',
        `no upload ${JSON.stringify(id.slice(0, 100))} in ${repository}: it is finished, was cancelled, or never began`,
      )
    upload.touch()
    return upload
  }

  /** All of them, of this process and of those before. */
  async *list(op: Op): AsyncIterable<UploadEntry> {
    for (const id of (await readdir(this.#spool)).filter((name) => uuid.test(name)).sort()) {
      op.signal.throwIfAborted()
      const upload = this.#open.get(id) ?? (await this.#load(op, id))
      const found = await statIfThere(join(this.#spool, id, 'data'))
      if (!upload || !found) continue
      const { repository, startedAt } = upload
      yield { id, repository, startedAt, modified: found.mtime, size: found.size }
    }
  }

  /** Ends it, whatever is under way. Absent is success. */
  async remove(op: Op, id: string): Promise<void> {
    const upload = this.#open.get(id) ?? (uuid.test(id) ? await this.#load(op, id) : undefined)
    await upload?.remove(op)
  }

  #add(o: { id: string; repository: string; startedAt: Date; size: number }): Upload {
    const upload = new Upload({
      ...o,
      directory: join(this.#spool, o.id),
      onEnd: () => void this.#open.delete(o.id),
    })
    this.#open.set(o.id, upload)
    this.#forget()
    return upload
  }

  /** Clients can begin any number of uploads and leave them: the disk remembers. */
  #forget(): void {
    let looks = 4
    for (const [id, upload] of this.#open) {
      if (this.#open.size <= maxOpen || looks-- === 0) return
      this.#open.delete(id)
      if (!upload.isIdle(idleTime)) this.#open.set(id, upload)
    }
  }

  /** One that an earlier process began. */
  async #load(op: Op, id: string): Promise<Upload | undefined> {
    if (this.#starting.has(id)) return undefined
    const directory = join(this.#spool, id)
    const data = await statIfThere(join(directory, 'data'))
    const state = data && (await readState(join(directory, 'state')))
    // Two requests may come here for the same one.
    const other = this.#open.get(id)
    if (other) return other
    if (data && state)
      return this.#add({
        id,
        repository: state.repository,
        startedAt: new Date(state.startedAt),
        size: data.size,
      })
    if (data) op.log.warn('upload without its state: of no use, removed', { id })
    // Killed at its first or its last step.
    await rm(directory, { recursive: true, force: true })
    return undefined
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

async function readState(path: string): Promise<UploadState | undefined> {
  try {
    const state = JSON.parse(await readFile(path, 'utf8')) as Partial<UploadState>
    if (typeof state.repository !== 'string' || typeof state.startedAt !== 'string') return undefined
    return { repository: state.repository, startedAt: state.startedAt }
  } catch (cause) {
    if (hasCode(cause, 'ENOENT') || cause instanceof SyntaxError) return undefined
    throw new EngineError('internal', `Cannot read the state of an upload at ${path}`, { cause })
  }
}
