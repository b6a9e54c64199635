/**
 * The files of a container, running or not, as its processes see them, for calls from outside: its root with volumes, binds and
 * network files in place, bound together in a folder of ours. What only the kernel shows (/proc, /sys, /dev) is not there, nor
 * what is mounted inside; a tmpfs is, while the container runs, by a view of its own (see `tmpfsView`).
 */
import { closeSync, constants, openSync, statSync } from 'node:fs'
import { mkdir, readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { attempt } from '../lib/attempt.ts'
import { EngineError, hasCode } from '../lib/errors.ts'
import { newId } from '../lib/id.ts'
import { detached, type Op } from '../lib/op.ts'
import { bindOver } from '../host/mount-tree.ts'
import { MNT_DETACH, mountsUnder, unmount } from '../host/mount.ts'
import { startTime } from '../host/proc.ts'
import { RootDir } from '../host/root-dir.ts'
import type { OciMount } from '../runtime/index.ts'
import type { Container } from './container.ts'
import type { Host } from './host.ts'
import { releaseMounts, runningMounts, setUpMounts } from './mount-setup.ts'
import { isLive } from './state.ts'

/** Linux's O_PATH, which Node does not name. */
const O_PATH = 0o10000000

/** Open until it is disposed. */
export interface FileView extends Disposable {
  readonly root: RootDir
}

/**
 * Opens the files of a container. What was bound stays as it is until the view is disposed, whatever becomes of the container.
 * `exclusive`: a container that does not run cannot be started meanwhile.
 */
export async function openFiles(
  op: Op,
  host: Host,
  c: Container,
  o: { exclusive?: boolean } = {},
): Promise<FileView> {
  using held = new DisposableStack()
  const lock = held.use(await c.lock.acquire(op.signal))
  if (c.state.status === 'removing')
    throw new EngineError('conflict', `Container ${c.id} is being removed: its files are going`)
  const directory = join(c.viewsFolder, newId().slice(0, 16))
  await mkdir(directory, { mode: 0o700 })
  await using undo = new AsyncDisposableStack()
  undo.defer(() => attempt(op, 'remove the view of its files', () => rmdir(directory)))
  undo.defer(() => unmount(directory, MNT_DETACH))
  if (isLive(c.state)) {
    const rootfs = await host.snapshots.mount(op, c.id, c.layers)
    show(c, { directory, rootfs, mounts: await runningMounts(op, host, c) })
  } else await showStopped(op, host, c, directory)
  const root = RootDir.open(directory)
  undo.move()
  const unlock = o.exclusive && !isLive(c.state) ? held.move() : undefined
  if (!unlock) lock[Symbol.dispose]()
  return {
    root,
    [Symbol.dispose]: () => {
      root[Symbol.dispose]()
      unmount(directory, MNT_DETACH)
      rmdir(directory).catch((error: unknown) =>
        op.log.warn('the folder of a view was not removed', { error }),
      )
      unlock?.[Symbol.dispose]()
    },
  }
}

/** Everything is mounted only while it is bound: the binds keep what they need. */
async function showStopped(op: Op, host: Host, c: Container, directory: string): Promise<void> {
  const undo = () => detached(op, 30_000)
  try {
    const rootfs = await host.snapshots.mount(op, c.id, c.layers)
    show(c, { directory, rootfs, mounts: await setUpMounts(op, host, c, rootfs) })
  } finally {
    await attempt(op, 'release its mounts', () => releaseMounts(undo(), host, c))
    await attempt(op, 'unmount its root', () => host.snapshots.unmount(undo(), c.id))
  }
}

function show(
  c: Container,
  { directory, rootfs, mounts }: { directory: string; rootfs: string; mounts: readonly OciMount[] },
): void {
  const folder = openSync(directory, O_PATH | constants.O_DIRECTORY)
  try {
    bindOver({ source: rootfs, over: folder, recursive: false, readOnly: false })
  } finally {
    closeSync(folder)
  }
  using root = RootDir.open(directory)
  // Docker: a mount point that the image lacks is made.
  for (const mount of mounts) if (mount.type === 'bind') bindInto(root, mount)
  const files = { resolv: c.resolvConfPath, hostname: c.hostnamePath, hosts: c.hostsPath }
  for (const [destination, source] of [
    ['/etc/resolv.conf', files.resolv],
    ['/etc/hostname', files.hostname],
    ['/etc/hosts', files.hosts],
  ] as const)
    if (isThere(source)) bindInto(root, { destination, source, type: 'bind', options: ['bind'] })
}

function bindInto(root: RootDir, { destination, source, options }: OciMount): void {
  makeMountPoint(root, destination, { isDirectory: statSync(source).isDirectory() })
  const over = root.openFile(destination, O_PATH)
  try {
    bindOver({
      source,
      over,
      recursive: options.includes('rbind'),
      readOnly: options.includes('ro') || options.includes('rro'),
    })
  } finally {
    closeSync(over)
  }
}

function makeMountPoint(root: RootDir, path: string, o: { isDirectory: boolean }): void {
  try {
    root.stat(path)
    return
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
  if (o.isDirectory) return void root.mkdirAll(path, 0o755)
  root.mkdirAll(path.slice(0, path.lastIndexOf('/')) || '/', 0o755)
  closeSync(root.openFile(path, constants.O_CREAT | constants.O_WRONLY, 0o644))
}

function isThere(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined
}

/**
 * The files of a running container through its first process, for a path in a tmpfs: there alone they are seen. Undefined: no
 * tmpfs of its own is there, or it does not run.
 */
export function tmpfsView(c: Container, path: string): FileView | undefined {
  const inside = c.record.mounts.some(
    ({ type, destination }) =>
      type === 'tmpfs' && (path === destination || path.startsWith(`${destination}/`)),
  )
  if (!inside || !isLive(c.state)) return undefined
  const { pid, pidStartTime } = c.state
  using opened = new DisposableStack()
  const fd = openSync(`/proc/${pid}/root`, O_PATH | constants.O_DIRECTORY)
  opened.defer(() => closeSync(fd))
  // Opened first, looked at then: the descriptor cannot be of a later process.
  if (startTime(pid) !== pidStartTime) throw new EngineError('conflict', `Container ${c.id} ended meanwhile`)
  const root = opened.use(RootDir.open(`/proc/self/fd/${fd}`))
  const rest = opened.move()
  return { root, [Symbol.dispose]: () => rest[Symbol.dispose]() }
}

/** At boot: views of a daemon that was killed. */
export async function sweepViews(folder: string): Promise<void> {
  for (const target of mountsUnder(folder)) unmount(target, MNT_DETACH)
  for (const name of await readdir(folder)) await rmdir(join(folder, name))
}
