import { closeSync, openSync, readFileSync } from 'node:fs'
import { constants } from 'node:fs'
import { libc, check, SyscallError } from './libc.ts'

const cMount = libc.func(
  'int mount(const char *, const char *, const char *, unsigned long, const char *)',
) as (source: string, target: string, type: string | null, flags: number, data: string | null) => number
const cUmount2 = libc.func('int umount2(const char *, int)') as (target: string, flags: number) => number
const cStatx = libc.func('int statx(int, const char *, int, unsigned int, void *)') as (
  fd: number,
  path: string,
  flags: number,
  mask: number,
  out: Buffer,
) => number
const AT_FDCWD = -100
const AT_SYMLINK_NOFOLLOW = 0x100
/** Linux 5.8. */
const STATX_ATTR_MOUNT_ROOT = 0x2000n

export const MS_RDONLY = 0x1
export const MS_NOSUID = 0x2
export const MS_NODEV = 0x4
export const MS_NOEXEC = 0x8
export const MS_REMOUNT = 0x20
export const MS_NOATIME = 0x400
export const MS_BIND = 0x1000
export const MS_REC = 0x4000
export const MS_UNBINDABLE = 0x20000
export const MS_PRIVATE = 0x40000
export const MS_SLAVE = 0x80000
export const MS_SHARED = 0x100000

/** Takes the mount out of the tree at once, and frees it when nobody uses it any more. */
export const MNT_DETACH = 2

/** The kernel copies one page of mount options at most, with its closing NUL. */
const optionLimit = 4095

export interface MountOptions {
  source: string
  target: string
  type?: string
  /** MS_* bits. */
  flags?: number
  /** The file system's own options, comma-separated. */
  data?: string
}

/** mount(2). Throws a SyscallError that names the target. */
export function mount(o: MountOptions): void {
  check(cMount(o.source, o.target, o.type ?? null, o.flags ?? 0, o.data ?? null), 'mount', o.target)
}

/** umount2(2). A target that is no mount point, or is not there, is not an error. */
export function unmount(target: string, flags = 0): void {
  try {
    check(cUmount2(target, flags), 'umount', target)
  } catch (error) {
    if (error instanceof SyscallError && (error.code === 'EINVAL' || error.code === 'ENOENT')) return
    throw error
  }
}

/**
 * Mounts an overlay. `lowers` are absolute paths, top first, any number up to the kernel's own limit (500).
 * Features that would make the upper directory useless as a layer (index, metacopy, directory redirects) are off
 * whatever the kernel's default is. Without `upper` the mount is read-only and needs two lowers (the kernel's rule).
 * `volatile` makes fsync inside the mount do nothing: for trees that are garbage after a crash anyway.
 */
export function mountOverlay(o: {
  lowers: readonly string[]
  upper?: string
  work?: string
  target: string
  volatile?: boolean
}): void {
  const data = overlayData(o.lowers, o)
  const paths = [...o.lowers, o.upper ?? '', o.work ?? '']
  if (Buffer.byteLength(data) <= optionLimit && !paths.some((path) => /[,:\\]/.test(path)))
    return mount({ source: 'overlay', target: o.target, type: 'overlay', data })

  // Too long for a page, or with characters that the option parser of some kernels splits at: name each directory
  // by a descriptor of ours instead. Unlike relative paths that needs no change of the process's directory.
  const fds: number[] = []
  const short = (path: string) => {
    const fd = openSync(path, constants.O_DIRECTORY | constants.O_RDONLY)
    fds.push(fd)
    return `/proc/self/fd/${fd}`
  }
  try {
    const lowers = o.lowers.map(short)
    const rest = {
      ...(o.upper === undefined ? {} : { upper: short(o.upper) }),
      ...(o.work === undefined ? {} : { work: short(o.work) }),
      ...(o.volatile ? { volatile: true } : {}),
    }
    mount({ source: 'overlay', target: o.target, type: 'overlay', data: overlayData(lowers, rest) })
  } finally {
    for (const fd of fds) closeSync(fd)
  }
}

function overlayData(
  lowers: readonly string[],
  o: { upper?: string; work?: string; volatile?: boolean },
): string {
  const options = [`lowerdir=${lowers.join(':')}`]
  if (o.upper !== undefined) options.push(`upperdir=${o.upper}`, `workdir=${o.work ?? ''}`)
  options.push('index=off', 'metacopy=off', 'redirect_dir=off')
  if (o.volatile) options.push('volatile')
  return options.join(',')
}

export interface MountEntry {
  /** Where it is mounted. */
  target: string
  /** What of the file system is mounted there; `/` unless it is a bind mount of a part. */
  root: string
  type: string
  source: string
  /** Mount flags (`rw`, `nosuid`, …). */
  options: string
  /** Options of the file system, e.g. `lowerdir=…`. */
  superOptions: string
  /** `shared:1`, `master:2`, … */
  propagation: string[]
}

/** The mounts of this process's mount namespace, in mount order. */
export function mounts(): MountEntry[] {
  return parseMountInfo(readFileSync('/proc/self/mountinfo', 'utf8'))
}

/** Decodes proc_pid_mountinfo(5). */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = []
  for (const line of text.split('\n')) {
    const [left = '', right = ''] = line.split(' - ', 2)
    const [, , , root, target, options, ...propagation] = left.split(' ')
    const [type, source, superOptions] = right.split(' ')
    if (root === undefined || target === undefined || type === undefined) continue
    entries.push({
      target: unescape(target),
      root: unescape(root),
      type,
      source: unescape(source ?? ''),
      options: options ?? '',
      superOptions: superOptions ?? '',
      propagation,
    })
  }
  return entries
}

/** Space, tab, newline and backslash are written as three octal digits. */
function unescape(text: string): string {
  if (!text.includes('\\')) return text
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(parseInt(digits, 8)))
}

/** Whether something is mounted at the path itself. One system call, however many mounts there are. */
export function isMountPoint(path: string): boolean {
  const stat = Buffer.alloc(256)
  try {
    check(cStatx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, stat), 'statx', path)
  } catch (error) {
    if (error instanceof SyscallError && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return false
    throw error
  }
  const [attributes, known] = [stat.readBigUInt64LE(8), stat.readBigUInt64LE(56)]
  if (known & STATX_ATTR_MOUNT_ROOT) return (attributes & STATX_ATTR_MOUNT_ROOT) !== 0n
  return mounts().some((entry) => entry.target === path)
}

/** Targets of the mounts below `path` and at it, deepest (newest) first: the order in which they can be unmounted. */
export function mountsUnder(path: string): string[] {
  const prefix = path.endsWith('/') ? path : `${path}/`
  return mounts()
    .filter((entry) => entry.target === path || entry.target.startsWith(prefix))
    .map((entry) => entry.target)
    .toReversed()
}
