import { Readable } from 'node:stream'
import { pack, type Header, type Pack } from 'tar-stream'
import { hasCode } from '../../lib/errors.ts'
import { IgnoreMatcher, type ParentMatch } from '../../lib/ignore.ts'

const { createReadStream } = process.getBuiltinModule('node:fs')
const { lstat, readdir, readFile, readlink } = process.getBuiltinModule('node:fs/promises')
const { join, relative, sep } = process.getBuiltinModule('node:path')
const { pipeline } = process.getBuiltinModule('node:stream/promises')

/** A build context as it goes to a daemon that does not share our file system. */
export interface TarContext {
  readonly stream: Readable
  /** Name of the Dockerfile within the archive. */
  readonly dockerfile: string
}

/**
 * The directory as a tar, without what `.dockerignore` keeps out. The Dockerfile and the ignore file always go along; a
 * Dockerfile from elsewhere, or its text, is added under a name of its own; a named context has none.
 */
export async function tarContext(
  directory: string,
  o: { dockerfile?: string; text?: string | undefined },
): Promise<TarContext> {
  const { dockerfile = join(directory, '.dockerignore') } = o
  const inside = o.text === undefined && !relative(directory, dockerfile).startsWith('..')
  const name = inside ? relative(directory, dockerfile).split(sep).join('/') : '.dockerfile.gantry'
  const text = o.text ?? (inside ? undefined : await readFile(dockerfile, 'utf8'))
  const matcher = await readIgnore(directory, dockerfile)
  const archive = pack()
  const fill = async () => {
    if (text !== undefined) await add(archive, { name, mode: 0o644, mtime: new Date(0) }, text)
    await walk(archive, { directory, matcher, keep: new Set([name, '.dockerignore']) }, '', undefined)
    archive.finalize()
  }
  fill().catch((error: unknown) => archive.destroy(error instanceof Error ? error : new Error(String(error))))
  return { stream: readable(archive), dockerfile: name }
}

/** A Dockerfile without a context. */
export function textContext(text: string): TarContext {
  const archive = pack()
  archive.entry({ name: 'Dockerfile' }, text)
  archive.finalize()
  return { stream: readable(archive), dockerfile: 'Dockerfile' }
}

/** tar-stream's streams are not Node's own. */
function readable(archive: Pack): Readable {
  return Readable.from(archive as AsyncIterable<Buffer>, { objectMode: false })
}

/** Docker: `X.dockerignore` beside the Dockerfile X comes before the context's own. */
async function readIgnore(directory: string, dockerfile: string): Promise<IgnoreMatcher> {
  for (const path of [`${dockerfile}.dockerignore`, join(directory, '.dockerignore')]) {
    try {
      return IgnoreMatcher.parse(await readFile(path, 'utf8'))
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error
    }
  }
  return new IgnoreMatcher([])
}

type Entry = Partial<Header> & { readonly name: string }

interface Walk {
  readonly directory: string
  readonly matcher: IgnoreMatcher
  readonly keep: ReadonlySet<string>
}

async function walk(
  archive: Pack,
  w: Walk,
  parent: string,
  parentMatch: ParentMatch | undefined,
): Promise<void> {
  const entries = await readdir(join(w.directory, parent))
  for (const entry of entries.toSorted()) {
    const name = parent === '' ? entry : `${parent}/${entry}`
    const { ignored, matches } = w.matcher.step(name, parentMatch)
    const out = ignored && !w.keep.has(name)
    const path = join(w.directory, name)
    const stat = await lstat(path)
    if (stat.isDirectory()) {
      // Below an ignored directory there may be exceptions, or the Dockerfile.
      const needed = w.matcher.hasExceptions || [...w.keep].some((kept) => kept.startsWith(`${name}/`))
      if (out && !needed) continue
      if (!out)
        await add(archive, {
          name: `${name}/`,
          type: 'directory',
          mode: stat.mode & 0o7777,
          mtime: stat.mtime,
        })
      await walk(archive, w, name, matches)
      continue
    }
    if (out) continue
    const header = { name, mode: stat.mode & 0o7777, mtime: stat.mtime }
    if (stat.isSymbolicLink())
      await add(archive, { ...header, type: 'symlink', linkname: await readlink(path) })
    else if (stat.isFile()) await addFile(archive, { ...header, size: stat.size }, path)
    // Sockets, pipes and devices are no part of a context.
  }
}

function add(archive: Pack, header: Entry, content = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    archive.entry(header, content, (error) => (error ? reject(error) : resolve()))
  })
}

async function addFile(archive: Pack, header: Entry & { size: number }, path: string): Promise<void> {
  if (header.size === 0) return add(archive, header)
  const entry = archive.entry(header)
  // A file that grows while it is read must not overflow its header.
  await pipeline(createReadStream(path, { end: header.size - 1 }), entry)
}
