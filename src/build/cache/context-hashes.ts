import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf, hexOf } from '../../lib/digest.ts'
import { hasCode } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { CacheItem, CacheShelf } from './item.ts'

/** The hash indexes of build contexts: one file for each directory that builds have read. */
export class ContextHashes implements CacheShelf {
  readonly #root: string

  constructor(root: string) {
    this.#root = root
  }

  /** The index of a directory; `context/hash-index.ts` reads and writes it. */
  file(directory: string): string {
    return join(this.#root, `${hexOf(digestOf(directory)).slice(0, 25)}.json`)
  }

  async items(): Promise<CacheItem[]> {
    const items = (await this.#names()).map(async (name): Promise<CacheItem | undefined> => {
      const found = await ignoreGone(stat(join(this.#root, name)))
      return (
        found && {
          id: name.replace(/\.json$/, ''),
          type: 'source.local',
          description: 'file hashes of a build context',
          parents: [],
          inUse: false,
          shared: false,
          mutable: true,
          bytes: found.size,
          createdAt: found.birthtime.toISOString(),
          lastUsedAt: found.mtime.toISOString(),
          // How often nobody has counted: once at least.
          usageCount: 1,
        }
      )
    })
    return (await Promise.all(items)).filter((item) => item !== undefined)
  }

  async remove(_op: Op, id: string): Promise<number | undefined> {
    const file = join(this.#root, `${id}.json`)
    if (!(await this.#names()).includes(`${id}.json`)) return undefined
    const found = await ignoreGone(stat(file))
    await rm(file, { force: true })
    return found?.size
  }

  async #names(): Promise<string[]> {
    const names = (await ignoreGone(readdir(this.#root))) ?? []
    return names.filter((name) => /^[0-9a-f]+\.json$/.test(name))
  }
}

async function ignoreGone<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
