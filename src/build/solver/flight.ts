import type { Op } from '../../lib/op.ts'
import type { Io, Outcome } from './vertex.ts'

/** Characters of output kept for latecomers. */
const maxReplay = 1 << 20

/**
 * One piece of work that any number of builds wait for. It runs until it is done or the last of them has gone;
 * a latecomer is told what was said before, the newest of it when that was much.
 */
export class Flight<R> {
  readonly #controller = new AbortController()
  readonly #said: { say: (io: Io) => void; size: number }[] = []
  #saidSize = 0
  readonly #listeners = new Set<Io>()
  readonly #outcome: Promise<Outcome<R>>
  #waiting = 0

  constructor(op: Op, work: (op: Op, io: Io) => Promise<Outcome<R>>) {
    const io: Io = {
      log: (stream, data) => this.#tell((to) => to.log(stream, data), data.length),
      status: (text) => {
        const ends = new Map<Io, () => void>()
        this.#tell((to) => void ends.set(to, to.status(text)), 0)
        return () => {
          for (const end of ends.values()) end()
        }
      },
    }
    this.#outcome = work({ log: op.log, signal: this.#controller.signal }, io)
    // Whoever waits handles the failure; nobody may be left when it comes.
    this.#outcome.catch(() => undefined)
  }

  /** Resolves when the work is over, whichever way. */
  get ended(): Promise<void> {
    return this.#outcome.then(
      () => undefined,
      () => undefined,
    )
  }

  /** False once the last waiter left: its work is being undone. */
  get joinable(): boolean {
    return !this.#controller.signal.aborted
  }

  /** Waits for the outcome. The last one to give up stops the work and waits until nothing of it is left. */
  async join(op: Op, io: Io): Promise<Outcome<R>> {
    for (const { say } of this.#said) say(io)
    this.#listeners.add(io)
    this.#waiting++
    let onAbort = () => {}
    const gone = new Promise<'gone'>((resolve) => {
      onAbort = () => resolve('gone')
      if (op.signal.aborted) onAbort()
      else op.signal.addEventListener('abort', onAbort, { once: true })
    })
    try {
      const first = await Promise.race([this.#outcome, gone])
      if (first !== 'gone') return first
      if (this.#waiting === 1) {
        this.#controller.abort(op.signal.reason)
        await this.#outcome.catch(() => undefined)
      }
      throw op.signal.reason
    } finally {
      op.signal.removeEventListener('abort', onAbort)
      this.#waiting--
      this.#listeners.delete(io)
    }
  }

  #tell(say: (io: Io) => void, size: number): void {
    this.#said.push({ say, size })
    this.#saidSize += size
    while (this.#saidSize > maxReplay) this.#saidSize -= this.#said.shift()?.size ?? this.#saidSize
    for (const io of this.#listeners) say(io)
  }
}
