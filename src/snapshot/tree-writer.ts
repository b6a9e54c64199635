import { closeSync, constants, fchmodSync, fchownSync, writeSync } from 'node:fs'
import { SyscallError } from '../host/libc.ts'
import { setFdTimes, type RootDir } from '../host/root-dir.ts'
import { bytesOf, type TarEntry } from './tar-header.ts'
import { refused } from './entry-name.ts'

const createFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** Attributes of this kind belong to the content. Others (`security.selinux`, …) are the host's own labels. */
const portable = /^(?:user\.|security\.capability$|system\.posix_acl_(?:access|default)$)/

/** What root makes belongs to it: no need to say so. */
const isRoot = process.geteuid?.() === 0 && process.getegid?.() === 0

/** Makes files, directories and links in a tree from archive entries. Paths are bytes as characters (see tar-header). */
export class TreeWriter {
  readonly #dir: RootDir
  #file: { fd: number; path: Buffer; entry: TarEntry } | undefined
  readonly #directories = new Map<string, TarEntry['mtime']>()
  /** Bytes of file content written. */
  size = 0
  /** Attributes that were left out, by name. */
  readonly skippedXattrs = new Set<string>()

  constructor(dir: RootDir) {
    this.#dir = dir
  }

  beginFile(path: string, entry: TarEntry): void {
    const bytes = bytesOf(path)
    this.#file = { fd: this.#dir.openFile(bytes, createFlags, 0o600), path: bytes, entry }
  }

  write(chunk: Buffer): void {
    if (!this.#file) return
    this.size += chunk.length
    for (let offset = 0; offset < chunk.length;) offset += writeSync(this.#file.fd, chunk, offset)
  }

  endFile(): void {
    const file = this.#file
    if (!file) return
    this.#file = undefined
    try {
      const { uid, gid, mode } = file.entry
      if (uid !== 0 || gid !== 0 || !isRoot) fchownSync(file.fd, uid, gid)
      // After chown, which clears setuid and capabilities.
      fchmodSync(file.fd, mode)
      this.#setXattrs(file.path, file.entry)
      setFdTimes(file.fd, file.entry.mtime)
    } finally {
      closeSync(file.fd)
    }
  }

  /** Makes the directory unless `exists`, and gives it the entry's attributes; its time when all is done. */
  directory(path: string, entry: TarEntry, o: { exists: boolean }): void {
    const bytes = bytesOf(path)
    if (!o.exists) this.#dir.mkdir(bytes, 0o700)
    this.#dir.chown(bytes, entry)
    this.#dir.chmod(bytes, entry.mode)
    this.#setXattrs(bytes, entry)
    this.#directories.set(path, entry.mtime)
  }

  /** Takes away what an earlier entry made. */
  replace(path: string): void {
    const bytes = bytesOf(path)
    const { kind, nlink, size } = this.#dir.lstat(bytes)
    if (kind === 'file' && nlink === 1) this.size -= size
    this.#dir.unlink(bytes)
  }

  symlink(path: string, entry: TarEntry): void {
    const bytes = bytesOf(path)
    this.#dir.symlink(bytesOf(entry.linkName), bytes)
    this.#dir.chown(bytes, entry)
    this.#setXattrs(bytes, entry)
    this.#dir.utimes(bytes, entry.mtime)
  }

  fifo(path: string, entry: TarEntry): void {
    const bytes = bytesOf(path)
    this.#dir.mknod(bytes, { kind: 'fifo', mode: 0o600 })
    this.#dir.chown(bytes, entry)
    this.#dir.chmod(bytes, entry.mode)
    this.#setXattrs(bytes, entry)
    this.#dir.utimes(bytes, entry.mtime)
  }

  /** Directory times, which every entry made in them has changed. */
  finish(): void {
    for (const [path, mtime] of this.#directories) this.#dir.utimes(bytesOf(path), mtime)
  }

  /** Closes what an interrupted archive left open. */
  abandon(): void {
    if (this.#file) closeSync(this.#file.fd)
    this.#file = undefined
  }

  #setXattrs(path: Buffer, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      if (/^(?:trusted|user)\.overlay\./.test(name))
        throw refused(entry.name, `it carries ${name}, which would steer the overlay file system`)
      if (!portable.test(name)) {
        this.skippedXattrs.add(name)
        continue
      }
      try {
        this.#dir.setXattr(path, name, value)
      } catch (error) {
        if (!(error instanceof SyscallError) || error.code !== 'EOPNOTSUPP') throw error
        this.skippedXattrs.add(name)
      }
    }
  }
}
