import { closeSync, constants, openSync, readdirSync, readSync } from 'node:fs'
import { EngineError } from '../lib/errors.ts'
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_REMOVEDIR,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  asBuffer,
  cChmod,
  cFchownat,
  cLinkat,
  cMkdirat,
  cMknodat,
  cReadlinkat,
  cRenameat,
  cSymlinkat,
  cUnlinkat,
  cUtimensat,
  empty,
  linkBuffer,
  makedev,
  openat2,
  setTimes,
  show,
  statAt,
  terminated,
  text,
  times,
  tryStatAt,
  type FileStat,
  type RelPath,
} from './at-calls.ts'
import { check, SyscallError } from './libc.ts'
import { getXattrZ, listXattrsZ, setXattrZ } from './xattr.ts'

export { setFdTimes, type FileKind, type FileStat, type RelPath } from './at-calls.ts'

const { O_DIRECTORY, O_NOFOLLOW, O_RDONLY, O_CREAT } = constants

/**
 * The only way into a tree that somebody else controls (image layers, container file systems, build contexts,
 * volumes). Names are resolved by the kernel relative to the directory, which is `/` and its own parent for them:
 * neither `..`, absolute names nor symlinks lead out, whatever changes meanwhile. Names may start with `/`.
 * Every call is synchronous and throws a SyscallError that names the path. Unless said otherwise the last component
 * is not followed when it is a symlink, those before it are.
 */
export class RootDir implements Disposable {
  readonly path: string
  readonly #fd: number
  readonly #resolve: number
  readonly #cache: boolean
  #parent: { key: string; fd: number } | undefined
  #closed = false

  private constructor(path: string, fd: number, o: { symlinks: boolean; cache: boolean }) {
    this.path = path
    this.#fd = fd
    this.#resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | (o.symlinks ? 0 : RESOLVE_NO_SYMLINKS)
    this.#cache = o.cache
  }

  /**
   * `path` is trusted. `symlinks: false` makes every name that passes through a symlink fail with ELOOP. `cache`
   * keeps the directory used last open: for a single writer that walks a tree which nobody else changes.
   */
  static open(path: string, o: { symlinks?: boolean; cache?: boolean } = {}): RootDir {
    const fd = openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, { mode: 0, resolve: 0 })
    return new RootDir(path, fd, { symlinks: o.symlinks ?? true, cache: o.cache ?? false })
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    this.#forget()
    closeSync(this.#fd)
  }

  /** Opens with O_* flags (of `fs.constants`), following symlinks inside the tree unless O_NOFOLLOW is given. */
  openFile(rel: RelPath, flags: number, mode = 0): number {
    return openat2(this.#fd, rel, flags, { mode: flags & O_CREAT ? mode : 0, resolve: this.#resolve })
  }

  /** Whole content of a regular file (symlinks followed). Throws kind `invalid` when it is longer than `maxBytes`. */
  readFile(rel: RelPath, maxBytes: number): Buffer {
    const fd = this.#openRegular(rel)
    try {
      const chunks: Buffer[] = []
      let total = 0
      for (;;) {
        const chunk = Buffer.alloc(65_536)
        const length = readSync(fd, chunk)
        if (length === 0) return Buffer.concat(chunks, total)
        total += length
        if (total > maxBytes)
          throw new EngineError('invalid', `${show(rel)} is larger than ${maxBytes} bytes`)
        chunks.push(chunk.subarray(0, length))
      }
    } finally {
      closeSync(fd)
    }
  }

  /** The first bytes of a regular file (symlinks followed), no more than there are. Throws kind `invalid` for anything else. */
  readStart(rel: RelPath, bytes: number): Buffer {
    const fd = this.#openRegular(rel)
    try {
      const start = Buffer.alloc(bytes)
      return start.subarray(0, readSync(fd, start, 0, bytes, 0))
    } finally {
      closeSync(fd)
    }
  }

  /** Looked at before it is opened: opening a planted FIFO hangs, opening a device may do anything. */
  #openRegular(rel: RelPath): number {
    return this.#opened(rel, O_PATH, (handle) => {
      if (statAt(handle, empty, rel).kind !== 'file')
        throw new EngineError('invalid', `${show(rel)} is not a regular file`)
      return openSync(`/proc/self/fd/${handle}`, O_RDONLY)
    })
  }

  /** Follows symlinks. */
  stat(rel: RelPath): FileStat {
    return this.#opened(rel, O_PATH, (fd) => statAt(fd, empty, rel))
  }

  lstat(rel: RelPath): FileStat {
    // `..` is a directory whatever comes before it, and no name.
    if (/(?:^|\/)\.\.\/*$/.test(show(rel))) return this.stat(rel)
    return this.#at(rel, (fd, name) => statAt(fd, name, rel))
  }

  /** `lstat`, or undefined when nothing has that name. */
  tryLstat(rel: RelPath): FileStat | undefined {
    try {
      return this.#at(rel, (fd, name) => tryStatAt(fd, name, rel))
    } catch (error) {
      if (error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ENOTDIR'))
        return undefined
      throw error
    }
  }

  readlink(rel: RelPath): Buffer {
    return this.#at(rel, (fd, name) => {
      const length = check(cReadlinkat(fd, name, linkBuffer, linkBuffer.length), 'readlink', show(rel))
      return Buffer.from(linkBuffer.subarray(0, length))
    })
  }

  /** Names in a directory (symlinks followed), without `.` and `..`, in byte order. */
  listBytes(rel: RelPath): Buffer[] {
    return this.#opened(rel, O_RDONLY | O_DIRECTORY, (fd) =>
      readdirSync(`/proc/self/fd/${fd}`, { encoding: 'buffer' }).sort((a, b) => Buffer.compare(a, b)),
    )
  }

  /** Like `listBytes`, for trees whose names are known to be text. */
  list(rel: RelPath): string[] {
    return this.listBytes(rel).map((name) => name.toString())
  }

  /** The mode is exact: the umask is not applied. */
  mkdir(rel: RelPath, mode: number): void {
    this.#at(rel, (fd, name) => check(cMkdirat(fd, name, mode), 'mkdir', show(rel)))
    this.chmod(rel, mode)
  }

  /**
   * Makes the directory and what misses above it; a symlink to a missing directory makes its target.
   * Returns the paths that it made, outermost first.
   */
  mkdirAll(rel: RelPath, mode: number): string[] {
    const made: string[] = []
    this.#mkdirAll(split(text(asBuffer(rel))), mode, { made, links: 0 })
    return made
  }

  symlink(target: RelPath, rel: RelPath): void {
    this.#at(rel, (fd, name) => check(cSymlinkat(terminated(target), fd, name), 'symlink', show(rel)))
  }

  /** A hard link `rel` to the file `existing`, which is not followed when it is a symlink. */
  link(existing: RelPath, rel: RelPath): void {
    this.#opened(bare(existing), O_PATH | O_NOFOLLOW, (source) =>
      this.#at(rel, (fd, name) => check(cLinkat(source, empty, fd, name, AT_EMPTY_PATH), 'link', show(rel))),
    )
  }

  /** Makes a hard link to what has the same name in another tree of this file system. */
  linkFrom(other: RootDir, rel: RelPath): void {
    other.#at(rel, (from, name) =>
      this.#at(rel, (fd, own) => check(cLinkat(from, name, fd, own, 0), 'link', show(rel))),
    )
  }

  mknod(
    rel: RelPath,
    o: { kind: 'char' | 'block' | 'fifo'; mode: number; major?: number; minor?: number },
  ): void {
    const type = { char: S_IFCHR, block: S_IFBLK, fifo: S_IFIFO }[o.kind]
    const device = makedev(o.major ?? 0, o.minor ?? 0)
    this.#at(rel, (fd, name) => check(cMknodat(fd, name, type | o.mode, device), 'mknod', show(rel)))
  }

  /** Removes a file, symlink or node. */
  unlink(rel: RelPath): void {
    this.#at(rel, (fd, name) => check(cUnlinkat(fd, name, 0), 'unlink', show(rel)))
  }

  /** Removes an empty directory. */
  rmdir(rel: RelPath): void {
    this.#forget()
    this.#at(rel, (fd, name) => check(cUnlinkat(fd, name, AT_REMOVEDIR), 'rmdir', show(rel)))
  }

  /** Removes whatever has the name, with all that is in it. Nothing there is not an error. */
  removeAll(rel: RelPath): void {
    const stat = this.tryLstat(rel)
    if (!stat) return
    if (stat.kind !== 'directory') return this.unlink(rel)
    for (const name of this.listBytes(rel)) this.removeAll(join(rel, name))
    this.rmdir(rel)
  }

  rename(from: RelPath, to: RelPath): void {
    this.#forget()
    this.#at(from, (fd, name) => {
      const source = openat2(fd, '.', O_PATH | O_DIRECTORY, { mode: 0, resolve: 0 })
      try {
        this.#at(to, (toFd, toName) => check(cRenameat(source, name, toFd, toName), 'rename', show(to)))
      } finally {
        closeSync(source)
      }
    })
    this.#forget()
  }

  chown(rel: RelPath, owner: { uid: number; gid: number }): void {
    this.#at(rel, (fd, name) =>
      check(cFchownat(fd, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW), 'chown', show(rel)),
    )
  }

  /** Permission bits with setuid, setgid and sticky. Symlinks have none: on one this does nothing. */
  chmod(rel: RelPath, mode: number): void {
    this.#opened(bare(rel), O_PATH | O_NOFOLLOW, (fd) => {
      if (statAt(fd, empty, rel).kind === 'symlink') return
      check(cChmod(`/proc/self/fd/${fd}`, mode), 'chmod', show(rel))
    })
  }

  /** Sets the modification time (the access time too). Seconds may be negative. */
  utimes(rel: RelPath, mtime: { sec: number; nsec: number }): void {
    setTimes(mtime)
    this.#at(rel, (fd, name) =>
      check(cUtimensat(fd, name, times, AT_SYMLINK_NOFOLLOW), 'utimensat', show(rel)),
    )
  }

  listXattrs(rel: RelPath): readonly string[] {
    return this.#at(rel, (fd, name) => listXattrsZ(throughFd(fd, name)))
  }

  getXattr(rel: RelPath, attribute: string): Buffer | undefined {
    return this.#at(rel, (fd, name) => getXattrZ(throughFd(fd, name), attribute))
  }

  setXattr(rel: RelPath, attribute: string, value: Uint8Array): void {
    this.#at(rel, (fd, name) => setXattrZ(throughFd(fd, name), attribute, value))
  }

  #opened<T>(rel: RelPath, flags: number, use: (fd: number) => T): T {
    const fd = openat2(this.#fd, rel, flags, { mode: 0, resolve: this.#resolve })
    try {
      return use(fd)
    } finally {
      closeSync(fd)
    }
  }

  /** Calls back with the directory that holds the last component, and that component's name, NUL-terminated. */
  #at<T>(rel: RelPath, use: (parent: number, name: Buffer) => T): T {
    const path = text(asBuffer(rel)).replace(/\/+$/, '')
    const slash = path.lastIndexOf('/')
    const name = path.slice(slash + 1)
    if (name === '..') throw new EngineError('invalid', `${show(rel)} does not end in a name`)
    const parent = path.slice(0, Math.max(slash, 0))
    // The tree's root itself is addressed as `.`, which every *at call takes.
    const leaf = Buffer.from(`${name === '' ? '.' : name}\0`, 'latin1')
    if (this.#cache && this.#parent?.key === parent) return use(this.#parent.fd, leaf)
    const fd = openat2(this.#fd, Buffer.from(parent === '' ? '.' : parent, 'latin1'), O_PATH | O_DIRECTORY, {
      mode: 0,
      resolve: this.#resolve,
    })
    if (this.#cache) {
      this.#forget()
      this.#parent = { key: parent, fd }
      return use(fd, leaf)
    }
    try {
      return use(fd, leaf)
    } finally {
      closeSync(fd)
    }
  }

  #forget(): void {
    if (this.#parent) closeSync(this.#parent.fd)
    this.#parent = undefined
  }

  #mkdirAll(parts: readonly string[], mode: number, state: { made: string[]; links: number }): void {
    const path = Buffer.from(parts.join('/') || '.', 'latin1')
    try {
      if (this.stat(path).kind === 'directory') return
      throw new SyscallError('mkdir', 20 /* ENOTDIR */, show(path))
    } catch (error) {
      if (!(error instanceof SyscallError) || error.code !== 'ENOENT') throw error
    }
    const link = this.tryLstat(path)
    if (link?.kind === 'symlink') {
      if (++state.links > 40) throw new SyscallError('mkdir', 40 /* ELOOP */, show(path))
      const target = text(this.readlink(path))
      const base = target.startsWith('/') ? [] : parts.slice(0, -1)
      return this.#mkdirAll(collapse([...base, ...split(target)]), mode, state)
    }
    this.#mkdirAll(parts.slice(0, -1), mode, state)
    this.mkdir(path, mode)
    state.made.push(path.toString())
  }
}

/** A path by which calls without a descriptor form reach one name in an open directory. */
function throughFd(fd: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${fd}/`), name])
}

function join(rel: RelPath, name: Buffer): Buffer {
  return Buffer.concat([asBuffer(rel), Buffer.from('/'), name])
}

/** Without trailing slashes, which would make the kernel follow a symlink. */
const bare = (path: RelPath): RelPath =>
  path.length > 1 && (path[path.length - 1] === '/' || path[path.length - 1] === 0x2f)
    ? Buffer.from(text(asBuffer(path)).replace(/\/+$/, ''), 'latin1')
    : path
const split = (path: string): string[] => path.split('/').filter((part) => part !== '' && part !== '.')

function collapse(parts: readonly string[]): string[] {
  const result: string[] = []
  for (const part of parts) {
    if (part === '..') result.pop()
    else result.push(part)
  }
  return result
}
