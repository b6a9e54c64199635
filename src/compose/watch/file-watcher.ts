import { lstatSync, readdirSync, watch, type FSWatcher, type Stats } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { EngineError, hasCode } from '../../lib/errors.ts'

export interface FileWatcherOptions {
  /** Files and directories, absolute. */
  readonly roots: readonly string[]
  /** Directories for which it is true are not looked into. */
  readonly ignored: (path: string) => boolean
  /** What changed, came or went, once nothing has happened for a moment. */
  readonly onChange: (paths: ReadonlySet<string>) => void
  readonly onError: (error: Error) => void
  /** Milliseconds without news that end a batch. */
  readonly quiet?: number
  /** Milliseconds after which a batch ends whatever happens. */
  readonly longest?: number
}

/**
 * Watches trees of files, with a watch for each directory: what appears in a directory that is new itself is found by looking
 * into it, so that nothing between its making and its watch is missed.
 */
export class FileWatcher implements Disposable {
  readonly #o: Required<FileWatcherOptions>
  readonly #watched = new Map<string, FSWatcher>()
  /** Roots that are files: only they count in their directories. */
  readonly #files = new Map<string, Set<string>>()
  /** Roots that are not there yet. */
  readonly #missing = new Set<string>()
  #pending = new Set<string>()
  #began = 0
  #timer: NodeJS.Timeout | undefined

  constructor(o: FileWatcherOptions) {
    this.#o = { quiet: 100, longest: 1000, ...o }
    try {
      for (const root of o.roots) this.#addRoot(root, () => {})
    } catch (error) {
      this[Symbol.dispose]()
      throw error
    }
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer)
    for (const watcher of this.#watched.values()) watcher.close()
    this.#watched.clear()
  }

  /** `found` is told of each file that is there already. */
  #addRoot(root: string, found: (path: string) => void): void {
    const stat = lstatSync(root, { throwIfNoEntry: false })
    this.#missing.delete(root)
    if (stat?.isDirectory()) return this.#addTree(root, found)
    this.#addName(root)
    if (stat) found(root)
    else this.#missing.add(root)
  }

  /** In its directory, or in the nearest one that is there. */
  #addName(path: string): void {
    const folder = dirname(path)
    const isWhole = this.#watched.has(folder) && !this.#files.has(folder)
    if (isWhole) return
    if (!this.#watch(folder)) return this.#addName(folder)
    this.#files.set(folder, (this.#files.get(folder) ?? new Set()).add(basename(path)))
  }

  /** `found` is told of each file that is there already. */
  #addTree(folder: string, found: (path: string) => void): void {
    if (this.#watched.has(folder) && !this.#files.has(folder)) return
    this.#files.delete(folder)
    if (!this.#watch(folder)) return
    for (const entry of entriesOf(folder)) {
      const path = join(folder, entry.name)
      if (this.#o.ignored(path)) continue
      if (entry.isDirectory()) this.#addTree(path, found)
      else found(path)
    }
  }

  /** False when the directory is gone. */
  #watch(folder: string): boolean {
    if (this.#watched.has(folder)) return true
    try {
      const watcher = watch(folder, (_event, name) => this.#touched(folder, name))
      watcher.on('error', (error) => this.#o.onError(error))
      this.#watched.set(folder, watcher)
      return true
    } catch (error) {
      if (hasCode(error, 'ENOENT', 'ENOTDIR')) return false
      if (!hasCode(error, 'ENOSPC', 'EMFILE')) throw error
      throw new EngineError(
        'unavailable',
        `cannot watch ${folder}: too many directories are watched; leave some out with "ignore", or raise fs.inotify.max_user_watches`,
        { cause: error },
      )
    }
  }

  #touched(folder: string, name: string | null): void {
    if (name === null) return
    const only = this.#files.get(folder)
    if (only && !only.has(name)) return
    const path = join(folder, name)
    for (const root of this.#missing)
      if (root === path || root.startsWith(`${path}/`)) this.#addRoot(root, (file) => this.#add(file))
    if (this.#o.ignored(path)) return
    const stat: Stats | undefined = lstatSync(path, { throwIfNoEntry: false })
    if (stat?.isDirectory()) {
      // A directory alone is nothing to tell of; what is in it is.
      try {
        this.#addTree(path, (file) => this.#add(file))
      } catch (error) {
        this.#o.onError(error instanceof Error ? error : new Error(String(error)))
      }
      return
    }
    if (!stat) this.#forget(path)
    this.#add(path)
  }

  #forget(folder: string): void {
    for (const [path, watcher] of this.#watched)
      if (path === folder || path.startsWith(`${folder}/`)) {
        watcher.close()
        this.#watched.delete(path)
      }
  }

  #add(path: string): void {
    const now = Date.now()
    if (this.#pending.size === 0) this.#began = now
    this.#pending.add(path)
    clearTimeout(this.#timer)
    const left = this.#began + this.#o.longest - now
    this.#timer = setTimeout(() => this.#flush(), Math.max(0, Math.min(this.#o.quiet, left)))
  }

  #flush(): void {
    const paths = this.#pending
    this.#pending = new Set()
    this.#o.onChange(paths)
  }
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return []
    throw error
  }
}
