import type { BuildEvent } from '../../wire/build.ts'
import type { Progress } from '../build/progress.ts'

/** One target's part of a progress that several share: steps get ids and names of their own. */
export class TargetProgress implements Progress {
  readonly #to: Progress
  readonly #name: string
  readonly #alone: boolean
  readonly #next: () => string
  readonly #ids = new Map<string, string>()

  constructor(to: Progress, o: { name: string; ids: () => string; alone: boolean }) {
    this.#to = to
    this.#name = o.name
    this.#alone = o.alone
    this.#next = o.ids
  }

  /** For all targets of one progress. */
  static ids(): () => string {
    let last = 0
    return () => String(++last)
  }

  handle(event: BuildEvent): void {
    if (this.#alone) return this.#to.handle(event)
    switch (event.type) {
      case 'vertex':
        return this.#to.handle({ ...event, id: this.#id(event.id), name: this.#named(event.name) })
      case 'log':
      case 'status':
        return this.#to.handle({ ...event, vertex: this.#id(event.vertex) })
      // What ends a build ends only one of ours.
      case 'result':
      case 'error':
        return
      default:
        return this.#to.handle(event)
    }
  }

  close(): void {}

  #id(id: string): string {
    const known = this.#ids.get(id) ?? this.#next()
    this.#ids.set(id, known)
    return known
  }

  /** BuildKit: `[app builder 1/2] RUN …`, `[app] exporting to image`. */
  #named(name: string): string {
    return name.startsWith('[') ? `[${this.#name} ${name.slice(1)}` : `[${this.#name}] ${name}`
  }
}
