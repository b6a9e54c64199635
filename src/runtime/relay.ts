import { closeSync, writeSync } from 'node:fs'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { pipe } from '../host/pipe.ts'
import { duplicateFd, socketPair } from '../host/socket.ts'
import { isAbort } from '../lib/errors.ts'
import type { Logger } from '../lib/log.ts'
import { RelayStream } from './relay-stream.ts'

/** Descriptors belong to the worker from then on; all are non-blocking. */
export interface RelaySession {
  readonly id: number
  /** The worker's end of the socket pair. */
  readonly client: number
  readonly sources: readonly {
    readonly fd: number
    readonly stream: 1 | 2
    readonly kind: 'bytes' | 'packets'
  }[]
  readonly stdin?: { readonly fd: number; readonly kind: 'bytes' | 'packets' }
  /** Docker's headers before each chunk. */
  readonly framed: boolean
  readonly stdout: boolean
  readonly stderr: boolean
  /** `drain` reads on and drops, so that the process never stands still; `detach` closes the sources. */
  readonly whenClientGone: 'drain' | 'detach'
}

export type RelayCommand =
  | { readonly op: 'open'; readonly session: RelaySession }
  | { readonly op: 'finish'; readonly id: number }
  /** Output is to go to the client's connection, a descriptor of the worker's own, … */
  | { readonly op: 'move'; readonly id: number; readonly connection: number }
  /** … and now it may: what went through the main thread is there. */
  | { readonly op: 'moved'; readonly id: number }
  | { readonly op: 'stop' }

/** What the worker says of a session that moves: how many bytes the main thread has to pass on before. */
export interface RelayReport {
  readonly id: number
  readonly total: number
}

/** How long a reader who has seen the end of the output may keep the stream half open. Milliseconds. */
const closeGrace = 5_000

/** The main thread's side of the relay worker: one worker for all sessions, started with the first. */
export class Relay {
  readonly #log: Logger
  #worker: { thread: Worker; control: number; ended: Promise<void> } | undefined
  readonly #streams = new Map<number, RelayStream>()
  #nextId = 1

  constructor(log: Logger) {
    this.#log = log
  }

  /** Starts the worker ahead of its first session (it takes about 30 ms). */
  start(): void {
    if (this.#worker) return
    const { read, write } = pipe()
    const thread = new Worker(new URL(`./relay-worker${extname(import.meta.filename)}`, import.meta.url), {
      name: 'gantry-relay',
      workerData: { control: read },
      // It holds no data but what is under way.
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 },
    })
    thread.on('message', ({ id, total }: RelayReport) => this.#streams.get(id)?.moveAfter(total))
    thread.unref()
    // The thread is blocked in a system call: without this, exit() would wait for it for ever.
    const onExit = () => this.#send({ op: 'stop' })
    process.once('exit', onExit)
    const ended = new Promise<void>((resolve) => {
      thread.once('error', (error) => this.#log.error('the relay worker failed', { error }))
      thread.once('exit', () => {
        process.off('exit', onExit)
        closeSync(read)
        closeSync(write)
        if (this.#worker?.thread === thread) this.#worker = undefined
        resolve()
      })
    })
    this.#worker = { thread, control: write, ended }
  }

  /**
   * A stream of the session's output, whose writable side is the process's input: `end()` closes that, `destroy()` leaves.
   * 'end' comes after the last byte of output. `finish` does not wait for the output's end beyond what is there. `whenLoud` is called
   * once, when much has passed.
   */
  open({ whenLoud, ...o }: Omit<RelaySession, 'id' | 'client'> & { whenLoud?: () => void }): {
    stream: RelayStream
    finish: () => void
  } {
    this.start()
    const id = this.#nextId++
    const [ours, client] = socketPair()
    this.#send({ op: 'open', session: { ...o, id, client } })
    const stream = new RelayStream(ours, {
      loud: () => whenLoud?.(),
      move: (connection) => this.#send({ op: 'move', id, connection: duplicateFd(connection) }),
      moved: () => this.#send({ op: 'moved', id }),
    })
    this.#streams.set(id, stream)
    stream.once('close', () => this.#streams.delete(id))
    // A reset can only come from the worker's death, which is reported there; 'close' tells the reader.
    stream.on('error', (error) => {
      if (!isAbort(error)) this.#log.debug('a stdio session broke', { error })
    })
    stream.once('end', () => {
      const timer = setTimeout(() => stream.destroy(), closeGrace).unref()
      stream.once('close', () => clearTimeout(timer))
    })
    return { stream, finish: () => this.#send({ op: 'finish', id }) }
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    worker.thread.ref()
    this.#send({ op: 'stop' })
    await worker.ended
  }

  #send(command: RelayCommand): void {
    if (this.#worker) writeSync(this.#worker.control, `${JSON.stringify(command)}\n`)
  }
}
