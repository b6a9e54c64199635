import { readFileSync, rmSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { RootDir } from '../../host/root-dir.ts'
import { digestOf, hexOf } from '../../lib/digest.ts'
import { hasCode } from '../../lib/errors.ts'
import { newId } from '../../lib/id.ts'
import type { Op } from '../../lib/op.ts'
import type { CacheItem, CacheShelf } from '../cache/item.ts'
import type { Scan } from './scan.ts'
import { TreeSync } from './tree-sync.ts'

/** A copy of a client’s directory, for the time of one build. */
export interface KeptContext extends AsyncDisposable {
  /** Absolute path of the copy. */
  readonly root: string
  /** It stays when the build has ended. */
  readonly stays: boolean
  /** Brings it up to date: `work` lists the entries. A failure leaves nothing that counts the next time. */
  sync<T>(work: (tree: TreeSync) => Promise<T>): Promise<T>
  /** A scan of the copy, made when it changed or another one (by `key`) is wanted: nobody else writes there. */
  scan(key: string, make: () => Promise<Scan>): Promise<Scan>
}

/** How many scans are remembered. */
const maxScans = 4

/**
 * Build contexts that clients sent, kept by name so that only changes travel the next time. A copy is used by one build
 * at a time; a second one at once, and one without a name, gets a copy that goes with the build.
 */
export class KeptContexts implements CacheShelf {
  readonly #root: string
  readonly #used = new Set<string>()
  /** The last scan of each copy since it changed, by its name. */
  readonly #scans = new Map<string, { key: string; scan: Scan }>()

  private constructor(root: string) {
    this.#root = root
  }

  static async open(root: string): Promise<KeptContexts> {
    await mkdir(root, { recursive: true, mode: 0o700 })
    const contexts = new KeptContexts(root)
    for (const name of await readdir(root)) if (!isKept(name)) await contexts.#remove(name)
    return contexts
  }

  async borrow(key: string | undefined): Promise<KeptContext> {
    const kept = key === undefined ? undefined : hexOf(digestOf(key)).slice(0, 25)
    const name = kept === undefined || this.#used.has(kept) ? `once-${newId().slice(0, 12)}` : kept
    this.#used.add(name)
    const home = join(this.#root, name)
    const release = async () => {
      try {
        const now = new Date()
        if (isKept(name)) await utimes(home, now, now)
        else await this.#remove(name)
      } finally {
        this.#used.delete(name)
      }
    }
    try {
      await mkdir(join(home, 'fs'), { recursive: true, mode: 0o700 })
    } catch (error) {
      this.#used.delete(name)
      throw error
    }
    return {
      root: join(home, 'fs'),
      stays: isKept(name),
      sync: (work) => sync(home, work, () => this.#scans.delete(name)),
      scan: (key, make) => this.#scan(name, key, make),
      [Symbol.asyncDispose]: release,
    }
  }

  async items(): Promise<CacheItem[]> {
    const names = (await readdir(this.#root)).filter(isKept)
    return await Promise.all(
      names.map(async (name): Promise<CacheItem> => {
        const home = join(this.#root, name)
        const { birthtime, mtime } = await stat(home)
        return {
          id: name,
          type: 'source.local',
          description: 'files of a build context that a client sent',
          parents: [],
          inUse: this.#used.has(name),
          shared: false,
          mutable: true,
          bytes: await sizeOf(home),
          createdAt: birthtime.toISOString(),
          lastUsedAt: mtime.toISOString(),
          usageCount: 1,
        }
      }),
    )
  }

  async remove(_op: Op, id: string): Promise<number | undefined> {
    if (!isKept(id) || this.#used.has(id) || !(await readdir(this.#root)).includes(id)) return undefined
    // Nobody may borrow it meanwhile.
    this.#used.add(id)
    try {
      const bytes = await sizeOf(join(this.#root, id))
      await this.#remove(id)
      return bytes
    } finally {
      this.#used.delete(id)
    }
  }

  async #scan(name: string, key: string, make: () => Promise<Scan>): Promise<Scan> {
    const known = this.#scans.get(name)
    if (known?.key === key) return known.scan
    const scan = await make()
    this.#scans.delete(name)
    this.#scans.set(name, { key, scan })
    const [oldest] = this.#scans.keys()
    if (this.#scans.size > maxScans && oldest !== undefined) this.#scans.delete(oldest)
    return scan
  }

  async #remove(name: string): Promise<void> {
    this.#scans.delete(name)
    await rm(join(this.#root, name), { recursive: true, force: true })
  }
}

const isKept = (name: string) => /^[0-9a-f]{25}$/.test(name)

async function sync<T>(home: string, work: (tree: TreeSync) => Promise<T>, onChange: () => void): Promise<T> {
  const indexFile = join(home, 'index.json')
  const known = await readIndex(indexFile)
  using root = RootDir.open(join(home, 'fs'), { symlinks: false, cache: true })
  // Without an index nothing that is there counts: a transfer that breaks off leaves it so.
  const change = () => {
    rmSync(indexFile, { force: true })
    onChange()
  }
  if (known.size === 0) {
    change()
    for (const name of root.listBytes('.')) root.removeAll(name)
  }
  const tree = new TreeSync(root, { known, onChange: change })
  try {
    const result = await work(tree)
    tree.finish()
    if (tree.changed) {
      await writeFile(join(home, 'size'), String(tree.bytes))
      await writeFile(indexFile, JSON.stringify({ bootId: bootId(), entries: [...known] }))
    }
    return result
  } finally {
    tree.abandon()
  }
}

/** Nothing is synced to the disk: what was written before the machine went down may be there or not. */
const bootId = () => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()

async function readIndex(path: string): Promise<Map<string, string>> {
  try {
    // Our own file: a broken one counts as none.
    const index = JSON.parse(await readFile(path, 'utf8')) as { bootId: string; entries: [string, string][] }
    if (index.bootId === bootId()) return new Map(index.entries)
  } catch (error) {
    if (!hasCode(error, 'ENOENT') && !(error instanceof SyntaxError)) throw error
  }
  return new Map()
}

/** As the last transfer that was whole told it. */
async function sizeOf(home: string): Promise<number> {
  try {
    return Number(await readFile(join(home, 'size'), 'utf8'))
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return 0
    throw error
  }
}
