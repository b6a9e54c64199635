import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SyscallError } from '../../host/libc.ts'
import { run } from '../../host/spawn.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Op } from '../../lib/op.ts'
import type { Registration } from './names.ts'
import type { View } from './resolver.ts'
import { resolverAddress } from './server.ts'

/** Never crossed by a port that the kernel gives out on its own. */
const ports = { first: 61_000, count: 4_500 }

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
  /** Names of this sandbox's own: links, `host.docker.internal`. */
  readonly extra: Readonly<Record<string, readonly string[]>>
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
  readonly port?: number
  readonly error?: { readonly syscall: string; readonly errno: number; readonly message: string }
}

/** The resolver of all containers: listens in their namespaces, runs in a thread of its own. */
export class Dns {
  #worker: Worker | undefined
  readonly #sandboxes = new Map<string, Attachment>()
  readonly #registrations = new Map<string, Map<string, Registration>>()
  readonly #pending = new Map<number, { resolve: (port: number) => void; reject: (error: Error) => void }>()
  #nextId = 1

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
    const attachment: Attachment = {
      netnsPath: o.netnsPath,
      upstreams: o.upstreams,
      port: portOf(o.sandbox),
      networks: o.networks,
      external: o.external,
      extra: o.extra,
      ndotsSet: o.ndotsSet ?? false,
    }
    this.#sandboxes.set(o.sandbox, attachment)
    const port = await this.#ask((id) => ({ kind: 'attach', id, sandbox: o.sandbox, attachment }))
    await run(op, ['nsenter', `--net=${o.netnsPath}`, 'nft', '-f', '-'], { input: redirection(port) })
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
    if (!this.#sandboxes.delete(sandbox)) return
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
    const worker = this.#worker
    this.#worker = undefined
    if (!worker) return
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }

  #thread(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(new URL(`./dns-worker${extname(import.meta.filename)}`, import.meta.url), {
      name: 'gantry-dns',
      // Its descriptors are opened past Node, which would only warn of them.
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 256 },
    })
    worker.unref()
    worker.on('message', (reply: DnsReply) => this.#settle(reply))
    this.#worker = worker
    return worker
  }

  #send(command: DnsCommand): void {
    this.#thread().postMessage(command)
  }

  #ask(command: (id: number) => DnsCommand): Promise<number> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++
      this.#pending.set(id, { resolve, reject })
      this.#thread().ref()
      this.#send(command(id))
    })
  }

  #settle({ id, port, error }: DnsReply): void {
    const waiting = this.#pending.get(id)
    this.#pending.delete(id)
    if (this.#pending.size === 0) this.#worker?.unref()
    if (!error) waiting?.resolve(port ?? 0)
    else
      waiting?.reject(
        new EngineError('internal', `cannot serve DNS in the container: ${error.message}`, {
          cause: new SyscallError(error.syscall, error.errno),
        }),
      )
  }
}

/**
 * The same after a restart of the daemon: what the kernel remembers of a client's queries still leads to it. When it is taken another
 * one will do.
 */
function portOf(sandbox: string): number {
  return ports.first + (createHash('sha256').update(sandbox).digest().readUInt32BE(0) % ports.count)
}

/** The resolver is not on port 53 itself: a container may run a server of its own there, on all its addresses. */
function redirection(port: number): string {
  return `
table ip gantry_dns
delete table ip gantry_dns
table ip gantry_dns {
  chain output {
    type nat hook output priority -100; policy accept;
    ip daddr ${resolverAddress} meta l4proto { tcp, udp } th dport 53 dnat to ${resolverAddress}:${port}
  }
}
`
}
