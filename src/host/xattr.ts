import { libc, check, SyscallError } from './libc.ts'

type Path = string | Buffer
const cList = libc.func('long llistxattr(void *, void *, size_t)') as (
  path: Buffer,
  list: Buffer | null,
  size: number,
) => number
const cGet = libc.func('long lgetxattr(void *, const char *, void *, size_t)') as (
  path: Buffer,
  name: string,
  value: Buffer | null,
  size: number,
) => number
const cSet = libc.func('int lsetxattr(void *, const char *, void *, size_t, int)') as (
  path: Buffer,
  name: string,
  value: Buffer,
  size: number,
  flags: number,
) => number
const cRemove = libc.func('int lremovexattr(void *, const char *)') as (path: Buffer, name: string) => number

const nul = Buffer.alloc(1)
const terminated = (path: Path): Buffer =>
  typeof path === 'string' ? Buffer.from(`${path}\0`) : Buffer.concat([path, nul])

/** Kernel limits: the list and one value have 64 KiB each at most. */
const scratch = Buffer.alloc(65_536)

/** Names of the extended attributes, sorted. A last symlink is not followed. None where they are not supported. */
export function listXattrs(path: Path): string[] {
  const length = cList(terminated(path), scratch, scratch.length)
  if (length === 0) return []
  try {
    check(length, 'llistxattr', path.toString())
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'EOPNOTSUPP') return []
    throw error
  }
  return scratch
    .toString('utf8', 0, length - 1)
    .split('\0')
    .toSorted()
}

/** The value, or undefined when there is no such attribute. A last symlink is not followed. */
export function getXattr(path: Path, name: string): Buffer | undefined {
  try {
    const length = check(
      cGet(terminated(path), name, scratch, scratch.length),
      'lgetxattr',
      `${path.toString()} ${name}`,
    )
    return Buffer.from(scratch.subarray(0, length))
  } catch (error) {
    if (error instanceof SyscallError && (error.code === 'ENODATA' || error.code === 'EOPNOTSUPP'))
      return undefined
    throw error
  }
}

/** Creates or replaces. A last symlink is not followed. */
export function setXattr(path: Path, name: string, value: Uint8Array): void {
  const data = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  check(cSet(terminated(path), name, data, data.length, 0), 'lsetxattr', `${path.toString()} ${name}`)
}

/** False when there was none. */
export function removeXattr(path: Path, name: string): boolean {
  try {
    check(cRemove(terminated(path), name), 'lremovexattr', `${path.toString()} ${name}`)
    return true
  } catch (error) {
    if (error instanceof SyscallError && error.code === 'ENODATA') return false
    throw error
  }
}
