import { readFile, stat } from 'node:fs/promises'
import { EngineError, messageOf } from './errors.ts'
import type { Op } from './op.ts'

/** How long a look at the file counts. Milliseconds. */
const lookEvery = 1000

/**
 * What a file says, read again when it has changed: an edit counts without a restart. While a changed file cannot be read or
 * understood, its last good content counts, and the log says so once for each change.
 */
export class ReloadedFile<T> {
  readonly path: string
  readonly #decode: (text: string) => T | Promise<T>
  #content: T
  /** Tells one content of the file from the next. */
  #stamp: string
  #lookedAt = performance.now()

  private constructor(
    path: string,
    o: { decode: (text: string) => T | Promise<T>; content: T; stamp: string },
  ) {
    this.path = path
    this.#decode = o.decode
    this.#content = o.content
    this.#stamp = o.stamp
  }

  /** Throws kind `invalid` when the file cannot be read or understood. */
  static async open<T>(path: string, decode: (text: string) => T | Promise<T>): Promise<ReloadedFile<T>> {
    try {
      const stamp = await stampOf(path)
      return new ReloadedFile(path, { decode, content: await decode(await readFile(path, 'utf8')), stamp })
    } catch (cause) {
      throw new EngineError('invalid', `Cannot read ${path}: ${messageOf(cause)}`, { cause })
    }
  }

  /** The content as of at most a second ago. */
  async current(op: Op): Promise<T> {
    if (performance.now() - this.#lookedAt > lookEvery) await this.reload(op)
    return this.#content
  }

  /** Looks at the file now. */
  async reload(op: Op): Promise<void> {
    this.#lookedAt = performance.now()
    const stamp = await stampOf(this.path)
    if (stamp === this.#stamp) return
    this.#stamp = stamp
    try {
      this.#content = await this.#decode(await readFile(this.path, 'utf8'))
      op.log.info('read a changed file', { path: this.path })
    } catch (error) {
      op.log.error('a changed file is no good: its last good content counts', { path: this.path, error })
    }
  }
}

async function stampOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs } = await stat(path, { bigint: true })
    return `${ino} ${size} ${mtimeNs}`
  } catch (error) {
    return messageOf(error)
  }
}
