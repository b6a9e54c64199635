import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'

const { createReadStream } = process.getBuiltinModule('node:fs')
const { lstat, readdir, readlink } = process.getBuiltinModule('node:fs/promises')
const { pipeline } = process.getBuiltinModule('node:stream/promises')

/**
 * A local file or directory as a tar whose entries begin with `name`: modes, owners, times, symlinks and hard links as they are.
 * Sockets are left out, as tar has no form for them.
 */
export function tarTree(path: string, name: string): Readable {
  return tarTrees([{ path, name }])
}

/** Several in one archive. */
export function tarTrees(trees: readonly { readonly path: string; readonly name: string }[]): Readable {
  const archive = pack()
  const work = { archive, links: new Map<string, string>() }
  const fill = async () => {
    for (const { path, name } of trees) await add(work, path, name)
    archive.finalize()
  }
  fill().catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))))
  // tar-stream's streams are not Node's own.
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false })
}

interface Work {
  readonly archive: Pack
  /** Files with several names, by device and inode. */
  readonly links: Map<string, string>
}

async function add(work: Work, path: string, name: string): Promise<void> {
  if (name.includes('\uFFFD'))
    throw new Error(`the name of ${JSON.stringify(path)} is not UTF-8: it cannot be copied`)
  const stat = await lstat(path)
  const header = { name, mode: stat.mode & 0o7777, uid: stat.uid, gid: stat.gid, mtime: stat.mtime }
  if (stat.isDirectory()) {
    await entry(work, { ...header, name: name.endsWith('/') ? name : `${name}/`, type: 'directory' })
    const below = name.endsWith('/') ? name : `${name}/`
    for (const child of (await readdir(path)).toSorted()) await add(work, `${path}/${child}`, below + child)
    return
  }
  const identity = `${stat.dev}:${stat.ino}`
  const first = work.links.get(identity)
  if (stat.nlink > 1) {
    if (first !== undefined) return entry(work, { ...header, type: 'link', linkname: first })
    work.links.set(identity, name)
  }
  if (stat.isSymbolicLink())
    return entry(work, { ...header, type: 'symlink', linkname: await readlink(path) })
  if (stat.isFile()) return addFile(work, { ...header, size: stat.size }, path)
  if (stat.isFIFO()) return entry(work, { ...header, type: 'fifo' })
  if (stat.isCharacterDevice() || stat.isBlockDevice())
    throw new Error(`${path} is a device: devices are not copied, see --device of run`)
}

type Entry = Partial<Header> & { readonly name: string }

function entry({ archive }: Work, header: Entry): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, '', (error) => (error ? reject(error) : resolve()))
  })
}

async function addFile(work: Work, header: Entry & { size: number }, path: string): Promise<void> {
  if (header.size === 0) return entry(work, header)
  // A file that grows while it is read must not overflow its header.
  await pipeline(
    createReadStream(path, { end: header.size - 1, highWaterMark: 1 << 20 }),
    work.archive.entry(header),
  )
}
