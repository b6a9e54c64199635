/** Several logs as one, in order of time. */
import type { LogLine } from './log-lines.ts'

/**
 * Takes from each source the line that was written first, as many at once as are known to come next. A source is read on when its
 * lines are used up, so that no more than a piece of each is held.
 */
export async function* mergeLogs<K>(
  sources: ReadonlyMap<K, AsyncIterable<readonly LogLine[]>>,
): AsyncGenerator<readonly (readonly [K, LogLine])[]> {
  const open = new Set<Cursor<K>>()
  try {
    await Promise.all(
      Array.from(sources, async ([key, source]) => {
        const cursor = new Cursor(key, source)
        open.add(cursor)
        if (!(await cursor.fill())) open.delete(cursor)
      }),
    )
    while (open.size > 0) {
      const batch: (readonly [K, LogLine])[] = []
      let first = earliest(open)
      for (; first?.line; first = earliest(open)) {
        batch.push([first.key, first.next()])
        if (!first.line) break
      }
      yield batch
      if (first && !(await first.fill())) open.delete(first)
    }
  } finally {
    await Promise.all([...open].map((cursor) => cursor.close()))
  }
}

class Cursor<K> {
  readonly key: K
  readonly #source: AsyncIterator<readonly LogLine[]>
  #lines: readonly LogLine[] = []
  #at = 0

  constructor(key: K, source: AsyncIterable<readonly LogLine[]>) {
    this.key = key
    this.#source = source[Symbol.asyncIterator]()
  }

  get line(): LogLine | undefined {
    return this.#lines[this.#at]
  }

  next(): LogLine {
    const line = this.#lines[this.#at++]
    if (!line) throw new Error('a log was read beyond what has come of it')
    return line
  }

  /** False when the source has ended. */
  async fill(): Promise<boolean> {
    while (!this.line) {
      const { done, value } = await this.#source.next()
      if (done === true) return false
      this.#lines = value
      this.#at = 0
    }
    return true
  }

  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

/** Times are of one form and one zone; those of equal time keep the order of their sources. */
function earliest<K>(open: Iterable<Cursor<K>>): Cursor<K> | undefined {
  let first: Cursor<K> | undefined
  for (const cursor of open)
    if (!first || (cursor.line?.time ?? '') < (first.line?.time ?? '')) first = cursor
  return first
}
