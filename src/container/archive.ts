/** Files of a container from outside: what is at a path, a tar of it, and a tar into it. Docker's path rules. */
import { closeSync, constants } from 'node:fs'
import { posix } from 'node:path'
import { finished, type Readable } from 'node:stream'
import { EngineError, hasCode } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { decompress } from '../host/decompress.ts'
import type { FileStat, RootDir } from '../host/root-dir.ts'
import { resolveUser } from '../runtime/index.ts'
import type { Container } from './container.ts'
import { openFiles, tmpfsView, type FileView } from './file-view.ts'
import { emit, type Host } from './host.ts'
import { evaluateLinks } from './links-in-root.ts'

/** What is at a path. */
export interface PathStat {
  readonly name: string
  readonly kind: FileStat['kind']
  readonly permissions: number
  readonly size: number
  readonly mtime: { readonly sec: number; readonly nsec: number }
  /** Of a symlink: where it leads in the container in the end, whether or not anything is there. */
  readonly linkTarget: string
}

export async function statPath(op: Op, host: Host, c: Container, path: string): Promise<PathStat> {
  return named(c, path, async () => {
    using files = await viewFor(op, host, c, path)
    return describe(files.root, path)
  })
}

/** A tar of a directory under its last name, or of one file; and what that is. The stream ends the view. */
export async function archivePath(
  op: Op,
  host: Host,
  c: Container,
  path: string,
): Promise<{ stat: PathStat; tar: Readable }> {
  return named(c, path, async () => {
    using opened = new DisposableStack()
    const { root } = opened.use(await viewFor(op, host, c, path))
    const stat = describe(root, path)
    const isDirectory = stat.kind === 'directory'
    const whole = clean(path)
    const directory = isDirectory ? whole : posix.dirname(whole)
    const fd = root.openFile(directory, constants.O_RDONLY | constants.O_DIRECTORY)
    opened.defer(() => closeSync(fd))
    const tar = host.snapshots.archive(op, {
      dir: `/proc/self/fd/${fd}`,
      as: isDirectory ? stat.name : posix.basename(whole),
      ...(!isDirectory && { only: posix.basename(whole) }),
    })
    const rest = opened.move()
    finished(tar, () => rest[Symbol.dispose]())
    emit(host, c, { action: 'archive-path' })
    return { stat, tar }
  })
}

export interface ExtractOptions {
  readonly path: string
  /** Not trusted; compressed or not. */
  readonly source: Readable
  /** No directory takes the place of anything else, nor the reverse. */
  readonly keepKinds: boolean
  /** Everything belongs to the container's user, where it has one. */
  readonly asUser: boolean
}

/** Unpacks an archive over a directory of the container. */
export async function extractTo(op: Op, host: Host, c: Container, o: ExtractOptions): Promise<void> {
  const { path } = o
  await named(c, path, async () => {
    using files = await viewFor(op, host, c, path, { exclusive: true })
    const { root } = files
    const target = evaluateLinks(root, clean(path))
    if (root.stat(target).kind !== 'directory')
      throw new EngineError('invalid', 'extraction point is not a directory')
    assertWritable(c, target)
    const user = o.asUser && c.config.User ? resolveUser(root.path, c.config.User) : undefined
    const source = await decompress(op, o.source)
    await host.snapshots.extract(op, {
      dir: root.path,
      source,
      target,
      copied: { keepKinds: o.keepKinds },
      ...(user && { chown: { uid: user.uid, gid: user.gid } }),
    })
  })
  emit(host, c, { action: 'extract-to-dir' })
}

/** Docker: what the mounts say counts for what is below them, what the root file system says for the rest. */
function assertWritable(c: Container, target: string): void {
  const within = c.record.mounts.filter(
    ({ destination }) =>
      target === destination || target.startsWith(destination === '/' ? '/' : `${destination}/`),
  )
  const [mount] = within.toSorted((a, b) => b.destination.length - a.destination.length)
  if (mount?.readOnly) throw new EngineError('invalid', 'mounted volume is marked read-only')
  if (!mount && c.hostConfig.ReadonlyRootfs)
    throw new EngineError('invalid', 'container rootfs is marked read-only')
}

/** The view in which a path is seen: a tmpfs of a running container has one of its own. */
async function viewFor(
  op: Op,
  host: Host,
  c: Container,
  path: string,
  o: { exclusive?: boolean } = {},
): Promise<FileView> {
  const files = await openFiles(op, host, c, o)
  try {
    const tmpfs = tmpfsView(c, evaluateLinks(files.root, clean(path)))
    if (!tmpfs) return files
    files[Symbol.dispose]()
    return tmpfs
  } catch (error) {
    files[Symbol.dispose]()
    throw error
  }
}

const clean = (path: string) => posix.join('/', path).replace(/(?<=.)\/+$/, '')

/** Docker: a path that ends in a slash, or in `/.`, is what a symlink leads to, and must be a directory. */
function describe(root: RootDir, path: string): PathStat {
  const follow = /(?:^|\/)\.?$/.test(path)
  const stat = follow ? root.stat(`${clean(path)}/.`) : root.lstat(clean(path))
  return {
    name: baseName(path),
    kind: stat.kind,
    permissions: stat.mode,
    size: stat.size,
    mtime: { sec: stat.mtimeSec, nsec: stat.mtimeNsec },
    linkTarget: stat.kind === 'symlink' ? evaluateLinks(root, clean(path)) : '',
  }
}

/** As Go's filepath.Base. */
function baseName(path: string): string {
  const bare = path.replace(/\/+$/, '')
  if (bare === '') return path === '' ? '.' : '/'
  return bare.slice(bare.lastIndexOf('/') + 1)
}

async function named<T>(c: Container, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (hasCode(error, 'ENOTDIR'))
      throw new EngineError('invalid', `lstat ${path}: not a directory`, { cause: error })
    if (!hasCode(error, 'ENOENT')) throw error
    throw new EngineError('not-found', `Could not find the file ${path} in container ${c.name}`, {
      cause: error,
    })
  }
}
