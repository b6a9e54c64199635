/** The system calls that work relative to an open directory, as RootDir needs them. */
import koffi from 'koffi'
import { EngineError } from '../lib/errors.ts'
import { check, libc, SyscallError } from './libc.ts'

/** A name inside the tree. Bytes where a name need not be UTF-8 (archives, directory listings). */
export type RelPath = string | Buffer

export type FileKind = 'file' | 'directory' | 'symlink' | 'char' | 'block' | 'fifo' | 'socket'

export interface FileStat {
  readonly kind: FileKind
  /** Permission bits with setuid, setgid and sticky (07777). */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  readonly size: number
  /** 512-byte units. */
  readonly blocks: number
  readonly nlink: number
  /** Of device and inode: equal for hard links of one file. */
  readonly identity: string
  /** Of a device node. */
  readonly rdevMajor: number
  readonly rdevMinor: number
  readonly mtimeSec: number
  readonly mtimeNsec: number
  readonly ctimeSec: number
  readonly ctimeNsec: number
}

export const O_PATH = 0o10000000
const O_CLOEXEC = 0o2000000
export const AT_FDCWD = -100
export const AT_EMPTY_PATH = 0x1000
export const AT_SYMLINK_NOFOLLOW = 0x100
export const AT_REMOVEDIR = 0x200
export const RESOLVE_NO_MAGICLINKS = 0x02
export const RESOLVE_NO_SYMLINKS = 0x04
export const RESOLVE_IN_ROOT = 0x10
const SYS_openat2 = 437
export const S_IFCHR = 0o020000
export const S_IFBLK = 0o060000
export const S_IFIFO = 0o010000

// syscall(2) is assembly that only shifts registers, so it may be declared without its variadic tail.
const cOpenat2 = libc.func('long syscall(long, long, void *, void *, size_t)') as (
  number: number,
  fd: number,
  path: Buffer,
  how: Uint32Array,
  size: number,
) => number
const cStatx = libc.func('int statx(int, void *, int, unsigned int, void *)') as (
  fd: number,
  path: Buffer,
  flags: number,
  mask: number,
  out: Buffer,
) => number
export const cMkdirat = libc.func('int mkdirat(int, void *, unsigned int)') as FdPathNumber
export const cUnlinkat = libc.func('int unlinkat(int, void *, int)') as FdPathNumber
export const cSymlinkat = libc.func('int symlinkat(void *, int, void *)') as (
  target: Buffer,
  fd: number,
  path: Buffer,
) => number
export const cLinkat = libc.func('int linkat(int, void *, int, void *, int)') as (
  fd: number,
  path: Buffer,
  newFd: number,
  newPath: Buffer,
  flags: number,
) => number
export const cRenameat = libc.func('int renameat(int, void *, int, void *)') as (
  fd: number,
  path: Buffer,
  newFd: number,
  newPath: Buffer,
) => number
export const cMknodat = libc.func('int mknodat(int, void *, unsigned int, uint64_t)') as (
  fd: number,
  path: Buffer,
  mode: number,
  device: bigint,
) => number
export const cReadlinkat = libc.func('long readlinkat(int, void *, void *, size_t)') as (
  fd: number,
  path: Buffer,
  out: Buffer,
  size: number,
) => number
export const cFchownat = libc.func('int fchownat(int, void *, unsigned int, unsigned int, int)') as (
  fd: number,
  path: Buffer,
  uid: number,
  gid: number,
  flags: number,
) => number
export const cChmod = libc.func('int chmod(const char *, unsigned int)') as (
  path: string,
  mode: number,
) => number
export const cUtimensat = libc.func('int utimensat(int, void *, void *, int)') as (
  fd: number,
  path: Buffer,
  times: Int32Array,
  flags: number,
) => number
const cFutimens = libc.func('int futimens(int, void *)') as (fd: number, times: Int32Array) => number
type FdPathNumber = (fd: number, path: Buffer, value: number) => number

export const empty = Buffer.alloc(1)
const statBuffer = Buffer.alloc(256)
export const linkBuffer = Buffer.alloc(4096)
/** struct open_how and struct timespec[2]: 64-bit fields as little-endian halves, which spares BigInt. */
const how = new Uint32Array(6)
export const times = new Int32Array(8)
const ENOENT = 2
const ENOTDIR = 20

/** `utimes` of an open file. */
export function setFdTimes(fd: number, mtime: { sec: number; nsec: number }): void {
  setTimes(mtime)
  check(cFutimens(fd, times), 'futimens')
}

export function setTimes(mtime: { sec: number; nsec: number }): void {
  times[0] = times[4] = mtime.sec
  times[1] = times[5] = Math.floor(mtime.sec / 2 ** 32)
  times[2] = times[6] = mtime.nsec
}

export function openat2(
  dir: number,
  path: RelPath,
  flags: number,
  o: { mode: number; resolve: number },
): number {
  how[0] = flags | O_CLOEXEC
  how[2] = o.mode
  how[4] = o.resolve
  const name = terminated(path.length === 0 ? '.' : path)
  // EAGAIN: something was renamed while the kernel walked, so it could not vouch for `..`; it asks to try again.
  for (let attempt = 0; ; attempt++) {
    const fd = cOpenat2(SYS_openat2, dir, name, how, 24)
    if (fd >= 0) return fd
    try {
      return check(-1, 'openat2', show(path))
    } catch (error) {
      if (attempt < 64 && error instanceof SyscallError && error.code === 'EAGAIN') continue
      throw error
    }
  }
}

const kinds: Record<number, FileKind> = {
  0o10: 'file',
  0o04: 'directory',
  0o12: 'symlink',
  0o02: 'char',
  0o06: 'block',
  0o01: 'fifo',
  0o14: 'socket',
}

export function statAt(fd: number, name: Buffer, rel: RelPath): FileStat {
  const stat = tryStatAt(fd, name, rel)
  if (!stat) throw new SyscallError('statx', koffi.errno(), show(rel))
  return stat
}

/** Undefined: nothing has that name (an exception with its stack costs ten times the call). */
export function tryStatAt(fd: number, name: Buffer, rel: RelPath): FileStat | undefined {
  const flags = AT_SYMLINK_NOFOLLOW | (name.length === 1 ? AT_EMPTY_PATH : 0)
  if (cStatx(fd, name, flags, 0x7ff, statBuffer) === -1) {
    if (koffi.errno() === ENOENT || koffi.errno() === ENOTDIR) return undefined
    throw new SyscallError('statx', koffi.errno(), show(rel))
  }
  // Layout of struct statx: the same on every architecture.
  const mode = statBuffer.readUInt16LE(28)
  const kind = kinds[mode >> 12]
  if (!kind) throw new EngineError('internal', `${show(rel)} has the unknown file type 0${mode.toString(8)}`)
  return {
    kind,
    mode: mode & 0o7777,
    nlink: statBuffer.readUInt32LE(16),
    uid: statBuffer.readUInt32LE(20),
    gid: statBuffer.readUInt32LE(24),
    identity: `${statBuffer.readUInt32LE(136)}.${statBuffer.readUInt32LE(140)}:${statBuffer.readUInt32LE(36)}.${statBuffer.readUInt32LE(32)}`,
    size: statBuffer.readUInt32LE(40) + statBuffer.readUInt32LE(44) * 2 ** 32,
    blocks: statBuffer.readUInt32LE(48) + statBuffer.readUInt32LE(52) * 2 ** 32,
    ctimeSec: statBuffer.readUInt32LE(96) + statBuffer.readInt32LE(100) * 2 ** 32,
    ctimeNsec: statBuffer.readUInt32LE(104),
    mtimeSec: statBuffer.readUInt32LE(112) + statBuffer.readInt32LE(116) * 2 ** 32,
    mtimeNsec: statBuffer.readUInt32LE(120),
    rdevMajor: statBuffer.readUInt32LE(128),
    rdevMinor: statBuffer.readUInt32LE(132),
  }
}

/** glibc's encoding of a device number. */
export function makedev(major: number, minor: number): bigint {
  const [a, b] = [BigInt(major), BigInt(minor)]
  return ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((b & 0xffffff00n) << 12n) | (b & 0xffn)
}

export function terminated(path: RelPath): Buffer {
  if (path.includes('\0')) throw new EngineError('invalid', `${show(path)} contains a NUL byte`)
  return Buffer.concat([asBuffer(path), empty])
}

export const asBuffer = (path: RelPath): Buffer => (typeof path === 'string' ? Buffer.from(path) : path)
/** Bytes as a string of the same length, so that string functions work on names that are not UTF-8. */
export const text = (bytes: Buffer): string => bytes.toString('latin1')
export const show = (path: RelPath): string => path.toString()
