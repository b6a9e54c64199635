import { availableParallelism } from 'node:os'
import { extname } from 'node:path'
import { addAbortSignal, Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { EngineError } from '../lib/errors.ts'
import { abortReason, type Op } from '../lib/op.ts'
import { Feed, type Ack, type Session } from './feed.ts'
import type { FromWorker, Job, JobKind, Jobs, ToWorker } from './jobs.ts'

const idleMs = 60_000

/**
 * Writes a job's input. The bytes of a chunk are the pump's own again when `write` returns; a promise that it returns is waited
 * for before the next.
 */
export type Pump = (op: Op, write: (chunk: Buffer) => Promise<void> | undefined) => Promise<void>

type FedJob = 'unpack' | 'receive' | 'extract'

interface Pending {
  resolve(result: unknown): void
  reject(error: Error): void
  /** The worker has taken this many bytes of input. */
  ack(bytes: number, memory: ArrayBuffer): void
  chunk(data: Buffer, read: number | undefined): void
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
  async feed<K extends FedJob>(
    op: Op,
    kind: K,
    o: { input: Jobs[K]['in']; source: Readable },
  ): Promise<Jobs[K]['out']> {
    const { source } = o
    // The loop below reports it; until that runs, an early failure must not count as unhandled.
    source.on('error', () => {})
    try {
      return await this.fill(op, kind, {
        input: o.input,
        pump: async (inner, write) => {
          addAbortSignal(inner.signal, source)
          for await (const chunk of source as AsyncIterable<Buffer>) await write(chunk)
        },
      })
    } finally {
      source.destroy()
    }
  }

  /** Runs a job whose input `pump` writes. The pump is stopped when the job is over before its time. */
  async fill<K extends FedJob>(
    op: Op,
    kind: K,
    o: { input: Jobs[K]['in']; pump: Pump },
  ): Promise<Jobs[K]['out']> {
    op.signal.throwIfAborted()
    const stop = new AbortController()
    const feed = new Feed((ack) => this.#start({ kind, input: o.input } as Job, { ack }))
    const outcome = this.#await<K>(op, feed.session).then(
      (value) => ({ value }),
      (error: Error) => {
        feed.fail(error)
        stop.abort(error)
        return { error }
      },
    )
    try {
      const inner = { ...op, signal: AbortSignal.any([op.signal, stop.signal]) }
      await o.pump(inner, (chunk) => feed.write(chunk))
      feed.end()
    } catch (error) {
      // The job's own failure is the reason why it could not be written to; else the source broke off.
      feed.session.abort(error instanceof Error ? error : new Error(String(error)))
    }
    const settled = await outcome
    if ('error' in settled) throw settled.error
    return settled.value
  }

  /** The output of a job that gives a stream, in chunks with memory of their own. Destroying it stops the job. */
  stream<K extends 'tar' | 'pack'>(
    op: Op,
    kind: K,
    o: { input: Jobs[K]['in']; progress?: (read: number) => void },
  ): Readable {
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
      const chunk = (data: Buffer, read: number | undefined) => {
        if (read !== undefined) o.progress?.(read)
        ready.push(data)
        deliver()
      }
      const started = this.#start({ kind, input: o.input } as Job, { chunk })
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
    const onAbort = () => readable.destroy(abortReason(op.signal))
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
    const onAbort = () => session.abort(abortReason(op.signal))
    op.signal.addEventListener('abort', onAbort, { once: true })
    try {
      // The worker answers a job of kind K with Jobs[K]['out']: both sides are compiled from the same types.
      return (await session.done) as Jobs[K]['out']
    } finally {
      op.signal.removeEventListener('abort', onAbort)
    }
  }

  #start(job: Job, on: { ack?: Ack; chunk?(data: Buffer, read: number | undefined): void }): Session {
    if (this.#closed) throw new EngineError('unavailable', 'the engine is shutting down')
    const id = this.#nextId++
    const thread = this.#pick({ background: background.has(job.kind) })
    const cancel = new SharedArrayBuffer(4)
    const flag = new Int32Array(cancel)
    const send = (message: ToWorker) => {
      if (message.type !== 'chunk') return thread.worker.postMessage(message)
      // Handed over: a Feed made it for this.
      thread.worker.postMessage(message, [message.chunk.buffer as ArrayBuffer])
    }
    let reason: Error | undefined
    const done = new Promise<unknown>((resolve, reject) => {
      thread.jobs.set(id, {
        resolve: (result) => (reason ? reject(reason) : resolve(result)),
        reject: (error) => reject(reason ?? error),
        ack: (bytes, memory) => on.ack?.(bytes, memory),
        chunk: (data, read) => on.chunk?.(data, read),
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
    const worker = new Worker(new URL(`./worker${extname(import.meta.filename)}`, import.meta.url), {
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
        pending.chunk(
          Buffer.from(message.chunk.buffer, message.chunk.byteOffset, message.chunk.length),
          message.read,
        )
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
