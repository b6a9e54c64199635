import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { EngineError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type { Op } from '../../lib/op.ts'
import type { Registration } from './names.ts'
import type { View } from './resolver.ts'

/** Never crossed by a port that the kernel gives out on its own. */
const ports = { first: 61_000, count: 4_500 }

/** So that a thread that fails at once is not started over and over. Milliseconds. */
const restAfterFailure = 500

export interface AttachOptions {
  readonly sandbox: string
  readonly netnsPath: string
  /**
   * The names of the sandbox's networks (register()'s `network`), the preferred one first: `name.network` and the names of
   * addresses are made of them.
   */
  readonly networks: readonly string[]
  /** Addresses; `host(ADDRESS)` is asked from the host's namespace, the others from the sandbox's. What resolverConf() says. */
  readonly upstreams: readonly string[]
  /** False: no name but the containers' own is looked up (all networks are internal). */
  readonly external: boolean
  /** Names of this sandbox's own: `host.docker.internal`. */
  readonly extra: Readonly<Record<string, readonly string[]>>
  /** By network: names of others that this sandbox alone knows, in lower case, and what the network calls those. */
  readonly links?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** What resolverConf() says. */
  readonly ndotsSet?: boolean
}

/** What the worker needs of it. */
export type Attachment = View & Pick<AttachOptions, 'netnsPath' | 'upstreams'> & { readonly port: number }

export type DnsCommand =
  | {
      readonly kind: 'attach'
      readonly id: number
      readonly sandbox: string
      readonly attachment: Attachment
    }
  | { readonly kind: 'update'; readonly sandbox: string; readonly change: Partial<View> }
  | { readonly kind: 'detach'; readonly id: number; readonly sandbox: string }
  | { readonly kind: 'register'; readonly network: string; readonly registration: Registration }
  | { readonly kind: 'unregister'; readonly network: string; readonly endpoint: string }

export interface DnsReply {
  readonly id: number
  readonly error?: string
}

/** The resolver of all containers: listens in their namespaces, runs in a thread of its own. */
export class Dns {
  #worker: Worker | undefined
  readonly #sandboxes = new Map<string, Attachment>()
  readonly #registrations = new Map<string, Map<string, Registration>>()
  readonly #pending = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  #nextId = 1
  #idle = false
  #closed = false
  /** Of the op that came last. */
  #log: Logger | undefined

  /** Starts the thread ahead of its first work (some 40 ms). */
  start(): void {
    this.#thread()
  }

  /**
   * Answers at 127.0.0.11:53 (UDP and TCP) inside the namespace when it resolves. Idempotent: takes the place of what an earlier
   * daemon left there.
   */
  async attach(op: Op, o: AttachOptions): Promise<void> {
    op.signal.throwIfAborted()
    this.#log = op.log
    const attachment: Attachment = {
      netnsPath: o.netnsPath,
      upstreams: o.upstreams,
      port: portOf(o.sandbox),
      networks: o.networks,
      external: o.external,
      extra: o.extra,
      links: o.links ?? {},
      ndotsSet: o.ndotsSet ?? false,
    }
    this.#sandboxes.set(o.sandbox, attachment)
    try {
      await this.#ask((id) => ({ kind: 'attach', id, sandbox: o.sandbox, attachment }))
    } catch (error) {
      this.#sandboxes.delete(o.sandbox)
      throw error
    }
  }

  /** The sandbox's networks changed while it runs. */
  update(sandbox: string, change: Partial<View>): void {
    const attachment = this.#sandboxes.get(sandbox)
    if (!attachment) return
    this.#sandboxes.set(sandbox, { ...attachment, ...change })
    this.#send({ kind: 'update', sandbox, change })
  }

  /** Stops answering in the namespace. Idempotent. */
  async detach(sandbox: string): Promise<void> {
    // Without a thread nobody answers there.
    if (!this.#sandboxes.delete(sandbox) || !this.#worker) return
    await this.#ask((id) => ({ kind: 'detach', id, sandbox }))
  }

  /** From now on the names stand for the addresses, for all who are on the network. Replaces what the endpoint had. */
  register(network: string, registration: Registration): void {
    const zone = this.#registrations.get(network) ?? new Map<string, Registration>()
    this.#registrations.set(network, zone)
    zone.set(registration.endpoint, registration)
    this.#send({ kind: 'register', network, registration })
  }

  unregister(network: string, endpoint: string): void {
    const zone = this.#registrations.get(network)
    if (!zone?.delete(endpoint)) return
    if (zone.size === 0) this.#registrations.delete(network)
    this.#send({ kind: 'unregister', network, endpoint })
  }

  /** Nobody is answered any more. What redirects in the namespaces stays: the next daemon answers there. */
  async close(): Promise<void> {
    this.#closed = this.#idle = true
    const worker = this.#worker
    this.#worker = undefined
    this.#rejectAll(new Error('the daemon stops'))
    if (!worker) return
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }

  /** The thread; a new one is told all that the last one knew. Undefined after close() and for a while after a failure. */
  #thread(): Worker | undefined {
    if (this.#worker || this.#idle) return this.#worker
    const worker = new Worker(new URL(`./dns-worker${extname(import.meta.filename)}`, import.meta.url), {
      name: 'gantry-dns',
      // Its descriptors are opened past Node, which would only warn of them.
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 6 },
    })
    worker.unref()
    worker.on('message', (reply: DnsReply) => this.#settle(reply))
    worker.once('error', (error: Error) => this.#fail(worker, error))
    worker.once('exit', () => this.#fail(worker, new Error('the DNS thread ended')))
    this.#worker = worker
    for (const [network, zone] of this.#registrations)
      for (const registration of zone.values()) this.#send({ kind: 'register', network, registration })
    return worker
  }

  #fail(worker: Worker, cause: Error): void {
    if (this.#worker !== worker) return
    this.#log?.error('the DNS thread failed: another one takes over', { error: cause })
    this.#worker = undefined
    this.#idle = true
    this.#rejectAll(cause)
    setTimeout(() => {
      if (this.#closed) return
      this.#idle = false
      for (const [sandbox, attachment] of this.#sandboxes)
        this.#ask((id) => ({ kind: 'attach', id, sandbox, attachment })).catch((error: unknown) =>
          this.#log?.warn('a container has lost its DNS', { id: sandbox, error }),
        )
    }, restAfterFailure).unref()
  }

  #rejectAll(cause: Error): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { reject } of pending) reject(failure(cause))
  }

  /** What it says is known to the next thread in any case. */
  #send(command: DnsCommand): void {
    this.#thread()?.postMessage(command)
  }

  #ask(command: (id: number) => DnsCommand): Promise<void> {
    return new Promise((resolve, reject) => {
      const worker = this.#thread()
      if (!worker) return reject(failure(new Error('the DNS thread failed a moment ago')))
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      worker.ref()
      worker.postMessage(command(id))
    })
  }

  #settle({ id, error }: DnsReply): void {
    const waiting = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if (error === undefined) waiting?.resolve()
    else waiting?.reject(failure(new Error(error)))
  }
}

/** The same after a restart of the daemon, so that the rules in the namespace can stay. When it is taken another one will do. */
function portOf(sandbox: string): number {
  return ports.first + (createHash('sha256').update(sandbox).digest().readUInt32BE(0) % ports.count)
}

const failure = (cause: Error): EngineError =>
  new EngineError('internal', `cannot serve DNS in the container: ${cause.message}`, { cause })
