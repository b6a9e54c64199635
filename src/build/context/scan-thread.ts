import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import { decodeEntries } from './entry-text.ts'
import type { Scan, ScanRequest, SourceMatch } from './scan.ts'
import type { ScanAnswer, ScanJob } from './scan-worker.ts'

interface Waiter {
  resolve(scan: Scan): void
  reject(error: Error): void
}

/** The one thread that walks trees for builds. Starts with the first job and does not keep the process alive. */
export class ScanThread {
  #worker: Worker | undefined
  readonly #waiters = new Map<number, Waiter>()
  #next = 1

  async scan(op: Op, request: ScanRequest, o: { indexFile?: string } = {}): Promise<Scan> {
    op.signal.throwIfAborted()
    const cancel = new SharedArrayBuffer(4)
    const onAbort = () => void Atomics.store(new Int32Array(cancel), 0, 1)
    op.signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await this.#post({ ...request, ...o, id: this.#next++, cancel })
    } catch (error) {
      op.signal.throwIfAborted()
      throw error
    } finally {
      op.signal.removeEventListener('abort', onAbort)
    }
  }

  async close(): Promise<void> {
    await this.#worker?.terminate()
    this.#worker = undefined
  }

  #post(job: ScanJob): Promise<Scan> {
    const worker = (this.#worker ??= this.#start())
    return new Promise((resolve, reject) => {
      this.#waiters.set(job.id, { resolve, reject })
      worker.ref()
      worker.postMessage(job)
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL(`./scan-worker${extname(import.meta.filename)}`, import.meta.url))
    worker.on('message', (answer: ScanAnswer) => this.#answered(answer))
    const died = (error: Error) => {
      if (this.#worker === worker) this.#worker = undefined
      for (const waiter of this.#waiters.values()) waiter.reject(error)
      this.#waiters.clear()
    }
    worker.on('error', died)
    worker.on('exit', () => died(new EngineError('internal', 'the thread that reads build contexts ended')))
    return worker
  }

  #answered(answer: ScanAnswer): void {
    const waiter = this.#waiters.get(answer.id)
    this.#waiters.delete(answer.id)
    if (this.#waiters.size === 0) this.#worker?.unref()
    if (!waiter) return
    if (answer.error) {
      const { kind, message, code } = answer.error
      waiter.reject(
        new EngineError(kind, `failed to read build context: ${message}`, {
          cause: Object.assign(new Error(message), { code }),
        }),
      )
      return
    }
    // Our own worker wrote it: see ScanAnswer.
    const sources = JSON.parse(answer.sources ?? '[]') as SourceMatch[]
    waiter.resolve({ entries: decodeEntries(answer.entries ?? ''), sources })
  }
}
