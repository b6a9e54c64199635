import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from '../../wire/build.ts'
import { durationOf, LineBuffer, seconds, type Progress } from './progress.ts'
import { warningsText } from './warnings.ts'

/** `--progress plain`: BuildKit's log, one line for each thing that happens, `#5 [builder 2/3] RUN …`. */
export class PlainProgress implements Progress {
  readonly #write: (text: string) => void
  readonly #vertices = new Map<string, VertexEvent>()
  readonly #buffers = new Map<string, LineBuffer>()
  readonly #finished = new Set<string>()
  readonly #open = new Map<string, StatusEvent>()
  readonly #warnings: WarningEvent[] = []
  readonly #debug: boolean
  #current: string | undefined

  constructor(write: (text: string) => void, o: { debug?: boolean } = {}) {
    this.#write = write
    this.#debug = o.debug ?? false
  }

  handle(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex':
        this.#vertices.set(event.id, event)
        if (event.completed !== undefined || event.cached || event.error !== undefined) this.#finish(event)
        else if (event.started !== undefined) this.#head(event.id)
        return
      case 'log': {
        const buffer = this.#buffers.get(event.vertex) ?? new LineBuffer()
        this.#buffers.set(event.vertex, buffer)
        this.#lines(event.vertex, buffer.push(event.data))
        return
      }
      case 'status':
        // Said once, when it is over; what is still open when its vertex ends, then.
        if (event.completed === undefined) this.#open.set(`${event.vertex} ${event.text}`, event)
        else {
          this.#open.delete(`${event.vertex} ${event.text}`)
          this.#head(event.vertex)
          this.#write(`#${event.vertex} ${event.text} ${seconds(event.completed - event.started)} done\n`)
        }
        return
      case 'warning':
        this.#warnings.push(event)
        return
      case 'error':
      case 'result':
    }
  }

  close(): void {
    for (const [id, buffer] of this.#buffers) this.#lines(id, buffer.end())
    this.#write(warningsText(this.#warnings, { debug: this.#debug, colour: false }))
  }

  #finish(vertex: VertexEvent): void {
    if (this.#finished.has(vertex.id)) return
    this.#finished.add(vertex.id)
    this.#lines(vertex.id, this.#buffers.get(vertex.id)?.end() ?? [])
    this.#head(vertex.id)
    for (const [key, status] of this.#open) {
      if (status.vertex !== vertex.id) continue
      this.#open.delete(key)
      this.#write(`#${vertex.id} ${status.text}\n`)
    }
    const end =
      vertex.error === undefined
        ? vertex.cached
          ? 'CACHED'
          : `DONE ${seconds(durationOf(vertex))}`
        : vertex.error === 'canceled'
          ? 'CANCELED'
          : `ERROR: ${vertex.error}`
    this.#write(`#${vertex.id} ${end}\n`)
    this.#leave()
  }

  #lines(id: string, lines: readonly string[]): void {
    if (lines.length === 0) return
    this.#head(id)
    const started = this.#vertices.get(id)?.started ?? Date.now()
    const time = (Math.max(0, Date.now() - started) / 1000).toFixed(3)
    this.#write(lines.map((line) => `#${id} ${time} ${line}\n`).join(''))
  }

  /** Steps run in parallel: what follows belongs to the one named last. */
  #head(id: string): void {
    if (this.#current === id) return
    this.#leave()
    this.#current = id
    this.#write(`#${id} ${this.#vertices.get(id)?.name ?? ''}\n`)
  }

  #leave(): void {
    if (this.#current !== undefined) this.#write('\n')
    this.#current = undefined
  }
}
