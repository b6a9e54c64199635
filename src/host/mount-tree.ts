import { closeSync, constants, openSync, writeFileSync } from 'node:fs'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { spawnChild } from './child.ts'
import { check, libc } from './libc.ts'
import { mount, MS_BIND, MS_PRIVATE, MS_RDONLY, MS_REC, MS_REMOUNT } from './mount.ts'

/** Detached copies of mounts: open_tree(2), mount_setattr(2), move_mount(2). Numbers are the same on x86-64 and arm64. */
const SYS_open_tree = 428
const SYS_move_mount = 429
const SYS_mount_setattr = 442
const AT_FDCWD = -100
const AT_EMPTY_PATH = 0x1000
const AT_RECURSIVE = 0x8000
const OPEN_TREE_CLONE = 1
const OPEN_TREE_CLOEXEC = 0o2000000
const MOVE_MOUNT_F_EMPTY_PATH = 4
const MOVE_MOUNT_T_EMPTY_PATH = 0x40
const MOUNT_ATTR_IDMAP = 0x00100000n

// syscall(2) only shifts registers, so it may be declared without its variadic tail.
const cOpenTree = libc.func('long syscall(long, long, const char *, unsigned long)') as (
  number: number,
  fd: number,
  path: string,
  flags: number,
) => number
const cMoveMount = libc.func('long syscall(long, long, const char *, long, const char *, unsigned long)') as (
  number: number,
  from: number,
  fromPath: string,
  to: number,
  toPath: string,
  flags: number,
) => number
const cMountSetattr = libc.func('long syscall(long, long, const char *, unsigned long, void *, size_t)') as (
  number: number,
  fd: number,
  path: string,
  flags: number,
  attributes: Buffer,
  size: number,
) => number

/** Ids of the file system from `disk` on are seen as those from `seen` on, `count` of them. */
export interface IdRange {
  readonly disk: number
  readonly seen: number
  readonly count: number
}

export interface IdMap {
  readonly uids: readonly IdRange[]
  readonly gids: readonly IdRange[]
}

let known: boolean | undefined

/** Whether the kernel can change what is below a mount as one (Linux 5.12): read-only to the bottom, other ids. */
export function hasMountSetattr(): boolean {
  // A size of zero is refused by a kernel that knows the call.
  known ??= (() => {
    try {
      check(cMountSetattr(SYS_mount_setattr, -1, '', AT_EMPTY_PATH, Buffer.alloc(32), 0), 'mount_setattr')
      return true
    } catch (error) {
      return !hasCode(error, 'ENOSYS')
    }
  })()
  return known
}

/**
 * Mounts at `target` what an open descriptor (O_PATH is enough) leads to, with what is mounted below it when `recursive` is
 * set, and by an id map when one is given. The mount is private: nothing that happens to it is seen elsewhere.
 * Throws kind `unsupported` when the kernel or the file system has no id-mapped mounts.
 */
export async function bindDescriptor(
  op: Op,
  o: { fd: number; target: string; recursive: boolean; idMap?: IdMap; what: string },
): Promise<void> {
  const deep = o.recursive ? AT_RECURSIVE : 0
  const tree = check(
    cOpenTree(SYS_open_tree, o.fd, '', AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | deep),
    'open_tree',
    o.what,
  )
  try {
    if (o.idMap) await mapIds(op, { tree, deep, map: o.idMap, what: o.what })
    check(
      cMoveMount(SYS_move_mount, tree, '', AT_FDCWD, o.target, MOVE_MOUNT_F_EMPTY_PATH),
      'move_mount',
      o.target,
    )
  } finally {
    closeSync(tree)
  }
  mount({ source: 'none', target: o.target, flags: MS_PRIVATE | MS_REC })
}

/**
 * Mounts what the trusted path `source` leads to over an open directory or file (O_PATH is enough), wherever that is by now.
 * Private: nothing that is mounted in it later is seen elsewhere.
 */
export function bindOver(o: { source: string; over: number; recursive: boolean; readOnly: boolean }): void {
  const flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (o.recursive ? AT_RECURSIVE : 0)
  const tree = check(cOpenTree(SYS_open_tree, AT_FDCWD, o.source, flags), 'open_tree', o.source)
  try {
    const empty = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    check(cMoveMount(SYS_move_mount, tree, '', o.over, '', empty), 'move_mount', o.source)
    const target = `/proc/self/fd/${tree}`
    mount({ source: 'none', target, flags: MS_PRIVATE | MS_REC })
    if (o.readOnly) mount({ source: 'none', target, flags: MS_REMOUNT | MS_BIND | MS_RDONLY })
  } finally {
    closeSync(tree)
  }
}

async function mapIds(op: Op, o: { tree: number; deep: number; map: IdMap; what: string }): Promise<void> {
  if (!hasMountSetattr())
    throw new EngineError('unsupported', 'idmap needs id-mapped mounts, which this kernel lacks (Linux 5.12)')
  const namespace = await userNamespace(op, o.map)
  try {
    const attributes = Buffer.alloc(32)
    attributes.writeBigUInt64LE(MOUNT_ATTR_IDMAP, 0)
    attributes.writeBigUInt64LE(BigInt(namespace), 24)
    check(
      cMountSetattr(SYS_mount_setattr, o.tree, '', AT_EMPTY_PATH | o.deep, attributes, attributes.length),
      'mount_setattr',
      o.what,
    )
  } catch (cause) {
    if (!hasCode(cause, 'EINVAL', 'EPERM')) throw cause
    throw new EngineError(
      'unsupported',
      `idmap is not possible for ${o.what}: its file system, or one mounted below it, has no id-mapped mounts or is id-mapped already`,
      { cause },
    )
  } finally {
    closeSync(namespace)
  }
}

/**
 * A descriptor of a new user namespace that stands for an id map. A process with threads cannot make one, so a child does; it is
 * gone when this returns.
 */
async function userNamespace(op: Op, map: IdMap): Promise<number> {
  op.signal.throwIfAborted()
  const child = spawnChild('unshare', ['--user', 'sh', '-c', 'echo; read -r _'], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const ended = new Promise<void>((resolve) => {
    child.once('error', () => resolve())
    child.once('close', () => resolve())
  })
  const ready = new Promise<boolean>((resolve) => {
    child.stdout?.once('data', () => resolve(true))
    void ended.then(() => resolve(false))
  })
  const abort = () => child.kill('SIGKILL')
  op.signal.addEventListener('abort', abort, { once: true })
  child.stdin?.on('error', () => {})
  try {
    if (!(await ready) || child.pid === undefined) {
      op.signal.throwIfAborted()
      throw new EngineError('unsupported', 'idmap needs user namespaces, which this host does not allow')
    }
    writeFileSync(`/proc/${child.pid}/uid_map`, lines(map.uids))
    writeFileSync(`/proc/${child.pid}/gid_map`, lines(map.gids))
    return openSync(`/proc/${child.pid}/ns/user`, constants.O_RDONLY)
  } finally {
    op.signal.removeEventListener('abort', abort)
    child.kill('SIGKILL')
    child.stdin?.destroy()
    await ended
  }
}

/** In the namespace's own words: its ids are those of the file system, the host's those that are seen. */
const lines = (ranges: readonly IdRange[]) =>
  ranges.map((range) => `${range.disk} ${range.seen} ${range.count}\n`).join('')
