import type { Readable } from 'node:stream'
import type { Pack } from 'tar-stream'
import { hasCode } from '../../lib/errors.ts'
import { IgnoreMatcher, type ParentMatch } from '../../lib/ignore.ts'
import { addEntry, addFile, packTar } from '../tar/pack-tar.ts'

const { lstat, readdir, readFile, readlink } = process.getBuiltinModule('node:fs/promises')
const { join, relative, sep } = process.getBuiltinModule('node:path')

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
  const stream = packTar(async (archive) => {
    if (text !== undefined) await addEntry(archive, { name, mode: 0o644, mtime: new Date(0) }, text)
    await walk(archive, { directory, matcher, keep: new Set([name, '.dockerignore']) }, '', undefined)
  })
  return { stream, dockerfile: name }
}

/** A Dockerfile without a context. */
export function textContext(text: string): TarContext {
  const stream = packTar((archive) => addEntry(archive, { name: 'Dockerfile' }, text))
  return { stream, dockerfile: 'Dockerfile' }
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
        await addEntry(archive, {
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
      await addEntry(archive, { ...header, type: 'symlink', linkname: await readlink(path) })
    else if (stat.isFile()) await addFile(archive, { ...header, size: stat.size }, path)
    // Sockets, pipes and devices are no part of a context.
  }
}
