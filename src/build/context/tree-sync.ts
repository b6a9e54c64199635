import { closeSync, constants, writeSync } from 'node:fs'
import { setFdTimes, type RootDir } from '../../host/root-dir.ts'
import { EngineError } from '../../lib/errors.ts'

/** One thing of a tree that somebody else has. Paths are relative, with slashes; parents come before children. */
export interface SyncEntry {
  readonly path: string
  readonly kind: 'file' | 'directory' | 'symlink' | 'pipe'
  /** Permission bits with setuid, setgid and sticky. */
  readonly mode: number
  readonly size: number
  readonly mtime: { readonly sec: number; readonly nsec: number }
  /** Target of a symlink; of a file: the path before it that it is a hard link of. */
  readonly link: string
  readonly xattrs: Readonly<Record<string, Uint8Array>>
}

const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = constants
const maxPath = 4096

/**
 * Makes a directory equal to a tree that comes as a list of entries. What is known to be there already (by what it was
 * last time, not by a look at the disk) is left alone; a file that differs is `wanted`, and its content is then written.
 * At the end all that was not listed goes.
 */
export class TreeSync {
  readonly #root: RootDir
  readonly #onChange: () => void
  #changed = false
  #bytes = 0
  /** What is there: the kind's first letter and the stamp of each path. */
  readonly #known: Map<string, string>
  readonly #seen = new Map<string, string>()
  readonly #open = new Map<string, number>()
  readonly #waiting = new Map<string, SyncEntry>()
  readonly #links: { entry: SyncEntry; same: boolean }[] = []
  /** Files that are others than before, so that links to them have to be made again. */
  readonly #renewed = new Set<string>()
  readonly #touched = new Map<string, SyncEntry>()
  readonly #directories = new Map<string, () => SyncEntry>()

  /**
   * `root` resolves no symlinks. `known` is as `finish` of the last time left it, or empty for an empty directory.
   * `onChange` is called before anything is changed: from then on `known` is wrong until `finish`.
   */
  constructor(root: RootDir, o: { known: Map<string, string>; onChange: () => void }) {
    this.#root = root
    this.#known = o.known
    this.#onChange = o.onChange
  }

  /** Whether anything had to be changed. */
  get changed(): boolean {
    return this.#changed
  }

  /** Of all files listed so far. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Whether an entry is as it was: then it counts as listed, and need not be added. `stamp` stands for all that is known
   * of it, in the words of whoever lists; `read` gives the entry, when it is a directory that has to be touched.
   */
  keep(entry: Pick<SyncEntry, 'path' | 'kind' | 'size'>, stamp: string, read: () => SyncEntry): boolean {
    const { path, kind, size } = entry
    if (this.#known.get(path) !== kind[0] + stamp) return false
    this.#list(path, kind[0] + stamp)
    if (kind === 'directory') this.#directories.set(path, read)
    else if (kind === 'file') this.#bytes += size
    return true
  }

  /** Takes one entry; true: its content is needed. */
  add(entry: SyncEntry, stamp: string): boolean {
    const { path, kind } = entry
    const before = this.#known.get(path)
    // Its first letter tells the kind to whoever finds it here the next time.
    const line = kind[0] + stamp
    const parent = this.#list(path, line)
    if (kind === 'directory') this.#directories.set(path, () => entry)
    if (kind === 'file' && entry.link !== '') {
      this.#links.push({ entry, same: before === line })
      return false
    }
    if (kind === 'file') this.#bytes += entry.size
    this.#change()
    this.#touch(parent)
    if (kind === 'directory') this.#directory(entry, before)
    else {
      this.#remove(path, before)
      if (kind === 'symlink') {
        this.#root.symlink(entry.link, path)
        this.#root.utimes(path, entry.mtime)
      } else if (kind === 'pipe') {
        this.#root.mknod(path, { kind: 'fifo', mode: 0o600 })
        this.#root.chmod(path, entry.mode)
        this.#root.utimes(path, entry.mtime)
      } else {
        this.#waiting.set(path, entry)
        this.#renewed.add(path)
      }
    }
    return kind === 'file'
  }

  /** More of a wanted file’s content. */
  write(path: string, data: Uint8Array): void {
    for (let done = 0; done < data.length;) done += writeSync(this.#handle(path), data, done)
  }

  /** The whole content of a wanted file has come. */
  complete(path: string): void {
    const entry = this.#waiting.get(path)
    const fd = this.#handle(path)
    if (!entry) throw new EngineError('invalid', `build context: ${path} was not asked for`)
    this.#open.delete(path)
    this.#waiting.delete(path)
    try {
      setFdTimes(fd, entry.mtime)
    } finally {
      closeSync(fd)
    }
    this.#root.chmod(path, entry.mode)
    this.#setXattrs(entry)
  }

  /** Takes away what was not listed. `known` of the constructor tells the new state when this returns. */
  finish(): void {
    const [missing] = this.#waiting.keys()
    if (missing !== undefined) throw new EngineError('invalid', `build context: ${missing} did not come`)
    const gone = [...this.#known.keys()].filter((path) => !this.#seen.has(path))
    // Children before parents.
    for (const path of gone.sort().reverse()) {
      this.#change()
      this.#touch(parentOf(path))
      this.#root.removeAll(path)
    }
    for (const { entry, same } of this.#links) {
      if (!this.#seen.has(entry.link))
        throw new EngineError('invalid', `build context: bad link ${JSON.stringify(entry.path)}`)
      if (same && !this.#renewed.has(entry.link)) continue
      this.#change()
      this.#touch(parentOf(entry.path))
      this.#root.removeAll(entry.path)
      this.#root.link(entry.link, entry.path)
    }
    // Last: whatever is made in a directory changes its time.
    for (const entry of this.#touched.values()) this.#root.utimes(entry.path, entry.mtime)
    if (!this.#changed) return
    this.#known.clear()
    for (const [path, line] of this.#seen) this.#known.set(path, line)
  }

  /** Lets go of files that are half written. */
  abandon(): void {
    for (const fd of this.#open.values()) closeSync(fd)
    this.#open.clear()
  }

  #change(): void {
    if (this.#changed) return
    this.#changed = true
    this.#onChange()
  }

  /** Throws unless the path is one that may come next; returns its directory. */
  #list(path: string, line: string): string {
    const slash = path.lastIndexOf('/')
    const [parent, name] = [path.slice(0, Math.max(0, slash)), path.slice(slash + 1)]
    if (name === '' || name === '.' || name === '..' || slash === 0 || path.length > maxPath)
      throw new EngineError('invalid', `build context: bad path ${JSON.stringify(path)}`)
    if (this.#seen.has(path))
      throw new EngineError('invalid', `build context: ${JSON.stringify(path)} comes twice`)
    if (parent !== '' && !this.#directories.has(parent))
      throw new EngineError('invalid', `build context: ${JSON.stringify(path)} comes before its directory`)
    this.#seen.set(path, line)
    return parent
  }

  #directory(entry: SyncEntry, before: string | undefined): void {
    if (before === undefined || !before.startsWith('d')) {
      this.#remove(entry.path, before)
      this.#root.mkdir(entry.path, entry.mode)
    } else this.#root.chmod(entry.path, entry.mode)
    this.#setXattrs(entry)
    this.#touched.set(entry.path, entry)
  }

  /** Removes what stands at a path, with what is known to be below it. */
  #remove(path: string, before: string | undefined): void {
    if (before === undefined) return
    this.#root.removeAll(path)
    this.#known.delete(path)
    if (!before.startsWith('d')) return
    for (const known of this.#known.keys()) if (known.startsWith(`${path}/`)) this.#known.delete(known)
  }

  #handle(path: string): number {
    const open = this.#open.get(path)
    if (open !== undefined) return open
    const fd = this.#root.openFile(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
    this.#open.set(path, fd)
    return fd
  }

  #setXattrs(entry: SyncEntry): void {
    for (const [name, value] of Object.entries(entry.xattrs))
      if (keptXattr(name)) this.#root.setXattr(entry.path, name, value)
  }

  #touch(path: string): void {
    const read = this.#directories.get(path)
    if (read && !this.#touched.has(path)) this.#touched.set(path, read())
  }
}

/** Others mean something to the kernel or to overlayfs. */
const keptXattr = (name: string) => name.startsWith('user.') || name === 'security.capability'

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf('/')))
}
