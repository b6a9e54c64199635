import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from '../../wire/build.ts'
import type { BuildStatus } from '../../wire/builds.ts'
import type { LogWriter } from './log-file.ts'
import type { BuildRecord } from './record.ts'

/** More than any Dockerfile that people write gives; what is beyond is in the log alone. */
const maxListed = 2_000

/** Follows one build: every event goes to the log, what is known of the build becomes its record. */
export class Recorder {
  readonly id: string
  readonly log: LogWriter
  readonly #head: BuildRecord
  readonly #save: (recorder: Recorder) => void
  readonly #vertices = new Map<string, VertexEvent>()
  readonly #statuses = new Map<string, StatusEvent>()
  readonly #warnings: WarningEvent[] = []
  #warningCount = 0
  #end: { status: BuildStatus; at: string } | undefined
  #result: Pick<BuildRecord, 'imageId' | 'tags'> | undefined
  #error: BuildRecord['error']

  constructor(head: BuildRecord, o: { log: LogWriter; save: (recorder: Recorder) => void }) {
    this.id = head.id
    this.#head = head
    this.log = o.log
    this.#save = o.save
  }

  note(event: BuildEvent): void {
    this.log.write(JSON.stringify(event))
    switch (event.type) {
      case 'vertex':
        if (this.#vertices.size < maxListed || this.#vertices.has(event.id))
          this.#vertices.set(event.id, event)
        return
      case 'status':
        if (this.#statuses.size < maxListed) this.#statuses.set(`${event.vertex} ${event.text}`, event)
        return
      case 'warning':
        this.#warningCount++
        if (this.#warnings.length < maxListed) this.#warnings.push(event)
        return
      case 'result':
        this.#result = { imageId: event.imageId, tags: event.tags }
        return
      case 'error': {
        const { message, kind, excerpt, hints } = event
        this.#error = { message, kind, ...(excerpt !== undefined && { excerpt }), ...(hints && { hints }) }
        return
      }
      case 'log':
    }
  }

  /** The build is over; what it was is on disk when this returns, its log a little later (`log.end`). */
  end(status: Exclude<BuildStatus, 'running' | 'interrupted'>): void {
    if (this.#end) return
    this.#end = { status, at: new Date().toISOString() }
    this.#save(this)
  }

  /** As of now. */
  record(): BuildRecord {
    const vertices = [...this.#vertices.values()]
    return {
      ...this.#head,
      ...this.#result,
      ...(this.#end && { status: this.#end.status, endedAt: this.#end.at }),
      steps: countSteps(vertices),
      warnings: this.#warningCount,
      logBytes: this.log.size,
      vertices,
      statuses: [...this.#statuses.values()],
      warningList: this.#warnings,
      ...(this.#error && { error: this.#error }),
    }
  }
}

export function countSteps(vertices: readonly VertexEvent[]): BuildRecord['steps'] {
  // A base image is there or not: nothing of it is run or cached.
  const steps = vertices.filter((vertex) => vertex.step && !vertex.step.text.startsWith('FROM '))
  const done = steps.filter((vertex) => vertex.completed !== undefined && vertex.error === undefined)
  return { total: steps.length, done: done.length, cached: done.filter((vertex) => vertex.cached).length }
}
