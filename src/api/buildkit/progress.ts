import { digestOf } from '../../lib/digest.ts'
import type { BuildEvent, VertexEvent, WarningEvent } from '../../wire/build.ts'
import type { StatusFeed } from './status-feed.ts'

/** Tells a build's events as BuildKit does. */
export class FeedProgress {
  readonly #feed: StatusFeed
  readonly #ref: string
  /** For the lines that warnings show. */
  readonly #dockerfile: string | undefined
  /** The vertex that warnings belong to. */
  #definition: string | undefined

  constructor(feed: StatusFeed, o: { ref: string; dockerfile?: string }) {
    this.#feed = feed
    this.#ref = o.ref
    this.#dockerfile = o.dockerfile
  }

  push(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex':
        this.#vertex(event)
        break
      case 'log':
        this.#feed.push({
          logs: [
            {
              vertex: this.#digest(event.vertex),
              stream: BigInt(event.stream),
              msg: Buffer.from(event.data),
              timestamp: event.time ?? Date.now(),
            },
          ],
        })
        break
      case 'status':
        this.#feed.push({
          statuses: [
            {
              ID: event.text,
              vertex: this.#digest(event.vertex),
              name: event.text,
              current: 0n,
              total: 0n,
              timestamp: event.completed ?? event.started,
              started: event.started,
              completed: event.completed,
            },
          ],
        })
        break
      case 'warning':
        this.#warning(event)
        break
      // How it ended goes to whoever asked for the build.
      case 'error':
      case 'result':
        break
    }
  }

  #vertex(event: VertexEvent): void {
    const digest = this.#digest(event.id)
    if (event.name.startsWith('[internal] load build definition')) this.#definition ??= digest
    this.#feed.push({
      vertexes: [
        {
          digest,
          inputs: [],
          name: event.name,
          cached: event.cached,
          // BuildKit: a result out of the cache was started and completed at once; without it clients show nothing.
          started: event.started ?? event.completed,
          completed: event.completed,
          error: event.error ?? '',
        },
      ],
    })
  }

  #warning(event: WarningEvent): void {
    const { rule, message, startLine } = event
    const short = `${rule === undefined ? '' : `${rule}: `}${message}${startLine === undefined ? '' : ` (line ${startLine})`}`
    const at = (line: number) => ({ line, character: 0 })
    this.#feed.push({
      warnings: [
        {
          vertex: this.#definition ?? this.#digest('1'),
          level: 1n,
          short: Buffer.from(short),
          detail: [event.description, event.better]
            .filter((text) => text !== undefined)
            .map((text) => Buffer.from(text)),
          url: event.url ?? '',
          info:
            event.file !== undefined && this.#dockerfile !== undefined
              ? { filename: event.file, data: Buffer.from(this.#dockerfile), language: 'Dockerfile' }
              : undefined,
          ranges:
            startLine === undefined ? [] : [{ start: at(startLine), end: at(event.endLine ?? startLine) }],
        },
      ],
    })
  }

  /** Clients take any digest for a name; ours holds for this build alone. */
  #digest(id: string): string {
    return digestOf(`${this.#ref} ${id}`)
  }
}
