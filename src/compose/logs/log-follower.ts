import { DaemonError, type Client } from '../../client/index.ts'
import { logLines, type LogLine, type LogSource } from './log-lines.ts'

export interface LogContainer {
  readonly id: string
  /** As it is shown: `web-1`. */
  readonly name: string
}

export interface LogRange {
  /** Lines from the end, or `all`; of containers that are there at the beginning. */
  readonly tail: string
  /** Unix time, `seconds.nanoseconds`. */
  readonly since?: string | undefined
  readonly until?: string | undefined
}

interface Followed {
  /** The last line that was seen: a container that runs again is read on from there. */
  last: string
  ended: Promise<void>
}

/**
 * Follows logs of containers over their restarts, each line once. The engine ends a log with its container: whoever sees the
 * container start again opens it again.
 */
export class LogFollower {
  readonly #client: Pick<Client, 'containers'>
  readonly #signal: AbortSignal
  readonly #range: LogRange
  readonly #onLine: (container: LogContainer, line: LogLine) => Promise<void> | undefined
  readonly #unreadable: ((container: LogContainer, why: string) => void) | undefined
  readonly #followed = new Map<string, Followed>()

  constructor(o: {
    client: Pick<Client, 'containers'>
    signal: AbortSignal
    range: LogRange
    /** What it returns is waited for before more is read. */
    onLine: (container: LogContainer, line: LogLine) => Promise<void> | undefined
    /** Told of logs that nobody can read (`none` and other drivers). Without it, what comes from now on is shown. */
    unreadable?: (container: LogContainer, why: string) => void
  }) {
    this.#client = o.client
    this.#signal = o.signal
    this.#range = o.range
    this.#onLine = o.onLine
    this.#unreadable = o.unreadable
  }

  /** Begins with a container, or goes on with one that started again. `fresh`: it came later, all of it is news. */
  open(container: LogContainer, { fresh = false }: { fresh?: boolean } = {}): void {
    const known = this.#followed.get(container.id)
    const followed = known ?? { last: '', ended: Promise.resolve() }
    this.#followed.set(container.id, followed)
    followed.ended = followed.ended.then(() => this.#read(container, followed, fresh && !known))
    // Whoever waits for the end is told.
    followed.ended.catch(() => {})
  }

  /**
   * For a container that has not started yet, and whose log nobody can read: when this resolves, what it will say is heard from the
   * first line on, until it ends.
   */
  async attach(container: LogContainer): Promise<void> {
    const output = await this.#attached(container)
    const ended = output ? this.#show(container, output) : Promise.resolve()
    this.#followed.set(container.id, { last: '', ended })
    ended.catch(() => {})
  }

  /** Resolves when each log that was opened has come to its end; rejects with the first failure. */
  async ended(): Promise<void> {
    await Promise.all(Array.from(this.#followed.values(), ({ ended }) => ended))
  }

  async #read(container: LogContainer, followed: Followed, fresh: boolean): Promise<void> {
    const { tail, since, until } = this.#range
    const { last: before } = followed
    const again = before !== ''
    try {
      const output = await this.#client.containers.logs(container.id, {
        follow: true,
        timestamps: true,
        tail: fresh || again ? 'all' : tail,
        since: again ? unixTime(before) : since,
        until,
        signal: this.#signal,
      })
      for await (const lines of logLines(output))
        for (const line of lines) {
          // The engine's `since` includes the moment itself; lines that came together have one time.
          if (again && line.time <= before) continue
          if (line.time !== '') followed.last = line.time
          const wait = this.#onLine(container, line)
          if (wait) await wait
        }
    } catch (error) {
      if (this.#signal.aborted) return
      if (!(error instanceof DaemonError)) throw error
      // A container that is gone has said all.
      if (error.kind === 'not-found') return
      if (error.kind !== 'unsupported') throw error
      if (this.#unreadable) this.#unreadable(container, error.message)
      else {
        const output = await this.#attached(container)
        if (output) await this.#show(container, output)
      }
    }
  }

  /** Docker: output reaches who is attached, whatever becomes of it besides. Undefined: it is gone. */
  async #attached({ id }: LogContainer): Promise<LogSource | undefined> {
    const { containers } = this.#client
    const signal = this.#signal
    try {
      const { Config } = await containers.inspect(id)
      const { stream } = await containers.attach(id, { stdout: true, stderr: true, signal })
      return { raw: Config.Tty ?? false, stream, timed: false }
    } catch (error) {
      if (signal.aborted || (error instanceof DaemonError && error.kind === 'not-found')) return undefined
      throw error
    }
  }

  async #show(container: LogContainer, output: LogSource): Promise<void> {
    try {
      for await (const lines of logLines(output))
        for (const line of lines) {
          const wait = this.#onLine(container, line)
          if (wait) await wait
        }
    } catch (error) {
      if (!this.#signal.aborted) throw error
    }
  }
}

/** `2024-01-02T03:04:05.000000006Z` → `1704164645.000000006`. */
function unixTime(time: string): string {
  const [, whole = '', fraction = '', zone = ''] =
    /^([^.Z+]*?)(?:\.(\d+))?(Z|[-+]\d\d:\d\d)$/.exec(time) ?? []
  return `${Math.floor(Date.parse(whole + zone) / 1000)}.${fraction.padEnd(9, '0')}`
}
