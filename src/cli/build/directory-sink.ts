import { extract } from 'tar-stream'
import { EngineError } from '../../lib/errors.ts'
import { drained, entriesOf, passOver, saveFile, type TarEntry } from '../tar/tar-entries.ts'
import type { ClientSink } from './file-sink.ts'

const {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} = process.getBuiltinModule('node:fs')
const { join } = process.getBuiltinModule('node:path')

/**
 * The files of a tar in a directory, over what is there, owned by whoever runs us. They are written aside and moved in
 * when all have come: a build that fails in the end has changed nothing. `skipped` is told what cannot be made.
 */
export function directorySink(path: string, skipped: (name: string) => void): ClientSink {
  mkdirSync(path, { recursive: true })
  const aside = mkdtempSync(join(path, '.gantry-output-'))
  const tree = new NewTree(aside, skipped)
  const parser = extract()
  let failure: Error | undefined
  const unpacked = (async () => {
    for await (const entry of entriesOf(parser)) await tree.add(entry)
  })().catch((error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error))
    parser.destroy(new Error('given up'))
  })
  const check = () => {
    if (failure) throw failure
  }
  return {
    async write(data) {
      check()
      // It takes no harm from what is written after its end by failure; the next write reports that.
      if (!parser.write(data)) await Promise.race([drained(parser), unpacked])
      check()
    },
    async end() {
      parser.end(() => {})
      await unpacked
      check()
      moveInto(aside, path)
      tree.finish(path)
    },
    [Symbol.dispose]: () => rmSync(aside, { recursive: true, force: true }),
  }
}

/** A tree that grows below a directory of our own; nothing in it is reached through a link. */
class NewTree {
  readonly #root: string
  readonly #skipped: (name: string) => void
  readonly #directories = new Map<string, { mode: number; mtime: Date }>()
  readonly #files = new Set<string>()

  constructor(root: string, skipped: (name: string) => void) {
    this.#root = root
    this.#skipped = skipped
  }

  async add(entry: TarEntry): Promise<void> {
    const { header } = entry
    const name = cleanName(header.name)
    const mode = (header.mode ?? 0o644) & 0o7777
    const mtime = header.mtime ?? new Date()
    if (name === '') return passOver(entry)
    const parent = name.slice(0, Math.max(0, name.lastIndexOf('/')))
    if (parent !== '' && !this.#directories.has(parent))
      throw new EngineError('invalid', `output entry ${JSON.stringify(name)} comes without its directory`)
    const path = join(this.#root, name)
    switch (header.type) {
      case 'directory':
        mkdirSync(path, { mode: 0o700 })
        this.#directories.set(name, { mode, mtime })
        return passOver(entry)
      case 'symlink':
        symlinkSync(header.linkname ?? '', path)
        lutimesSync(path, mtime, mtime)
        return passOver(entry)
      case 'link': {
        const target = cleanName(header.linkname ?? '')
        if (!this.#files.has(target))
          throw new EngineError('invalid', `output entry ${JSON.stringify(name)} links to what has not come`)
        linkSync(join(this.#root, target), path)
        this.#files.add(name)
        return passOver(entry)
      }
      case 'file':
      case 'contiguous-file':
        await saveFile(path, entry)
        chmodSync(path, mode)
        utimesSync(path, mtime, mtime)
        this.#files.add(name)
        return
      default:
        this.#skipped(name)
        return passOver(entry)
    }
  }

  /** Directories get mode and time last: before, they were written in. */
  finish(place: string): void {
    for (const [name, { mode, mtime }] of [...this.#directories].toReversed()) {
      const path = join(place, name)
      chmodSync(path, mode)
      utimesSync(path, mtime, mtime)
    }
  }
}

function cleanName(name: string): string {
  const parts = name.split('/').filter((part) => part !== '' && part !== '.')
  if (parts.includes('..') || name.includes('\0'))
    throw new EngineError('invalid', `output entry ${JSON.stringify(name)} leads out of its directory`)
  return parts.join('/')
}

/** Moves everything in `from` to `to`, into directories that are there, in place of all else. Links are never followed. */
function moveInto(from: string, to: string): void {
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const source = join(from, entry.name)
    const target = join(to, entry.name)
    const there = lstatSync(target, { throwIfNoEntry: false })
    if (entry.isDirectory() && there?.isDirectory()) {
      moveInto(source, target)
      continue
    }
    // As BuildKit: what is of another kind makes way.
    if (there?.isDirectory() || (there && entry.isDirectory()))
      rmSync(target, { recursive: true, force: true })
    renameSync(source, target)
  }
}
