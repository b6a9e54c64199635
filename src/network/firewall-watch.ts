import { once } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Logger } from '../lib/log.ts'
import { closeFd, socketPair } from '../host/socket.ts'

export interface WatchData {
  /** Closed from the other side when the thread is to end. */
  readonly stop: number
  /** The name of our table of family inet. */
  readonly table: string
}

/** What others did to the host's nftables. */
export interface ForeignChange {
  /** Our own table was changed. */
  readonly own: boolean
  /** Elements of ours are missing for certain. */
  readonly drained: boolean
  /** A chain that dockerd offers, or the policy of its FORWARD. */
  readonly dockerUser: boolean
}

export interface WatchHandlers {
  /** Our own table was changed by another; `drained`: elements of it were taken out. */
  readonly onOwn: (drained: boolean) => Promise<void>
  /** dockerd came, or changed its chains for others. */
  readonly onDockerUser: () => Promise<void>
  /** Whoever undoes what we do at once is answered no more often than this. Milliseconds; by default 1000. */
  readonly pace?: number
}

/** Changes that come together are answered together. Milliseconds. */
const settleTime = 50

/**
 * Tells within a moment when somebody changed our table or dockerd's chain for others. The kernel reports changes to a thread
 * that sleeps until then.
 */
export class FirewallWatch {
  readonly #table: string
  readonly #log: Logger
  readonly #handlers: WatchHandlers
  #worker: Worker | undefined
  #stop: number | undefined
  #pending = { own: false, drained: false, dockerUser: false }
  #timer: NodeJS.Timeout | undefined
  #answered = 0
  #answering: Promise<void> = Promise.resolve()

  constructor(table: string, log: Logger, handlers: WatchHandlers) {
    this.#table = table
    this.#log = log
    this.#handlers = handlers
  }

  start(): void {
    if (this.#worker) return
    const [stop, theirs] = socketPair()
    const workerData: WatchData = { stop: theirs, table: this.#table }
    const worker = new Worker(
      new URL(`./firewall-watch-worker${extname(import.meta.filename)}`, import.meta.url),
      {
        name: 'gantry-firewall',
        workerData,
        trackUnmanagedFds: false,
        resourceLimits: { maxOldGenerationSizeMb: 16 },
      },
    )
    worker.unref()
    worker.on('message', (change: ForeignChange) => this.#note(change))
    worker.once('error', (error) => {
      this.#log.warn('foreign changes of the firewall are no longer noticed', { error })
    })
    this.#worker = worker
    this.#stop = stop
    process.once('exit', this.#release)
  }

  /** No handler runs any more when it resolves. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    this.#pending = { own: false, drained: false, dockerUser: false }
    const worker = this.#worker
    this.#worker = undefined
    this.#release()
    process.off('exit', this.#release)
    // It may have ended by itself.
    if (worker && worker.threadId !== -1) {
      const ended = once(worker, 'exit')
      worker.ref()
      await ended
    }
    clearTimeout(this.#timer)
    await this.#answering
  }

  /** Wakes the thread to its end. A process that exits waits for its threads, and this one sleeps in the kernel. */
  readonly #release = (): void => {
    if (this.#stop !== undefined) closeFd(this.#stop)
    this.#stop = undefined
  }

  #note(change: ForeignChange): void {
    if (!this.#worker) return
    this.#pending.own ||= change.own
    this.#pending.drained ||= change.drained
    this.#pending.dockerUser ||= change.dockerUser
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#answering = this.#answering.then(() => this.#answer())
      },
      Math.max(settleTime, this.#answered + (this.#handlers.pace ?? 1000) - Date.now()),
    ).unref()
  }

  async #answer(): Promise<void> {
    const { own, drained, dockerUser } = this.#pending
    this.#pending = { own: false, drained: false, dockerUser: false }
    try {
      if (own) await this.#handlers.onOwn(drained)
      if (dockerUser) await this.#handlers.onDockerUser()
    } catch (error) {
      this.#log.warn('a foreign change of the firewall could not be answered', { error })
    }
    this.#answered = Date.now()
  }
}
