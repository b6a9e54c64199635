import type { Readable } from 'node:stream'
import type { Pack } from 'tar-stream'
import { hasCode } from '../../lib/errors.ts'
import { addEntry, addFile, packTar } from '../tar/pack-tar.ts'

const { lstat, readdir, readlink } = process.getBuiltinModule('node:fs/promises')

/**
 * A local file or directory as a tar whose entries begin with `name`: modes, owners, times, symlinks and hard links as they are.
 * Sockets are left out, as tar has no form for them.
 */
export function tarTree(path: string, name: string): Readable {
  return packTar((archive) => add({ archive, links: new Map(), live: false }, path, name))
}

/**
 * Several in one archive, of files that others work with meanwhile: what is gone when its turn comes
 * is left out, and what has become shorter is filled up. Somebody is told of such changes, and sends the file again.
 */
export function tarLiveTrees(trees: readonly { readonly path: string; readonly name: string }[]): Readable {
  return packTar(async (archive) => {
    const work = { archive, links: new Map<string, string>(), live: true }
    for (const { path, name } of trees) await add(work, path, name)
  })
}

interface Work {
  readonly archive: Pack
  /** Files with several names, by device and inode. */
  readonly links: Map<string, string>
  /** Files may go at any moment. */
  readonly live: boolean
}

async function add(work: Work, path: string, name: string): Promise<void> {
  try {
    await addTree(work, path, name)
  } catch (error) {
    if (!work.live || !hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
  }
}

async function addTree(work: Work, path: string, name: string): Promise<void> {
  if (name.includes('\uFFFD'))
    throw new Error(`the name of ${JSON.stringify(path)} is not UTF-8: it cannot be copied`)
  const stat = await lstat(path)
  const header = { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime }
  if (stat.isDirectory()) {
    await addEntry(work.archive, {
      ...header,
      name: name.endsWith('/') ? name : `${name}/`,
      type: 'directory',
    })
    const below = name.endsWith('/') ? name : `${name}/`
    for (const child of (await readdir(path)).toSorted()) await add(work, `${path}/${child}`, below + child)
    return
  }
  const identity = `${stat.dev}:${stat.ino}`
  const first = work.links.get(identity)
  if (stat.nlink > 1 && first !== undefined)
    return addEntry(work.archive, { ...header, type: 'link', linkname: first })
  if (stat.isSymbolicLink())
    await addEntry(work.archive, { ...header, type: 'symlink', linkname: await readlink(path) })
  else if (stat.isFile())
    await addFile(work.archive, { ...header, size: stat.size }, path, { fill: work.live })
  else if (stat.isFIFO()) await addEntry(work.archive, { ...header, type: 'fifo' })
  else if (stat.isCharacterDevice() || stat.isBlockDevice())
    throw new Error(`${path} is a device: devices are not copied, see --device of run`)
  if (stat.nlink > 1) work.links.set(identity, name)
}
