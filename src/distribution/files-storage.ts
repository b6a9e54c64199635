import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { lockFile, type FileLock } from '../host/flock.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { DurableDirectories } from './durable-directories.ts'
import { assertKey, type ByteRange, type ObjectEntry, type ObjectStat, type Storage } from './storage.ts'

/** Bytes of a file that are read at once. */
const readSize = 256 << 10
/** Bytes that are read before the reader asks for them. */
const smallSize = 32 << 10
/** Files that are looked at together for a list. */
const statsAtOnce = 32
/** A directory that was just made can go with another's last object; each time it is made again. */
const maxAttempts = 20

/**
 * Objects as files `<root>/objects/<key>`; small ones are written to `<root>/temporary` first. A name appears when what it stands for
 * is on the disk, and nobody is told so before the directory is, too. One process at a time: it holds a lock on `<root>/lock`.
 */
export class FilesStorage implements Storage {
  readonly #objects: string
  readonly #temporary: string
  readonly #directories: DurableDirectories
  readonly #lock: FileLock

  private constructor(root: string, lock: FileLock) {
    this.#objects = join(root, 'objects')
    this.#temporary = join(root, 'temporary')
    this.#directories = new DurableDirectories(this.#objects)
    this.#lock = lock
  }

  /** Throws kind `conflict` when another process has it. */
  static async open(root: string): Promise<FilesStorage> {
    await mkdir(root, { recursive: true, mode: 0o700 })
    const locked = lockFile(join(root, 'lock'))
    if ('heldBy' in locked)
      throw new EngineError(
        'conflict',
        `Cannot open the registry's storage ${root}: process ${locked.heldBy} uses it`,
      )
    try {
      const storage = new FilesStorage(root, locked.lock)
      await rm(storage.#temporary, { recursive: true, force: true })
      await mkdir(storage.#temporary, { mode: 0o700 })
      await mkdir(storage.#objects, { recursive: true, mode: 0o700 })
      return storage
    } catch (error) {
      locked.lock[Symbol.dispose]()
      throw error
    }
  }

  async stat(_op: Op, key: string): Promise<ObjectStat | undefined> {
    try {
      const found = await stat(this.#path(key))
      return found.isFile() ? { size: found.size, modified: found.mtime } : undefined
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  async read(op: Op, key: string, range?: ByteRange): Promise<Readable> {
    op.signal.throwIfAborted()
    const file = await open(this.#path(key), constants.O_RDONLY).catch((error: unknown) => {
      throw isAbsent(error) ? new EngineError('not-found', `no object ${key} in the storage`) : error
    })
    await using undo = new AsyncDisposableStack()
    undo.use(file)
    const { size } = await file.stat()
    const { start, end } = range ?? { start: 0, end: size - 1 }
    const length = Math.min(end, size - 1) - start + 1
    if (length <= smallSize) {
      // Most objects are records of a few hundred bytes: a stream with its buffers would cost more than they do.
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.max(length, 0)), {
        position: start,
      })
      return Readable.from([buffer.subarray(0, bytesRead)], { objectMode: false })
    }
    undo.move()
    return file.createReadStream({ highWaterMark: readSize, signal: op.signal, start, end })
  }

  async write(_op: Op, key: string, data: Uint8Array): Promise<void> {
    const temporary = join(this.#temporary, randomBytes(12).toString('hex'))
    try {
      {
        await using file = await open(temporary, 'wx', 0o600)
        await file.writeFile(data)
        // An empty file has nothing but its name, which is synced with the directory.
        if (data.length > 0) await file.datasync()
      }
      await this.#rename(temporary, key)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }

  async place(_op: Op, key: string, file: string, _size: number): Promise<void> {
    await this.#rename(file, key)
  }

  list(op: Op, prefix: string): AsyncIterable<ObjectEntry> {
    if (prefix !== '') assertKey(prefix)
    return this.#walk(op, prefix)
  }

  async *children(op: Op, prefix: string, after?: string): AsyncIterable<string> {
    for (const { name, directory } of await this.#entries(prefix)) {
      op.signal.throwIfAborted()
      const slash = directory ? '/' : ''
      if (after === undefined || name + slash > after + slash) yield name
    }
  }

  async remove(_op: Op, key: string): Promise<void> {
    const path = this.#path(key)
    await unlink(path).catch((error: unknown) => {
      // EISDIR: the name of objects below it.
      if (!isAbsent(error) && !hasCode(error, 'EISDIR')) throw error
    })
    await this.#prune(dirname(path))
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#lock[Symbol.dispose]()
    return Promise.resolve()
  }

  #path(key: string): string {
    assertKey(key)
    return join(this.#objects, key)
  }

  async #rename(from: string, key: string): Promise<void> {
    const path = this.#path(key)
    const directory = dirname(path)
    for (let attempt = 1; ; attempt++) {
      await this.#directories.make(directory)
      try {
        await rename(from, path)
        return await this.#directories.sync(directory)
      } catch (error) {
        // The directory went with its last object, after it had been made or found.
        if (!hasCode(error, 'ENOENT') || attempt === maxAttempts) throw error
        this.#directories.forget(directory)
      }
    }
  }

  /** Empty directories go, so that names without objects are not seen as children. */
  async #prune(from: string): Promise<void> {
    for (let directory = from; directory.length > this.#objects.length; directory = dirname(directory)) {
      this.#directories.forget(directory)
      try {
        await rmdir(directory)
      } catch (error) {
        if (hasCode(error, 'ENOTEMPTY', 'EEXIST')) return
        if (!isAbsent(error)) throw error
      }
    }
  }

  async *#walk(op: Op, prefix: string): AsyncIterable<ObjectEntry> {
    const entries = await this.#entries(prefix)
    const keyOf = (name: string) => (prefix === '' ? name : `${prefix}/${name}`)
    for (let from = 0; from < entries.length; from += statsAtOnce) {
      op.signal.throwIfAborted()
      const some = entries.slice(from, from + statsAtOnce)
      const found = await Promise.all(some.map(({ name }) => this.stat(op, keyOf(name))))
      for (const [index, { name, directory }] of some.entries()) {
        const file = found[index]
        if (directory) yield* this.#walk(op, keyOf(name))
        else if (file) yield { key: keyOf(name), ...file }
      }
    }
  }

  async #entries(prefix: string): Promise<{ name: string; directory: boolean }[]> {
    const path = prefix === '' ? this.#objects : this.#path(prefix)
    try {
      const entries = await readdir(path, { withFileTypes: true })
      const sortable = entries.map((entry) => {
        const directory = entry.isDirectory()
        return { name: entry.name, directory, order: directory ? `${entry.name}/` : entry.name }
      })
      return sortable.sort((a, b) => (a.order < b.order ? -1 : 1))
    } catch (error) {
      if (isAbsent(error)) return []
      throw error
    }
  }
}

/** ENOTDIR: a segment of the path is an object. */
const isAbsent = (error: unknown) => hasCode(error, 'ENOENT', 'ENOTDIR')
