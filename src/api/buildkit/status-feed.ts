import type { Op } from '../../lib/op.ts'
import type { StatusResponse } from './proto/control.ts'
import type { Of } from './proto/message.ts'

export type StatusUpdate = Partial<Of<typeof StatusResponse>>

/** Bytes of output that wait for a listener; what comes beyond is left out. The log of the build's record has it all. */
const maxWaiting = 16 << 20

/**
 * What there is to tell about one build, for any number of listeners. What came before the first one is kept for it;
 * after that, what all have heard is forgotten.
 */
export class StatusFeed {
  #updates: StatusUpdate[] = []
  /** How many were forgotten. */
  #base = 0
  readonly #listeners = new Set<{ next: number }>()
  /** Bytes of output in what is not forgotten. */
  #waiting = 0
  #clipped = false
  #closed = false
  #wake = Promise.withResolvers<void>()

  push(update: StatusUpdate): void {
    const [log] = update.logs ?? []
    if (log && this.#waiting > maxWaiting) {
      if (this.#clipped) return
      this.#clipped = true
      const msg = Buffer.from('[output clipped: it comes faster than the client reads it]\n')
      return this.#add({ logs: [{ ...log, msg }] })
    }
    if (log) this.#clipped = false
    this.#add(update)
  }

  #add(update: StatusUpdate): void {
    this.#updates.push(update)
    this.#waiting += bytesOf(update)
    this.#notify()
  }

  close(): void {
    this.#closed = true
    this.#notify()
  }

  /** Ends when the feed does. What comes in quick succession comes together. */
  async *listen(op: Op): AsyncGenerator<StatusUpdate, void, undefined> {
    const listener = { next: this.#base }
    this.#listeners.add(listener)
    const aborted = new Promise<void>((resolve) =>
      op.signal.addEventListener('abort', () => resolve(), { once: true }),
    )
    try {
      while (!op.signal.aborted) {
        const fresh = this.#updates.slice(listener.next - this.#base)
        listener.next += fresh.length
        this.#forget()
        if (fresh.length > 0) yield merged(fresh)
        else if (this.#closed) return
        else await Promise.race([this.#wake.promise, aborted])
      }
    } finally {
      this.#listeners.delete(listener)
    }
  }

  #notify(): void {
    const { resolve } = this.#wake
    this.#wake = Promise.withResolvers<void>()
    resolve()
  }

  #forget(): void {
    const heard = Math.min(...[...this.#listeners].map(({ next }) => next)) - this.#base
    if (heard === 0) return
    for (const update of this.#updates.slice(0, heard)) this.#waiting -= bytesOf(update)
    this.#updates = this.#updates.slice(heard)
    this.#base += heard
  }
}

function bytesOf({ logs = [] }: StatusUpdate): number {
  return logs.reduce((sum, { msg }) => sum + msg.length, 0)
}

function merged(updates: readonly StatusUpdate[]): StatusUpdate {
  return {
    vertexes: updates.flatMap(({ vertexes }) => vertexes ?? []),
    statuses: updates.flatMap(({ statuses }) => statuses ?? []),
    logs: updates.flatMap(({ logs }) => logs ?? []),
    warnings: updates.flatMap(({ warnings }) => warnings ?? []),
  }
}
