import { messageOf } from '../../lib/errors.ts'
import type { BuildEvent, BuildStep, VertexEvent, WarningEvent } from '../../wire/build.ts'
import type { Io, VertexInfo } from './vertex.ts'

type Announced = VertexInfo & { readonly inputs?: readonly Announced[] }

/** What is hidden is not named as an input either: what it builds on is. */
const shownIds = (vertex: Announced): string[] =>
  vertex.hidden ? (vertex.inputs ?? []).flatMap(shownIds) : [vertex.id]

/** One build's progress: gives vertices their short ids and turns what happens to them into events. */
export class Progress {
  readonly #report: (event: BuildEvent) => void
  readonly #byKey = new Map<string, VertexEvent>()
  #next = 1

  constructor(report: (event: BuildEvent) => void) {
    this.#report = report
  }

  announce(vertex: Announced): void {
    if (vertex.hidden) return
    const inputs = (vertex.inputs ?? []).flatMap(shownIds)
    const digests = { digest: vertex.id, ...(inputs.length > 0 && { inputs }) }
    this.#update(vertex.id, vertex.name, digests, vertex.step)
  }

  started(vertex: VertexInfo): void {
    if (vertex.hidden) return
    this.#update(vertex.id, vertex.name, { started: Date.now() }, vertex.step)
  }

  /** No earlier result serves; `why` is empty when none was close. */
  missed(vertex: VertexInfo, why: readonly string[]): void {
    if (vertex.hidden || why.length === 0) return
    this.#update(vertex.id, vertex.name, { miss: [...why] }, vertex.step)
  }

  completed(vertex: VertexInfo, cached: boolean): void {
    if (vertex.hidden) return
    this.#update(vertex.id, vertex.name, { completed: Date.now(), cached }, vertex.step)
  }

  failed(vertex: VertexInfo, error: unknown): void {
    if (vertex.hidden) return
    this.#update(vertex.id, vertex.name, { completed: Date.now(), error: messageOf(error) }, vertex.step)
  }

  io(vertex: VertexInfo): Io {
    return this.#io(() => this.#idOf(vertex.id, vertex.name, vertex.step))
  }

  warn(warning: Omit<WarningEvent, 'type'>): void {
    this.#report({ type: 'warning', ...warning })
  }

  /** Work outside the graph, shown as a vertex of its own: `[internal] load .dockerignore`. */
  async task<T>(name: string, work: (io: Io) => Promise<T>): Promise<T> {
    const key = `task:${this.#next}`
    this.#update(key, name, { started: Date.now() })
    try {
      const result = await work(this.#io(() => this.#idOf(key, name)))
      this.#update(key, name, { completed: Date.now() })
      return result
    } catch (error) {
      this.#update(key, name, { completed: Date.now(), error: messageOf(error) })
      throw error
    }
  }

  #io(id: () => string): Io {
    return {
      log: (stream, data) => this.#report({ type: 'log', vertex: id(), stream, data, time: Date.now() }),
      status: (text) => {
        const started = Date.now()
        this.#report({ type: 'status', vertex: id(), text, started })
        return () => this.#report({ type: 'status', vertex: id(), text, started, completed: Date.now() })
      },
    }
  }

  #idOf(key: string, name: string, step?: BuildStep): string {
    return (this.#byKey.get(key) ?? this.#update(key, name, {}, step)).id
  }

  #update(key: string, name: string, change: Partial<VertexEvent>, step?: BuildStep): VertexEvent {
    const known = this.#byKey.get(key)
    const base: VertexEvent = known ?? {
      type: 'vertex',
      id: String(this.#next++),
      name,
      cached: false,
      ...(step && { step }),
    }
    const event = { ...base, ...change }
    this.#byKey.set(key, event)
    this.#report(event)
    return event
  }
}
