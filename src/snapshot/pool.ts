import { availableParallelism } from 'node:os'
import { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { EngineError } from '../lib/errors.ts'
import type { Op } from '../lib/op.ts'
import { windowSize, type FromWorker, type Job, type JobKind, type Jobs, type ToWorker } from './jobs.ts'

const idleMs = 60_000
const batchSize = 1 << 18

interface Session {
  readonly id: number
  readonly done: Promise<unknown>
  send(message: ToWorker): void
  /** Makes `done` reject with this, once the worker has stopped. */
  abort(error: Error): void
}

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
  /** The worker has taken this many bytes of input. */
  ack(bytes: number, memory?: ArrayBuffer): void
  chunk(data: Buffer): void
}

/** What nobody waits for, and what may take long on a busy disk: in a thread of its own, in nobody's way. */
const background: ReadonlySet<JobKind> = new Set(['remove', 'sync'])

interface Thread {
  readonly worker: Worker
  readonly background: boolean
  readonly jobs: Map<number, Pending>
  idle: NodeJS.Timeout | undefined
}

/**
 * A few worker threads, started when there is work and stopped when there has been none for a minute. They do not
 * keep the process alive once their work is done.
 */
export class Pool {
  readonly #threads = new Set<Thread>()
  readonly #max = Math.max(2, Math.min(4, availableParallelism()))
  #nextId = 1
  #closed = false

  /** Runs a job without streams. An abort makes it stop at its next entry and rejects with the signal's reason. */
  async run<K extends JobKind>(op: Op, kind: K, input: Jobs[K]['in']): Promise<Jobs[K]['out']> {
    op.signal.throwIfAborted()
    const session = this.#start({ kind, input } as Job, {})
    return this.#await<K>(op, session)
  }

  /** Runs a job that takes a stream. The source is destroyed in any case. */
  async feed<K extends 'unpack' | 'receive' | 'extract'>(
    op: Op,
    kind: K,
    o: { input: Jobs[K]['in']; source: Readable },
  ): Promise<Jobs[K]['out']> {
    // The loop below reports it; until that runs, an early failure must not count as unhandled.
    o.source.on('error', () => {})
    const spare: ArrayBuffer[] = []
    let inFlight = 0
    let wake: (() => void) | undefined
    let ended = false
    const rouse = () => wake?.()
    try {
      op.signal.throwIfAborted()
      const session = this.#start({ kind, input: o.input } as Job, {
        ack(bytes, memory) {
          if (memory?.byteLength === batchSize) spare.push(memory)
          inFlight -= bytes
          rouse()
        },
      })
      const result = this.#await<K>(op, session)
      const stop = () => {
        ended = true
        rouse()
        o.source.destroy()
      }
      const outcome = result.then(
        (value) => ({ value }),
        (error: unknown) => (stop(), { error }),
      )
      try {
        for await (const chunk of batches(o.source as AsyncIterable<Buffer>, spare)) {
          if (ended) break
          session.send({ type: 'chunk', id: session.id, chunk })
          inFlight += chunk.length
          while (inFlight > windowSize && !ended) await new Promise<void>((resolve) => (wake = resolve))
        }
        if (!ended) session.send({ type: 'end', id: session.id })
      } catch (error) {
        // The job's own failure, which made us destroy the source, is the reason; else the source broke off.
        if (!ended) session.abort(error instanceof Error ? error : new Error(String(error)))
      }
      const settled = await outcome
      if ('error' in settled) throw settled.error
      return settled.value
    } finally {
      o.source.destroy()
    }
  }

  /** The output of a job that gives a stream. Destroying it stops the job. */
  stream(op: Op, input: Jobs['tar']['in']): Readable {
    const ready: Buffer[] = []
    let session: Session | undefined
    let wanted = false
    let over = false
    const deliver = () => {
      while (wanted) {
        const chunk = ready.shift()
        if (!chunk) break
        session?.send({ type: 'credit', id: session.id, bytes: chunk.length })
        wanted = readable.push(chunk)
      }
      if (over && ready.length === 0) readable.push(null)
    }
    const begin = (): Session => {
      const on = { chunk: (data: Buffer) => (ready.push(data), deliver()) }
      const started = this.#start({ kind: 'tar', input }, on)
      // The worker has a window's worth of credit to begin with: this only wakes it.
      started.send({ type: 'credit', id: started.id, bytes: 0 })
      started.done.then(
        () => ((over = true), deliver()),
        (error: Error) => ((over = true), readable.destroy(error)),
      )
      return started
    }
    const readable = new Readable({
      highWaterMark: 1 << 20,
      read() {
        wanted = true
        session ??= begin()
        deliver()
      },
      destroy(error, callback) {
        op.signal.removeEventListener('abort', onAbort)
        if (session && !over) session.abort(new Error('nobody reads the stream'))
        callback(error)
      },
    })
    const onAbort = () => readable.destroy(reasonOf(op))
    if (op.signal.aborted) onAbort()
    else op.signal.addEventListener('abort', onAbort, { once: true })
    return readable
  }

  /** Stops the threads; what they were doing fails. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#threads].map((thread) => this.#stop(thread)))
  }

  async #await<K extends JobKind>(op: Op, session: Session): Promise<Jobs[K]['out']> {
    const onAbort = () => session.abort(reasonOf(op))
    op.signal.addEventListener('abort', onAbort, { once: true })
    try {
      // The worker answers a job of kind K with Jobs[K]['out']: both sides are compiled from the same types.
      return (await session.done) as Jobs[K]['out']
    } finally {
      op.signal.removeEventListener('abort', onAbort)
    }
  }

  #start(
    job: Job,
    on: { ack?(bytes: number, memory?: ArrayBuffer): void; chunk?(data: Buffer): void },
  ): Session {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down')
    const id = this.#nextId++
    const thread = this.#pick({ background: background.has(job.kind) })
    const cancel = new SharedArrayBuffer(4)
    const flag = new Int32Array(cancel)
    const send = (message: ToWorker) => {
      if (message.type !== 'chunk') return thread.worker.postMessage(message)
      // Handed over; `batches` made it for this.
      thread.worker.postMessage(message, [message.chunk.buffer as ArrayBuffer])
    }
    let reason: Error | undefined
    const done = new Promise<unknown>((resolve, reject) => {
      thread.jobs.set(id, {
        resolve: (result) => (reason ? reject(reason) : resolve(result)),
        reject: (error) => reject(reason ?? error),
        ack: (bytes, memory) => on.ack?.(bytes, memory),
        chunk: (data) => on.chunk?.(data),
      })
    })
    send({ type: 'start', id, job, cancel })
    // Settles when the worker has let go of the files, so that they can be cleaned up.
    const abort = (error: Error) => {
      reason ??= error
      Atomics.store(flag, 0, 1)
      send({ type: 'abort', id })
    }
    return { id, send, done, abort }
  }

  #pick(o: { background: boolean }): Thread {
    const threads = [...this.#threads].filter((thread) => thread.background === o.background)
    const max = o.background ? 1 : this.#max
    const [best] = threads.toSorted((a, b) => a.jobs.size - b.jobs.size)
    const thread = best && (best.jobs.size === 0 || threads.length >= max) ? best : this.#spawn(o)
    clearTimeout(thread.idle)
    thread.idle = undefined
    thread.worker.ref()
    return thread
  }

  #spawn(o: { background: boolean }): Thread {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js'
    const worker = new Worker(new URL(file, import.meta.url), {
      name: 'gantry-files',
      // Most descriptors there come from openat2, which Node does not know of.
      trackUnmanagedFds: false,
    })
    const thread: Thread = { worker, background: o.background, jobs: new Map(), idle: undefined }
    this.#threads.add(thread)
    const fail = (error: Error) => {
      this.#threads.delete(thread)
      clearTimeout(thread.idle)
      for (const pending of thread.jobs.values()) pending.reject(error)
      thread.jobs.clear()
    }
    worker.on('message', (message: FromWorker) => this.#receive(thread, message))
    worker.on('error', (cause) => fail(new EngineError('internal', 'a file worker crashed', { cause })))
    worker.on('exit', () => fail(new EngineError('internal', 'a file worker was stopped')))
    return thread
  }

  #receive(thread: Thread, message: FromWorker): void {
    const pending = thread.jobs.get(message.id)
    if (!pending) return
    switch (message.type) {
      case 'ack':
        pending.ack(message.bytes, message.memory)
        return
      case 'chunk':
        pending.chunk(Buffer.from(message.chunk.buffer, message.chunk.byteOffset, message.chunk.length))
        return
      case 'done':
        this.#finished(thread, message.id)
        pending.resolve(message.result)
        return
      case 'failed': {
        this.#finished(thread, message.id)
        const { kind, message: text, code, stack } = message.failure
        const cause = Object.assign(new Error(text), { ...(code && { code }), ...(stack && { stack }) })
        pending.reject(new EngineError(kind, text, { cause }))
      }
    }
  }

  #finished(thread: Thread, id: number): void {
    thread.jobs.delete(id)
    if (thread.jobs.size > 0) return
    thread.worker.unref()
    clearTimeout(thread.idle)
    thread.idle = setTimeout(() => void this.#stop(thread), idleMs).unref()
  }

  async #stop(thread: Thread): Promise<void> {
    this.#threads.delete(thread)
    clearTimeout(thread.idle)
    await thread.worker.terminate()
  }
}

/** Few messages in place of many, each with memory of its own that can be handed over; `spare` comes from earlier ones. */
async function* batches(source: AsyncIterable<Buffer>, spare: ArrayBuffer[]): AsyncGenerator<Buffer> {
  const next = () => {
    const memory = spare.pop()
    return memory ? Buffer.from(memory) : Buffer.allocUnsafeSlow(batchSize)
  }
  let batch = next()
  let used = 0
  for await (const chunk of source) {
    for (let taken = 0; taken < chunk.length;) {
      const count = chunk.copy(batch, used, taken)
      taken += count
      used += count
      if (used < batchSize) continue
      yield batch
      batch = next()
      used = 0
    }
  }
  // What is left has memory of just its size.
  if (used > 0) yield Buffer.from(new Uint8Array(batch.subarray(0, used)).buffer)
}

function reasonOf(op: Op): Error {
  return op.signal.reason instanceof Error ? op.signal.reason : new Error('aborted')
}
