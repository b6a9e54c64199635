import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../../lib/log.ts'
import type { LogSetup } from './setup.ts'

export type CopyCommand =
  | { readonly kind: 'copy'; readonly id: string; readonly setup: LogSetup }
  | { readonly kind: 'finish'; readonly id: string }

export type CopyReport =
  | { readonly kind: 'finished'; readonly id: string }
  | { readonly kind: 'failed'; readonly id: string; readonly message: string }

/** How long the end of a container waits for its last lines to be copied. Milliseconds. */
const patience = 5_000

/** The main thread's side of the copy worker: started with the first container whose log goes elsewhere, too. */
export class LogCopies {
  readonly #log: Logger
  #worker: Worker | undefined
  readonly #running = new Map<string, { finished: Promise<void>; finish: () => void; complained: boolean }>()

  constructor(log: Logger) {
    this.#log = log
  }

  add(id: string, setup: LogSetup): void {
    if (!setup.copy || this.#running.has(id)) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running.set(id, { finished: promise, finish: resolve, complained: false })
    this.#start().postMessage({ kind: 'copy', id, setup } satisfies CopyCommand)
  }

  /** The container has ended: resolves when its last line is copied, or its receiver has had its time. */
  async finish(id: string): Promise<void> {
    const running = this.#running.get(id)
    if (!running) return
    this.#start().postMessage({ kind: 'finish', id } satisfies CopyCommand)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#log.warn('the last lines of a log are not where its driver sends them yet', { id })
      resolve()
    }, patience).unref()
    await Promise.race([running.finished, promise])
    clearTimeout(timer)
  }

  /** The next daemon goes on. */
  async close(): Promise<void> {
    for (const { finish } of this.#running.values()) finish()
    this.#running.clear()
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  #start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL(`./copy-worker${extname(import.meta.filename)}`, import.meta.url), {
      // It holds no data but what is under way.
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
    })
    worker.unref()
    worker.on('message', (report: CopyReport) => this.#hear(report))
    worker.on('error', (error) => this.#log.error('the log copy worker failed', { error }))
    worker.once('exit', () => {
      if (this.#worker === worker) this.#worker = undefined
      for (const { finish } of this.#running.values()) finish()
      this.#running.clear()
    })
    this.#worker = worker
    return worker
  }

  #hear(report: CopyReport): void {
    const running = this.#running.get(report.id)
    if (!running) return
    if (report.kind === 'finished') {
      this.#running.delete(report.id)
      running.finish()
      return
    }
    // Once a container: it is tried again and again.
    if (running.complained) return
    running.complained = true
    this.#log.warn('cannot send a log where its driver wants it: trying again', {
      id: report.id,
      reason: report.message,
    })
  }
}
