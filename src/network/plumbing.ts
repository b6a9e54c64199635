import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SyscallError } from '../host/libc.ts'
import { EngineError } from '../lib/errors.ts'
import type { Defaults, Socket } from './endpoint.ts'
import type { EndpointRecord } from './record.ts'

/** An endpoint with what it is plugged into. */
export interface Plug {
  readonly endpoint: EndpointRecord
  readonly socket: Socket
}

export type Job = { readonly id: number } & (
  | {
      readonly kind: 'attach'
      readonly netnsPath: string
      readonly plugs: readonly Plug[]
      readonly defaults: Defaults
    }
  | { readonly kind: 'detach'; readonly netnsPath: string; readonly endpoints: readonly EndpointRecord[] }
  | { readonly kind: 'plug'; readonly netnsPath: string; readonly plug: Plug }
  | { readonly kind: 'unplug'; readonly netnsPath: string; readonly endpoint: EndpointRecord }
  | { readonly kind: 'route'; readonly netnsPath: string; readonly defaults: Defaults }
  | { readonly kind: 'delete-link'; readonly name: string }
)

export interface Reply {
  readonly id: number
  readonly error?: { readonly syscall: string; readonly errno: number; readonly message: string }
}

type Request = Job extends infer J ? (J extends { id: number } ? Omit<J, 'id'> : never) : never

/**
 * One thread that makes and removes namespaces and links, one job after another. The work takes few milliseconds, but
 * the kernel has one lock for all links of the host: while another engine deletes its own, each step may wait for hundreds.
 */
export class Plumbing {
  #worker: Worker | undefined
  readonly #pending = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  #nextId = 1

  /** Starts the thread ahead of its first job (some 40 ms). */
  start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(
      new URL(`./plumbing-worker${extname(import.meta.filename)}`, import.meta.url),
      // Its descriptors are opened past Node, which would only warn of them.
      { name: 'gantry-network', trackUnmanagedFds: false, resourceLimits: { maxOldGenerationSizeMb: 32 } },
    )
    worker.unref()
    worker.on('message', (reply: Reply) => this.#settle(reply))
    worker.once('error', (error: Error) => this.#fail(worker, error))
    worker.once('exit', () => this.#fail(worker, new Error('the network thread ended')))
    this.#worker = worker
    return worker
  }

  /** Makes the namespace and connects it: usable when it resolves. After a failure nothing is left of it. */
  attach(o: { netnsPath: string; plugs: readonly Plug[]; defaults: Defaults }): Promise<void> {
    return this.#run({ kind: 'attach', ...o })
  }

  /** Gives the namespace up. Its addresses are free when it resolves; the links go a moment later. Idempotent. */
  detach(o: { netnsPath: string; endpoints: readonly EndpointRecord[] }): Promise<void> {
    return this.#run({ kind: 'detach', netnsPath: o.netnsPath, endpoints: o.endpoints })
  }

  /** Connects a namespace in use to one network more. After a failure nothing is left of it. */
  plug(netnsPath: string, plug: Plug): Promise<void> {
    return this.#run({ kind: 'plug', netnsPath, plug })
  }

  /** Takes one network away from a namespace in use: the interface is gone when it resolves. Idempotent. */
  unplug(netnsPath: string, endpoint: EndpointRecord): Promise<void> {
    return this.#run({ kind: 'unplug', netnsPath, endpoint })
  }

  /** Sets the default routes of a namespace. */
  route(netnsPath: string, defaults: Defaults): Promise<void> {
    return this.#run({ kind: 'route', netnsPath, defaults })
  }

  /** Deletes a link of the host and waits until it is gone. Idempotent. */
  deleteLink(name: string): Promise<void> {
    return this.#run({ kind: 'delete-link', name })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    if (!worker) return
    this.#worker = undefined
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }

  #run(job: Request): Promise<void> {
    const worker = this.start()
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage({ ...job, id } satisfies Job)
    })
  }

  #settle({ id, error }: Reply): void {
    const job = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if (!error) job?.resolve()
    else
      job?.reject(
        new EngineError('internal', error.message, { cause: new SyscallError(error.syscall, error.errno) }),
      )
  }

  /** What was under way is cleaned up by its callers, in the thread that starts next. */
  #fail(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const job of pending) job.reject(new EngineError('internal', cause.message, { cause }))
  }
}
