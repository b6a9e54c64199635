import { mkdir, open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { EngineError, hasCode } from '../lib/errors.ts'

/** Directories that are known to be there are remembered up to this number. */
const maxKnown = 100_000

interface Sync {
  readonly running: Promise<void>
  /** For those who came after `running` had begun. */
  next: Promise<void> | undefined
}

/**
 * Directories below a root, made and synced so that what is in them outlives a power failure. Callers who want the same directory
 * synced at the same time share one call: a sync that began after one's change has it.
 */
export class DurableDirectories {
  readonly #root: string
  readonly #known = new Map<string, Promise<void>>()
  readonly #syncs = new Map<string, Sync>()

  constructor(root: string) {
    this.#root = root
  }

  /** Makes the directory and those above it, but for the root. Throws kind `unavailable` when somebody took that away. */
  make(directory: string): Promise<void> {
    if (directory.length <= this.#root.length) return Promise.resolve()
    const known = this.#known.get(directory)
    if (known) return known
    if (this.#known.size >= maxKnown) this.#known.clear()
    const made = this.#make(directory)
    this.#known.set(directory, made)
    made.catch(() => this.#known.delete(directory))
    return made
  }

  /** To be called when the directory may be gone. */
  forget(directory: string): void {
    this.#known.delete(directory)
  }

  sync(directory: string): Promise<void> {
    const current = this.#syncs.get(directory)
    if (!current) return this.#start(directory)
    const start = () => this.#start(directory)
    return (current.next ??= current.running.then(start, start))
  }

  async #make(directory: string): Promise<void> {
    const parent = dirname(directory)
    for (;;) {
      await this.make(parent)
      try {
        await mkdir(directory, { mode: 0o700 }).catch((error: unknown) => {
          if (!hasCode(error, 'EEXIST')) throw error
        })
        // One that is there already may be of a process that was killed before it synced.
        return await this.sync(parent)
      } catch (error) {
        if (!hasCode(error, 'ENOENT')) throw error
        if (parent.length <= this.#root.length)
          throw new EngineError('unavailable', `the directory ${this.#root} is gone`, { cause: error })
        // The parent was removed since it was made.
        this.forget(parent)
      }
    }
  }

  #start(directory: string): Promise<void> {
    const entry: Sync = { running: syncDirectory(directory), next: undefined }
    this.#syncs.set(directory, entry)
    return entry.running.finally(() => {
      if (!entry.next && this.#syncs.get(directory) === entry) this.#syncs.delete(directory)
    })
  }
}

async function syncDirectory(path: string): Promise<void> {
  try {
    await using directory = await open(path, 'r')
    await directory.sync()
  } catch (error) {
    // Removed meanwhile, and with it all that was to be synced.
    if (!hasCode(error, 'ENOENT')) throw error
  }
}
