import type { Readable } from 'node:stream'
import { extract, type Header } from 'tar-stream'
import { drained, entriesOf, passOver, saveFile, type TarEntry } from '../tar/tar-entries.ts'
import { renamed, type Placement } from './copy-paths.ts'

const {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
} = process.getBuiltinModule('node:fs')
const { execFileSync } = process.getBuiltinModule('node:child_process')

/**
 * Unpacks a container's archive, which is not trusted, into a local directory: nothing is reached through a symlink below it,
 * no directory takes the place of anything else, nor the reverse. `owners`: as they are in the archive, else the caller's.
 */
export async function untarTree(
  source: Readable,
  placement: Placement,
  o: { owners: boolean; skipped: (name: string) => void },
): Promise<void> {
  const parser = extract()
  const tree = new LocalTree(placement, o)
  const fed = (async () => {
    for await (const chunk of source as AsyncIterable<Buffer>) if (!parser.write(chunk)) await drained(parser)
    parser.end(() => {})
  })()
  fed.catch((error: unknown) => parser.destroy(error instanceof Error ? error : new Error(String(error))))
  for await (const entry of entriesOf(parser)) await tree.add(entry)
  await fed
  tree.finish()
}

class LocalTree {
  readonly #root: string
  readonly #rename: Placement['rename']
  readonly #o: { owners: boolean; skipped: (name: string) => void }
  readonly #directories = new Map<string, Date>()

  constructor(placement: Placement, o: { owners: boolean; skipped: (name: string) => void }) {
    this.#root = placement.directory.replace(/\/+$/, '')
    this.#rename = placement.rename
    this.#o = o
  }

  async add(entry: TarEntry): Promise<void> {
    const { header } = entry
    const parts = partsOf(renamed(header.name, this.#rename))
    // The directory that was named, which is there.
    if (parts.length === 0) return passOver(entry)
    this.#parents(parts)
    const path = this.#path(parts)
    const before = lstatSync(path, { throwIfNoEntry: false })
    const isDirectory = header.type === 'directory'
    if (before && before.isDirectory() !== isDirectory)
      throw new Error(
        isDirectory
          ? `cannot overwrite non-directory "${path}" with directory "${this.#root}"`
          : `cannot overwrite directory "${path}" with non-directory "${this.#root}"`,
      )
    if (before && !isDirectory) rmSync(path)
    await this.#make(entry, path, before !== undefined)
  }

  /** Directories get their times last: before, they were written in. */
  finish(): void {
    for (const [path, mtime] of [...this.#directories].toReversed()) utimesSync(path, mtime, mtime)
  }

  async #make(entry: TarEntry, path: string, exists: boolean): Promise<void> {
    const { header } = entry
    const mode = (header.mode ?? 0o644) & 0o7777
    const mtime = header.mtime ?? new Date()
    switch (header.type) {
      case 'directory':
        if (!exists) mkdirSync(path, { mode: 0o700 })
        this.#own(path, header)
        chmodSync(path, mode)
        this.#directories.set(path, mtime)
        return passOver(entry)
      case 'symlink':
        symlinkSync(header.linkname ?? '', path)
        this.#own(path, header)
        lutimesSync(path, mtime, mtime)
        return passOver(entry)
      case 'link': {
        const target = partsOf(renamed(header.linkname ?? '', this.#rename))
        this.#parents(target)
        linkSync(this.#path(target), path)
        return passOver(entry)
      }
      case 'file':
      case 'contiguous-file':
        await saveFile(path, entry)
        this.#own(path, header)
        chmodSync(path, mode)
        utimesSync(path, mtime, mtime)
        return
      case 'fifo':
        execFileSync('mkfifo', ['-m', mode.toString(8), '--', path])
        this.#own(path, header)
        return passOver(entry)
      default:
        this.#o.skipped(header.name)
        return passOver(entry)
    }
  }

  /** Makes what misses; a symlink on the way, which the archive or an earlier copy may have brought, ends it. */
  #parents(parts: readonly string[]): void {
    for (let depth = 1; depth < parts.length; depth++) {
      const path = this.#path(parts.slice(0, depth))
      const stat = lstatSync(path, { throwIfNoEntry: false })
      if (!stat) mkdirSync(path, { mode: 0o755 })
      else if (!stat.isDirectory())
        throw new Error(
          `refused archive entry "${parts.join('/')}": its path leads through ${JSON.stringify(path)}, which is ${stat.isSymbolicLink() ? 'a symlink' : 'no directory'}`,
        )
    }
  }

  #own(path: string, { uid, gid }: Header): void {
    if (this.#o.owners) lchownSync(path, uid, gid)
  }

  #path(parts: readonly string[]): string {
    return `${this.#root}/${parts.join('/')}`
  }
}

function partsOf(name: string): string[] {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..') || name.includes('\0'))
    throw new Error(`refused archive entry ${JSON.stringify(name)}: it leads out of its directory`)
  if (name.includes('\uFFFD'))
    throw new Error(`the name of ${JSON.stringify(name)} is not UTF-8: copy to - and unpack it with tar`)
  return parts
}
