import { abortReason, type Op } from '../lib/op.ts'

/**
 * Work that several callers want at the same time is done once, by key. It runs until it is done or the last of them has
 * gone; then it is stopped, and the last one waits until nothing of it is left. A latecomer is told the latest news first.
 */
export class SharedWork<K, N, R> {
  readonly #running = new Map<K, Running<N, R>>()

  async join(
    op: Op,
    key: K,
    o: { work: (op: Op, tell: (news: N) => void) => Promise<R>; tell: (news: N) => void },
  ): Promise<R> {
    op.signal.throwIfAborted()
    for (;;) {
      const before = this.#running.get(key)
      if (before && !before.stopping) return await before.wait(op, o.tell)
      // The last one left: what comes next waits for the end of that, and begins anew.
      if (before) await before.ended
      else break
      op.signal.throwIfAborted()
    }
    const running = new Running<N, R>(op, o.work)
    this.#running.set(key, running)
    void running.ended.then(() => {
      if (this.#running.get(key) === running) this.#running.delete(key)
    })
    return await running.wait(op, o.tell)
  }
}

class Running<N, R> {
  readonly #controller = new AbortController()
  readonly #listeners = new Set<(news: N) => void>()
  readonly #outcome: Promise<R>
  readonly ended: Promise<void>
  #latest: { news: N } | undefined
  #waiting = 0

  constructor(op: Op, work: (op: Op, tell: (news: N) => void) => Promise<R>) {
    this.#outcome = work({ log: op.log, signal: this.#controller.signal }, (news) => {
      this.#latest = { news }
      for (const listener of this.#listeners) listener(news)
    })
    this.ended = this.#outcome.then(
      () => undefined,
      () => undefined,
    )
  }

  get stopping(): boolean {
    return this.#controller.signal.aborted
  }

  async wait(op: Op, tell: (news: N) => void): Promise<R> {
    if (this.#latest) tell(this.#latest.news)
    this.#listeners.add(tell)
    this.#waiting++
    const gone = Promise.withResolvers<never>()
    const onAbort = () => gone.reject(abortReason(op.signal))
    op.signal.addEventListener('abort', onAbort, { once: true })
    if (op.signal.aborted) onAbort()
    try {
      return await Promise.race([this.#outcome, gone.promise])
    } finally {
      op.signal.removeEventListener('abort', onAbort)
      this.#listeners.delete(tell)
      if (--this.#waiting === 0) {
        this.#controller.abort(new DOMException('nobody waits for it any more', 'AbortError'))
        await this.ended
      }
    }
  }
}
