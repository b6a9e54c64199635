import { closeSync, constants, readSync } from 'node:fs'
import { EngineError, hasCode } from '../lib/errors.ts'
import { setFdTimes, type FileStat, type RootDir } from '../host/root-dir.ts'
import { getFdXattr, listFdXattrs } from '../host/xattr.ts'
import { opaqueName, whiteoutPrefix } from './entry-name.ts'
import {
  blockSize,
  bytesOf,
  encodeHeader,
  padded,
  showName,
  type TarEntry,
  type TarType,
} from './tar-header.ts'

const readSize = 1 << 20
const O_NOATIME = process.arch === 'x64' || process.arch === 'arm64' ? 0o1000000 : 0
const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | O_NOATIME
const portable = /^(?:user\.|security\.capability$|system\.posix_acl_(?:access|default)$)/
const types: Partial<Record<FileStat['kind'], TarType>> = {
  file: 'file',
  directory: 'directory',
  symlink: 'symlink',
  char: 'char',
  block: 'block',
  fifo: 'fifo',
}

export interface TarOptions {
  /**
   * `layer`: an overlay upper directory, whose deletions become whiteouts; device nodes are refused.
   * `tree`: everything as it is, for export.
   */
  readonly form: 'layer' | 'tree'
  /** Times after this (Unix seconds) become this, on disk too, so that a later run gives the same bytes. */
  readonly epoch?: number
  /** A folder that all entries are put into, made by the first entry: a part of an archive, without its end. */
  readonly into?: string
  /** What the directory itself is called: its attributes come first, and all else is below it. */
  readonly as?: string
  /** One entry of the directory, alone, under the name `as`. */
  readonly only?: string
}

/** What an archive ends with; each its own, as chunks are handed over to other threads. */
export const endOfTar = (): Buffer => Buffer.alloc(2 * blockSize)

/**
 * A directory as a tar stream that depends on its content alone: names in byte order, a directory before what is in
 * it, numeric owners, whole seconds. Chunks are reused when `reuse` is set: consume each before asking for the next.
 * Sockets are left out, as tar has no form for them. Holds one chunk at a time.
 */
export function* tarOf(
  root: RootDir,
  o: TarOptions & { reuse?: boolean },
): Generator<Buffer, { size: number }> {
  const walk = new TreeWalk(root, o)
  if (o.into !== undefined) yield encodeHeader(folder(o.into))
  if (o.only !== undefined) yield* walk.one(o.only)
  else {
    if (o.as !== undefined) yield walk.self()
    yield* walk.directory('')
  }
  if (o.into === undefined) yield endOfTar()
  return { size: walk.size }
}

type Described = TarEntry & { xattrs: Map<string, Buffer> }

class TreeWalk {
  readonly #root: RootDir
  readonly #o: TarOptions & { reuse?: boolean }
  readonly #links = new Map<string, string>()
  readonly #buffer: Buffer | undefined
  readonly #within: string
  /** Bytes of file content, hard links counted once. */
  size = 0

  constructor(root: RootDir, o: TarOptions & { reuse?: boolean }) {
    this.#root = root
    this.#o = o
    const folder = o.into ?? o.as
    // Docker: the root's own entry is `/`, and what is in it begins with that.
    this.#within = folder === undefined ? '' : folder === '/' ? '/' : `${folder}/`
    this.#buffer = o.reuse ? Buffer.allocUnsafeSlow(readSize) : undefined
  }

  /** The directory that is walked, by its own attributes. */
  self(): Buffer {
    return encodeHeader({ ...this.#describe('', this.#root.stat('.'), undefined), name: this.#o.as ?? '' })
  }

  *one(name: string): Generator<Buffer> {
    const stat = this.#root.tryLstat(bytesOf(name))
    if (stat && stat.kind !== 'socket') yield* this.#entry(name, stat)
  }

  *directory(path: string): Generator<Buffer> {
    const layer = this.#o.form === 'layer'
    for (const bytes of this.#list(path)) {
      const name = bytes.toString('latin1')
      const full = path === '' ? name : `${path}/${name}`
      if (layer && name.startsWith(whiteoutPrefix))
        throw new EngineError(
          'unsupported',
          `${showName(full)} cannot be stored in a layer: names that begin with ".wh." mark deletions there`,
        )
      const stat = this.#root.tryLstat(bytesOf(full))
      // Gone since it was listed: the tree of a running container moves.
      if (!stat || stat.kind === 'socket') continue
      if (layer && stat.kind === 'char' && stat.rdevMajor === 0 && stat.rdevMinor === 0) {
        yield encodeHeader(
          marker(path === '' ? `${whiteoutPrefix}${name}` : `${path}/${whiteoutPrefix}${name}`),
        )
        continue
      }
      if (layer && (stat.kind === 'char' || stat.kind === 'block'))
        throw new EngineError(
          'unsupported',
          `${showName(full)} is a device node (${stat.rdevMajor}:${stat.rdevMinor}), which an image may not carry`,
        )
      yield* this.#entry(full, stat)
    }
  }

  *#entry(path: string, stat: FileStat): Generator<Buffer> {
    const first = stat.nlink > 1 && stat.kind !== 'directory' ? this.#links.get(stat.identity) : undefined
    // Symlinks can have no attributes of the kinds that are kept; those of a file are read where it is open.
    const names =
      stat.kind === 'directory' ? (this.#unlessGone(() => this.#root.listXattrs(bytesOf(path))) ?? []) : []
    const entry = this.#unlessGone(() => this.#describe(path, stat, first))
    if (!entry) return
    if (entry.type !== 'file') {
      for (const name of names) this.#addXattr(entry, name, () => this.#root.getXattr(bytesOf(path), name))
      yield encodeHeader(entry)
      if (this.#o.form === 'layer' && names.includes('trusted.overlay.opaque'))
        yield encodeHeader(marker(`${path}/${opaqueName}`))
      if (this.#o.epoch !== undefined && entry.type !== 'hardlink') this.#clamp(path, stat)
      if (stat.nlink > 1 && first === undefined && entry.type !== 'directory')
        this.#links.set(stat.identity, path)
      if (entry.type === 'directory') yield* this.directory(path)
      return
    }
    if (stat.nlink > 1) this.#links.set(stat.identity, path)
    const fd = this.#unlessGone(() => this.#root.openFile(bytesOf(path), openFlags))
    if (fd === undefined) return
    try {
      for (const name of listFdXattrs(fd)) this.#addXattr(entry, name, () => getFdXattr(fd, name))
      yield encodeHeader(entry)
      yield* this.#content(fd, entry.size)
      if (this.#o.epoch !== undefined && stat.mtimeSec > this.#o.epoch)
        setFdTimes(fd, { sec: this.#o.epoch, nsec: 0 })
    } finally {
      closeSync(fd)
    }
  }

  #list(path: string): readonly Buffer[] {
    return this.#unlessGone(() => this.#root.listBytes(bytesOf(path))) ?? []
  }

  /** The tree of a running container moves: what went since it was seen is left out. A layer must be whole. */
  #unlessGone<T>(look: () => T): T | undefined {
    try {
      return look()
    } catch (error) {
      if (this.#o.form === 'tree' && hasCode(error, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO')) return undefined
      throw error
    }
  }

  *#content(fd: number, size: number): Generator<Buffer> {
    this.size += size
    let left = size
    while (left > 0) {
      const length = Math.min(left, readSize)
      const buffer = this.#buffer ?? Buffer.allocUnsafeSlow(length)
      const read = readSync(fd, buffer, 0, length, null)
      // Cut off while we read: its header has promised the rest.
      if (read === 0) {
        for (; left > 0; left -= readSize) yield Buffer.alloc(Math.min(left, readSize))
        break
      }
      left -= read
      yield buffer.subarray(0, read)
    }
    const padding = padded(size) - size
    if (padding > 0) yield Buffer.alloc(padding)
  }

  /** Children are read after their directory's time is set; reading does not change it. */
  #clamp(path: string, stat: FileStat): void {
    const { epoch } = this.#o
    if (epoch !== undefined && stat.mtimeSec > epoch)
      this.#root.utimes(bytesOf(path), { sec: epoch, nsec: 0 })
  }

  #addXattr(entry: Described, name: string, read: () => Buffer | undefined): void {
    const value = portable.test(name) ? read() : undefined
    if (value) entry.xattrs.set(name, value)
  }

  #describe(path: string, stat: FileStat, first: string | undefined): Described {
    const within = this.#within
    const type = first === undefined ? types[stat.kind] : 'hardlink'
    if (type === undefined)
      throw new EngineError('internal', `${showName(path)} has no form in a tar archive`)
    return {
      name: this.#o.only === path ? (this.#o.as ?? path) : within + path,
      type,
      linkName:
        first === undefined
          ? type === 'symlink'
            ? this.#root.readlink(bytesOf(path)).toString('latin1')
            : ''
          : within + first,
      mode: stat.mode,
      uid: stat.uid,
      gid: stat.gid,
      size: type === 'file' ? stat.size : 0,
      mtime: { sec: Math.min(stat.mtimeSec, this.#o.epoch ?? Infinity), nsec: 0 },
      major: stat.kind === 'char' || stat.kind === 'block' ? stat.rdevMajor : 0,
      minor: stat.kind === 'char' || stat.kind === 'block' ? stat.rdevMinor : 0,
      xattrs: new Map(),
    }
  }
}

/** Whiteouts have no attributes of their own. */
const marker = (name: string): TarEntry => plain({ name, type: 'file', mode: 0 })
const folder = (name: string): TarEntry => plain({ name, type: 'directory', mode: 0o755 })

function plain(o: Pick<TarEntry, 'name' | 'type' | 'mode'>): TarEntry {
  return {
    ...o,
    linkName: '',
    uid: 0,
    gid: 0,
    size: 0,
    mtime: { sec: 0, nsec: 0 },
    major: 0,
    minor: 0,
    xattrs: new Map(),
  }
}
