import koffi from 'koffi'
import { libc, check, SyscallError } from './libc.ts'

type Path = string | Buffer
const cList = libc.func('long llistxattr(void *, void *, size_t)') as (
  path: Buffer,
  list: Buffer,
  size: number,
) => number
const cListFd = libc.func('long flistxattr(int, void *, size_t)') as (
  fd: number,
  list: Buffer,
  size: number,
) => number
const cGet = libc.func('long lgetxattr(void *, const char *, void *, size_t)') as (
  path: Buffer,
  name: string,
  value: Buffer,
  size: number,
) => number
const cGetFd = libc.func('long fgetxattr(int, const char *, void *, size_t)') as (
  fd: number,
  name: string,
  value: Buffer,
  size: number,
) => number
const cSet = libc.func('int lsetxattr(void *, const char *, void *, size_t, int)') as (
  path: Buffer,
  name: string,
  value: Buffer,
  size: number,
  flags: number,
) => number
const cSetFd = libc.func('int fsetxattr(int, const char *, void *, size_t, int)') as (
  fd: number,
  name: string,
  value: Buffer,
  size: number,
  flags: number,
) => number
const cRemove = libc.func('int lremovexattr(void *, const char *)') as (path: Buffer, name: string) => number

const ENODATA = 61
const EOPNOTSUPP = 95
const none: readonly string[] = []
const nul = Buffer.alloc(1)
const terminated = (path: Path): Buffer =>
  typeof path === 'string' ? Buffer.from(`${path}\0`) : Buffer.concat([path, nul])

/** Kernel limits: the list and one value have 64 KiB each at most. */
const scratch = Buffer.alloc(65_536)

/** Names of the extended attributes, sorted. A last symlink is not followed. None where they are not supported. */
export function listXattrs(path: Path): readonly string[] {
  return listXattrsZ(terminated(path))
}

/** `listXattrs` of a path that ends in a NUL. */
export function listXattrsZ(path: Buffer): readonly string[] {
  return names(cList(path, scratch, scratch.length), 'llistxattr', path)
}

/** `listXattrs` of an open file (not one opened with O_PATH). */
export function listFdXattrs(fd: number): readonly string[] {
  return names(cListFd(fd, scratch, scratch.length), 'flistxattr')
}

function names(length: number, syscall: string, path?: Buffer): readonly string[] {
  if (length === 0) return none
  if (length === -1) {
    if (koffi.errno() === EOPNOTSUPP) return none
    throw new SyscallError(syscall, koffi.errno(), path?.toString('utf8', 0, path.length - 1))
  }
  return scratch
    .toString('utf8', 0, length - 1)
    .split('\0')
    .toSorted()
}

/** The value, or undefined when there is no such attribute. A last symlink is not followed. */
export function getXattr(path: Path, name: string): Buffer | undefined {
  return getXattrZ(terminated(path), name)
}

/** `getXattr` of a path that ends in a NUL. */
export function getXattrZ(path: Buffer, name: string): Buffer | undefined {
  return value(cGet(path, name, scratch, scratch.length), `lgetxattr ${name}`, path)
}

/** `getXattr` of an open file (not one opened with O_PATH). */
export function getFdXattr(fd: number, name: string): Buffer | undefined {
  return value(cGetFd(fd, name, scratch, scratch.length), `fgetxattr ${name}`)
}

function value(length: number, syscall: string, path?: Buffer): Buffer | undefined {
  if (length >= 0) return Buffer.from(scratch.subarray(0, length))
  if (koffi.errno() === ENODATA || koffi.errno() === EOPNOTSUPP) return undefined
  throw new SyscallError(syscall, koffi.errno(), path?.toString('utf8', 0, path.length - 1))
}

/** Creates or replaces. A last symlink is not followed. */
export function setXattr(path: Path, name: string, data: Uint8Array): void {
  setXattrZ(terminated(path), name, data)
}

/** `setXattr` of a path that ends in a NUL. */
export function setXattrZ(path: Buffer, name: string, data: Uint8Array): void {
  const subject = path.toString('utf8', 0, path.length - 1)
  check(cSet(path, name, bytes(data), data.length, 0), `lsetxattr ${name}`, subject)
}

/** `setXattr` of an open file (not one opened with O_PATH). */
export function setFdXattr(fd: number, name: string, data: Uint8Array): void {
  check(cSetFd(fd, name, bytes(data), data.length, 0), `fsetxattr ${name}`)
}

const bytes = (data: Uint8Array): Buffer => Buffer.from(data.buffer, data.byteOffset, data.byteLength)

/** False when there was none. */
export function removeXattr(path: Path, name: string): boolean {
  if (cRemove(terminated(path), name) === 0) return true
  if (koffi.errno() === ENODATA) return false
  throw new SyscallError(`lremovexattr ${name}`, koffi.errno(), path.toString())
}
