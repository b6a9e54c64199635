import { statSync } from 'node:fs'
import { kindOf } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import { readCopyState } from './copy-state.ts'
import { dropSurplus, shiftFiles } from './files.ts'
import type { LogSetup } from './setup.ts'

/** Milliseconds between two looks at a log that fills fast. */
const shortest = 20

/** And at one at rest: what it can grow by in this time, at the speed that conmon writes, stays in proportion to its size. */
function longest(maxSize: number): number {
  return Math.min(1_000, Math.max(50, maxSize / 80_000))
}

interface Entry {
  readonly setup: LogSetup
  /** Makes the writer open its log anew. */
  readonly reopen: () => void
  size: number
  seenAt: number
  due: number
  /** There may be more files than there should be. */
  surplus: boolean
}

/**
 * Begins another file when a container's log has its full size. Looks at sizes now and then, the sooner the faster a log grows:
 * watching each write would cost more than all else that the daemon does for a container that talks a lot. A rotation that a daemon did
 * not live to finish is finished by the next look.
 */
export class LogRotation {
  readonly #entries = new Map<string, Entry>()
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #wakesAt = Infinity

  constructor(log: Logger) {
    this.#log = log
  }

  add(id: string, o: { setup: LogSetup; reopen: () => void }): void {
    if (o.setup.discard || o.setup.maxSize === Number.MAX_SAFE_INTEGER) return
    const now = performance.now()
    // The size of before is no growth: the first look takes place at once.
    this.#entries.set(id, { ...o, size: 0, seenAt: now, due: now + shortest, surplus: true })
    this.#schedule(now + shortest)
  }

  remove(id: string): void {
    this.#entries.delete(id)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#entries.clear()
  }

  #schedule(at: number): void {
    if (at >= this.#wakesAt) return
    clearTimeout(this.#timer)
    this.#wakesAt = at
    this.#timer = setTimeout(() => this.#look(), Math.max(1, at - performance.now())).unref()
  }

  #look(): void {
    this.#wakesAt = Infinity
    const now = performance.now()
    let next = Infinity
    for (const [id, entry] of this.#entries) {
      if (entry.due <= now + 1) this.#check(id, entry)
      next = Math.min(next, entry.due)
    }
    if (next < Infinity) this.#schedule(next)
  }

  #check(id: string, entry: Entry): void {
    const now = performance.now()
    const rest = longest(entry.setup.maxSize)
    entry.due = now + rest
    try {
      const size = statSync(entry.setup.path, { throwIfNoEntry: false })?.size
      // Renamed, and the writer was not told: a daemon died in between.
      if (size === undefined) return entry.reopen()
      if (entry.surplus) entry.surplus = this.#drop(entry)
      const growth = Math.max(0, size - entry.size) / Math.max(1, now - entry.seenAt)
      entry.size = size
      entry.seenAt = now
      if (size < entry.setup.maxSize) {
        const left = growth > 0 ? (entry.setup.maxSize - size) / growth / 2 : Infinity
        entry.due = now + Math.min(rest, Math.max(shortest, left))
        return
      }
      shiftFiles(entry.setup.path)
      entry.reopen()
      entry.size = 0
      entry.due = now + shortest
      entry.surplus = true
    } catch (error) {
      // It ended at this moment: its end takes it from the list.
      if (kindOf(error) === 'conflict') return
      this.#log.warn('cannot rotate a log', { id, error })
    }
  }

  /** Not before the writer has turned to the new file: its last lines went to the old one. */
  #drop({ setup }: Entry): boolean {
    const readFrom = setup.copy && readCopyState(setup.path)?.place.inode
    return dropSurplus(setup.path, { maxFiles: setup.maxFiles, readFrom })
  }
}
