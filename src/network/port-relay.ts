import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { acceptDatagrams } from '../host/port-owner.ts'
import { duplicateFd } from '../host/socket.ts'
import type { PublishedPort } from './firewall.ts'

/** Where the socket of a host port that is held for a container is found. */
export interface HeldSockets {
  socketOf(port: Pick<PublishedPort, 'proto' | 'hostIp' | 'hostPort'>): number | undefined
}

export interface RelayTarget {
  readonly proto: 'tcp' | 'udp'
  /** Of the listening side, whose family may be another. */
  readonly hostIp: string
  readonly ip: string
  readonly port: number
}

export type RelayCommand =
  | { readonly kind: 'open'; readonly key: string; readonly fd: number; readonly target: RelayTarget }
  | { readonly kind: 'shut'; readonly key: string }

/**
 * Serves published ports from the very sockets that hold them, in a thread of its own: connections and datagrams are carried to
 * the container by the host itself. For those that rules cannot redirect (IPv6 clients of a container without IPv6) or must
 * not. The thread starts with the first such port.
 */
export class PortRelay {
  readonly #held: HeldSockets
  readonly #open = new Map<string, PublishedPort>()
  #worker: Worker | undefined

  constructor(held: HeldSockets) {
    this.#held = held
  }

  /** Idempotent. A port that nobody holds (another program took it while no daemon ran) is not served. */
  open(port: PublishedPort): void {
    const key = keyOf(port)
    const known = this.#open.get(key)
    if (known && leadsTo(known) === leadsTo(port)) return
    if (this.#serve(port)) this.#open.set(key, port)
  }

  /** Ends its connections too. Idempotent. */
  shut(port: PublishedPort): void {
    const key = keyOf(port)
    const known = this.#open.get(key)
    if (!known || leadsTo(known) !== leadsTo(port)) return
    this.#open.delete(key)
    this.#worker?.postMessage({ kind: 'shut', key } satisfies RelayCommand)
  }

  async close(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    this.#open.clear()
    if (!worker) return
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }

  #serve(port: PublishedPort): boolean {
    const held = this.#held.socketOf(port)
    if (held === undefined) return false
    if (port.proto === 'udp') acceptDatagrams(held)
    const target = { proto: port.proto, hostIp: port.hostIp, ip: port.containerIp, port: port.containerPort }
    const command: RelayCommand = { kind: 'open', key: keyOf(port), fd: duplicateFd(held), target }
    this.#start().postMessage(command)
    return true
  }

  #start(): Worker {
    if (this.#worker) return this.#worker
    const worker = new Worker(
      new URL(`./port-relay-worker${extname(import.meta.filename)}`, import.meta.url),
      { name: 'gantry-ports', trackUnmanagedFds: false, resourceLimits: { maxOldGenerationSizeMb: 64 } },
    )
    worker.unref()
    // Connections went with the thread; the ports are served again.
    const restart = () => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      for (const port of this.#open.values()) this.#serve(port)
    }
    worker.once('error', restart)
    worker.once('exit', restart)
    this.#worker = worker
    return worker
  }
}

const leadsTo = (port: PublishedPort): string => `${port.containerIp} ${port.containerPort}`
const keyOf = (port: PublishedPort): string => `${port.proto} ${port.hostIp} ${port.hostPort}`
