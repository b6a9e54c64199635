/** `cp` both ways, by docker's rules; `compose cp` is the same for a service's containers. */
import type { Stats } from 'node:fs'
import type { Readable } from 'node:stream'
import { DaemonError } from '../../client/index.ts'
import type { Containers } from '../../client/index.ts'
import { hasCode } from '../../lib/errors.ts'
import { isDirectory, isRegular, isSymlink } from '../../wire/go-file-mode.ts'
import type { ContainerPathStat } from '../../wire/path-stat.ts'
import {
  cleanPath,
  followed,
  keepEnding,
  placementOf,
  renamed,
  splitPath,
  type Destination,
  type Placement,
  type Source,
} from './copy-paths.ts'
import { tarTree } from './tar-tree.ts'
import { untarTree } from './untar-tree.ts'

const { lstatSync, readlinkSync, realpathSync, statSync } = process.getBuiltinModule('node:fs')
const { posix, resolve } = process.getBuiltinModule('node:path')

export interface CopyOptions {
  readonly container: string
  /** As typed; `-` is a tar stream on our side. */
  readonly from: string
  readonly to: string
  /** A symlink as source is followed. */
  readonly followLink: boolean
  /** To a container: its user owns the copies. From one: the archive's owners are kept. */
  readonly archive: boolean
  /** Told the bytes of the archive so far. */
  readonly progress?: (bytes: number) => void
  /** What cannot be made on this side: devices. */
  readonly skipped: (name: string) => void
}

/** Returns what was copied in bytes, or the archive itself where the destination is `-`. */
export async function copyFrom(containers: Containers, o: CopyOptions): Promise<Readable | number> {
  const to = o.to === '-' ? '-' : keepEnding(resolve(o.to), o.to)
  if (to !== '-') checkOutput(to)
  let source: { path: string; name?: string } = { path: o.from }
  if (o.followLink) source = await follow(containers, o.container, o.from)
  const { stat, tar } = await containers.archive(o.container, source.path)
  if (to === '-') return tar
  const { counted, total } = count(tar, o.progress)
  const known = localDestination(to)
  const placement = placementOf({ ...source, isDirectory: isDirectory(stat.mode) }, known)
  // Two names in turn: that of the link, then that of the place.
  const asked: Placement = {
    ...placement,
    ...(source.name !== undefined &&
      !placement.rename && { rename: { from: splitPath(source.path).base, to: source.name } }),
    ...(placement.rename && {
      rename: { from: splitPath(source.path).base, to: placement.rename.to },
    }),
  }
  await untarTree(counted, asked, { owners: o.archive && process.getuid?.() === 0, skipped: o.skipped })
  return total()
}

/** Returns where it went, and the bytes that were sent. */
export async function copyTo(
  containers: Containers,
  o: CopyOptions & { input: Readable },
): Promise<{ path: string; bytes: number }> {
  const known = await remoteDestination(containers, o.container, o.to)
  let archive: Readable
  let directory = known.path
  if (o.from === '-') {
    if (!known.isDirectory) throw new Error(`destination "${o.container}:${o.to}" must be a directory`)
    archive = o.input
  } else {
    const source = localSource(keepEnding(resolve(o.from), o.from), o)
    const placement = placementOf(source, known)
    directory = placement.directory
    const { base } = splitPath(source.path)
    const name = renamed(source.name ?? base, placement.rename)
    archive = tarTree(source.path, name)
  }
  const { counted, total } = count(archive, o.progress)
  await containers.putArchive(o.container, {
    path: directory,
    archive: counted,
    noOverwriteDirNonDir: true,
    copyUidGid: o.archive,
  })
  return { path: known.path, bytes: total() }
}

function localSource(path: string, o: { followLink: boolean }): Source {
  try {
    if (o.followLink) {
      const resolved = followed(path, realpathSync(path))
      return { ...resolved, isDirectory: lstatSync(resolved.path).isDirectory() }
    }
    const parent = realpathSync(posix.dirname(cleanPath(path)))
    const whole = keepEnding(posix.join(parent, posix.basename(cleanPath(path))), path)
    return { path: whole, isDirectory: lstatSync(whole).isDirectory() }
  } catch (error) {
    throw missing('lstat', path, error)
  }
}

/** A symlink is its target; one that leads nowhere is made there. Docker's texts. */
function localDestination(path: string): Destination {
  let here = path
  for (let links = 0; ; links++) {
    const stat = lstatSync(here, { throwIfNoEntry: false })
    if (!stat) break
    if (!stat.isSymbolicLink()) return { path: here, exists: true, isDirectory: stat.isDirectory() }
    if (links > 10) throw new Error(`too many symlinks in ${path}`)
    const target = readlinkSync(here)
    here = target.startsWith('/') ? target : posix.join(splitPath(here).directory, target)
  }
  const { directory } = splitPath(here)
  try {
    if (!statSync(directory).isDirectory()) throw new Error('not a directory')
  } catch (error) {
    throw missing('stat', directory, error)
  }
  return { path: here, exists: false, isDirectory: false }
}

/** What is not there, or cannot be looked at, may still be made: the extraction says. */
async function remoteDestination(
  containers: Containers,
  container: string,
  path: string,
): Promise<Destination> {
  let here = path
  let stat = await tryStat(containers, container, here)
  if (stat && isSymlink(stat.mode)) {
    here = absolute(stat.linkTarget, path)
    stat = await tryStat(containers, container, here)
  }
  if (!stat) return { path: here, exists: false, isDirectory: false }
  const directory = isDirectory(stat.mode)
  if (!directory && !isRegular(stat.mode))
    throw new Error(
      `destination "${container}:${path}" must be a directory or a regular file: ${irregular(stat.mode)}`,
    )
  return { path: here, exists: true, isDirectory: directory }
}

async function follow(
  containers: Containers,
  container: string,
  path: string,
): Promise<{ path: string; name?: string }> {
  const stat = await tryStat(containers, container, path)
  if (!stat || !isSymlink(stat.mode)) return { path }
  return followed(path, absolute(stat.linkTarget, path))
}

const absolute = (target: string, path: string) =>
  target.startsWith('/') ? target : posix.join(splitPath(path).directory, target)

async function tryStat(
  containers: Containers,
  container: string,
  path: string,
): Promise<ContainerPathStat | undefined> {
  try {
    return await containers.statPath(container, path)
  } catch (error) {
    if (!(error instanceof DaemonError) || error.kind === 'unavailable') throw error
    return undefined
  }
}

function checkOutput(path: string): void {
  const directory = posix.dirname(cleanPath(path))
  if (!statSync(directory, { throwIfNoEntry: false }))
    throw new Error(`invalid output path: directory ${JSON.stringify(directory)} does not exist`)
  const stat = statOutput(path)
  if (!stat || stat.isDirectory() || stat.isFile()) return
  const why = stat.isCharacterDevice() || stat.isBlockDevice() ? 'got a device' : 'got an irregular file'
  throw new Error(
    `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: ${why}`,
  )
}

function statOutput(path: string): Stats | undefined {
  try {
    return statSync(path)
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    if (hasCode(error, 'ENOTDIR')) throw new Error(`stat ${path}: not a directory`, { cause: error })
    throw error
  }
}

const device = 0x0400_0000
const irregular = (mode: number) => ((mode & device) !== 0 ? 'got a device' : 'got an irregular file')

/** Go's words for a path that is not there. */
function missing(call: string, path: string, error: unknown): unknown {
  if (hasCode(error, 'ENOENT'))
    return new Error(`${call} ${path}: no such file or directory`, { cause: error })
  // Docker: said without the path.
  if (hasCode(error, 'ENOTDIR')) return new Error('not a directory', { cause: error })
  return error
}

/** Far enough ahead that reading and writing do not wait for each other. Bytes. */
const ahead = 4 << 20

function count(
  source: Readable,
  progress?: (bytes: number) => void,
): { counted: Readable; total: () => number } {
  let bytes = 0
  const { pipeline, Transform } = process.getBuiltinModule('node:stream')
  const counted = new Transform({
    highWaterMark: ahead,
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length
      progress?.(bytes)
      done(null, chunk)
    },
  })
  // A failure of the source destroys what is read, with its error.
  pipeline(source, counted, () => {})
  return { counted, total: () => bytes }
}
