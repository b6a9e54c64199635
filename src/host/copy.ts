import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fstatSync,
  readSync,
  writeSync,
} from 'node:fs'
import { applyMode, type FileMode } from '../lib/file-mode.ts'
import { EngineError } from '../lib/errors.ts'
import { SyscallError } from './libc.ts'
import { getFdXattr, listFdXattrs, setFdXattr } from './xattr.ts'
import { setFdTimes, type FileStat, type RelPath, type RootDir } from './root-dir.ts'

export interface CopyOptions {
  readonly from: RootDir
  readonly source: RelPath
  readonly to: RootDir
  /** The exact name of the copy; missing directories above it are made with mode 0755. */
  readonly target: RelPath
  /** For everything copied and every directory made. Without it owners are kept. */
  readonly chown?: { readonly uid: number; readonly gid: number }
  /** Permission bits for files and directories copied. Without it they are kept. */
  readonly mode?: FileMode
  /** Unix seconds for everything copied. Without it times are kept. */
  readonly mtime?: number
  /**
   * `content`: what a person put there, hard links among the files of a directory too; device nodes and sockets are refused.
   * `exact`: an overlay upper directory, with its whiteouts, device nodes and all attributes.
   */
  readonly fidelity: 'content' | 'exact'
  /** Only this entry: of a directory what it is, not what is in it; a symlink as it is. */
  readonly shallow?: boolean
  /** Of a directory, only what is named: paths relative to it as latin1, each with the directories above it. */
  readonly only?: ReadonlySet<string>
  /** Copies made earlier. A file of which there is an equal one is left to be linked: its target is noted, nothing is made. */
  readonly earlier?: EarlierCopy
  /** Called for each entry; throws to stop. */
  readonly check?: () => void
}

export interface EarlierCopy {
  /** Where the earlier copies are, under the names that the new ones get. */
  readonly root: RootDir
  /** Targets whose content is known to be the same; paths as latin1, without a leading slash. */
  readonly targets: ReadonlySet<string>
  readonly noted: string[]
}

const portable = /^(?:user\.|security\.capability$|system\.posix_acl_(?:access|default)$)/
/** What root makes belongs to it: no need to say so. */
const isRoot = process.geteuid?.() === 0 && process.getegid?.() === 0
const buffer = Buffer.allocUnsafeSlow(1 << 18)
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants

/**
 * Copies a file or directory between two trees that nobody may lead out of. Directories merge with those that are
 * there; anything else that is in the way of a file is replaced. Times, modes and attributes are kept.
 * A symlink named as `source` is followed, those below it are copied as symlinks.
 */
export function copyTree(o: CopyOptions): void {
  const stat = o.shallow ? o.from.lstat(o.source) : o.from.stat(o.source)
  const source = bytes(o.source)
  const target = bytes(o.target)
  const copy = new Copy(o)
  const parent = target
    .toString('latin1')
    .replace(/\/+$/, '')
    .replace(/\/?[^/]*$/, '')
  for (const made of o.to.mkdirAll(Buffer.from(parent, 'latin1'), 0o755))
    if (o.chown) o.to.chown(made, o.chown)
  if (stat.kind !== 'directory') return copy.entry(source, target, { stat, follow: !o.shallow })
  // An existing target directory keeps its own attributes when another's content is copied into it.
  const existing = tryStat(o.to, target)
  if (existing && existing.kind !== 'directory') throw notDirectory(o.target)
  if (!existing) o.to.mkdir(target, 0o700)
  if (!o.shallow) copy.children(source, target, { inside: '', fresh: !existing })
  if (!existing || o.shallow) copy.attributes(source, target, stat)
}

class Copy {
  readonly #o: CopyOptions
  readonly #links = new Map<string, Buffer>()

  constructor(o: CopyOptions) {
    this.#o = o
  }

  /** `inside`: the path from where the copy began, with a slash. `fresh`: the target was just made, so nothing is in it. */
  children(source: Buffer, target: Buffer, o: { inside: string; fresh: boolean }): void {
    const { only } = this.#o
    for (const name of this.#o.from.listBytes(source)) {
      const inside = o.inside + name.toString('latin1')
      if (only && !only.has(inside)) continue
      const from = join(source, name)
      const stat = this.#o.from.tryLstat(from)
      if (stat) this.entry(from, join(target, name), { stat, follow: false, inside, fresh: o.fresh })
    }
  }

  entry(
    source: Buffer,
    target: Buffer,
    o: { stat: FileStat; follow: boolean; inside?: string; fresh?: boolean },
  ): void {
    const { to, from, fidelity } = this.#o
    const { stat } = o
    this.#o.check?.()
    if (
      stat.kind === 'socket' ||
      (fidelity === 'content' && (stat.kind === 'char' || stat.kind === 'block'))
    ) {
      // A socket is of use only to the process that listens on it.
      if (fidelity === 'exact') return
      throw new EngineError(
        'invalid',
        `cannot copy ${show(source)}: it is a ${nouns[stat.kind] ?? stat.kind}`,
      )
    }
    const before = o.fresh ? undefined : to.tryLstat(target)
    if (stat.kind === 'directory') {
      if (before && before.kind !== 'directory') {
        if (fidelity === 'content') throw notDirectory(target)
        to.unlink(target)
      }
      if (before?.kind !== 'directory') to.mkdir(target, 0o700)
      this.children(source, target, { inside: `${o.inside ?? ''}/`, fresh: before === undefined })
      return this.attributes(source, target, stat)
    }
    if (before?.kind === 'directory')
      throw new EngineError('invalid', `cannot copy ${show(source)} over the directory ${show(target)}`)
    if (stat.kind === 'file' && this.#isThere(source, target, stat)) return
    if (before) to.unlink(target)
    const linked = stat.nlink > 1 && (fidelity === 'exact' || stat.kind === 'file')
    const first = linked ? this.#links.get(stat.identity) : undefined
    if (first) return to.link(first, target)
    switch (stat.kind) {
      case 'file':
        this.#file(source, target, o)
        break
      case 'symlink':
        to.symlink(from.readlink(source), target)
        this.attributes(source, target, stat)
        break
      case 'fifo':
      case 'char':
      case 'block':
        to.mknod(target, { kind: stat.kind, mode: 0o600, major: stat.rdevMajor, minor: stat.rdevMinor })
        this.attributes(source, target, stat)
    }
    if (linked) this.#links.set(stat.identity, target)
  }

  /** True when an earlier copy is what would be made here, in all that a file has. */
  #isThere(source: Buffer, target: Buffer, stat: FileStat): boolean {
    const { earlier, from, chown } = this.#o
    if (!earlier) return false
    const path = plain(target)
    if (!earlier.targets.has(path)) return false
    const copy = tryLstat(earlier.root, target)
    const owner = chown ?? stat
    const time = this.#time(stat)
    if (
      copy?.kind !== 'file' ||
      copy.size !== stat.size ||
      copy.mode !== this.#mode(stat) ||
      copy.uid !== owner.uid ||
      copy.gid !== owner.gid ||
      copy.mtimeSec !== time.sec ||
      copy.mtimeNsec !== time.nsec ||
      from.listXattrs(source).length > 0 ||
      earlier.root.listXattrs(target).length > 0
    )
      return false
    earlier.noted.push(path)
    return true
  }

  /** All but the content. Owner first: chown clears setuid bits and capabilities. */
  attributes(source: Buffer, target: Buffer, stat: FileStat): void {
    const { to } = this.#o
    to.chown(target, this.#o.chown ?? stat)
    if (stat.kind !== 'symlink') to.chmod(target, this.#mode(stat))
    this.#xattrs(source, target)
    to.utimes(target, this.#time(stat))
  }

  #file(source: Buffer, target: Buffer, o: { stat: FileStat; follow: boolean }): void {
    const { from, to, fidelity } = this.#o
    const input = from.openFile(source, O_RDONLY | O_NONBLOCK | (o.follow ? 0 : O_NOFOLLOW))
    try {
      // It may have been replaced since it was looked at: reading from a FIFO would hang.
      if (!fstatSync(input).isFile())
        throw new EngineError('conflict', `cannot copy ${show(source)}: it changed meanwhile`)
      const output = to.openFile(target, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600)
      try {
        copyContent(input, output, o.stat.size)
        const { uid, gid } = this.#o.chown ?? o.stat
        if (uid !== 0 || gid !== 0 || !isRoot) fchownSync(output, uid, gid)
        fchmodSync(output, this.#mode(o.stat))
        for (const name of listFdXattrs(input)) {
          const value = wanted(name, fidelity) ? getFdXattr(input, name) : undefined
          if (value) whereSupported(() => setFdXattr(output, name, value))
        }
        setFdTimes(output, this.#time(o.stat))
      } finally {
        closeSync(output)
      }
    } finally {
      closeSync(input)
    }
  }

  #mode(stat: FileStat): number {
    const { mode } = this.#o
    return mode === undefined ? stat.mode : applyMode(mode, stat.mode, stat.kind === 'directory')
  }

  #time(stat: FileStat): { sec: number; nsec: number } {
    const { mtime } = this.#o
    return mtime === undefined ? { sec: stat.mtimeSec, nsec: stat.mtimeNsec } : { sec: mtime, nsec: 0 }
  }

  #xattrs(source: Buffer, target: Buffer): void {
    const { from, to, fidelity } = this.#o
    for (const name of from.listXattrs(source)) {
      const value = wanted(name, fidelity) ? from.getXattr(source, name) : undefined
      if (value) whereSupported(() => to.setXattr(target, name, value))
    }
  }
}

const wanted = (name: string, fidelity: CopyOptions['fidelity']) =>
  fidelity === 'exact' || portable.test(name)

/** The target's file system may have no such attributes. */
function whereSupported(set: () => void): void {
  try {
    set()
  } catch (error) {
    if (!(error instanceof SyscallError) || error.code !== 'EOPNOTSUPP') throw error
  }
}

/** Small files with two calls; large ones are cloned where the file system can, else copied within the kernel. */
function copyContent(input: number, output: number, size: number): void {
  if (size > buffer.length)
    return copyFileSync(`/proc/self/fd/${input}`, `/proc/self/fd/${output}`, constants.COPYFILE_FICLONE)
  if (size === 0) return
  for (;;) {
    const length = readSync(input, buffer, 0, buffer.length, null)
    if (length === 0) return
    for (let offset = 0; offset < length;) offset += writeSync(output, buffer, offset, length - offset)
    if (length < buffer.length) return
  }
}

const nouns: Partial<Record<FileStat['kind'], string>> = {
  socket: 'socket',
  char: 'device node',
  block: 'device node',
}
const notDirectory = (path: RelPath) =>
  new EngineError('invalid', `cannot copy to non-directory: /${path.toString().replace(/^(?:\.?\/)+/, '')}`)
const bytes = (path: RelPath): Buffer => (typeof path === 'string' ? Buffer.from(path) : path)
const show = (path: RelPath): string => JSON.stringify(path.toString())
const join = (parent: Buffer, name: Buffer): Buffer => Buffer.concat([parent, Buffer.from('/'), name])

/** Bytes of a path as text, in the one form in which it is compared. */
const plain = (path: Buffer): string =>
  path
    .toString('latin1')
    .replace(/\/{2,}/g, '/')
    .replace(/^\//, '')

/** A way that leads through a symlink is none: where it leads to, the new tree may have something else. */
function tryLstat(root: RootDir, path: Buffer): FileStat | undefined {
  try {
    return root.tryLstat(path)
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ELOOP') return undefined
    throw error
  }
}

function tryStat(dir: RootDir, path: Buffer): FileStat | undefined {
  try {
    return dir.stat(path)
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENOENT') return undefined
    throw error
  }
}
