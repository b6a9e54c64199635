import type { BuildErrorEvent, BuildEvent, VertexEvent } from '../../wire/build.ts'

/** Shows a build while it happens. */
export interface Progress {
  handle(event: BuildEvent): void
  /** The last state is on the screen when it returns. */
  close(): void
}

/** The output of one vertex, as complete lines. */
export class LineBuffer {
  #rest = ''

  /** The lines that are complete now, without their ends. */
  push(text: string): string[] {
    const lines = (this.#rest + text).split('\n')
    this.#rest = lines.pop() ?? ''
    return lines.map((line) => line.replace(/\r$/, ''))
  }

  /** What came without a newline at the end. */
  end(): string[] {
    const rest = this.#rest
    this.#rest = ''
    return rest === '' ? [] : [rest]
  }
}

export function seconds(milliseconds: number): string {
  return `${(Math.max(0, milliseconds) / 1000).toFixed(1)}s`
}

export function durationOf(vertex: VertexEvent, now: number = Date.now()): number {
  return vertex.started === undefined ? 0 : (vertex.completed ?? now) - vertex.started
}

/** The last output of the step that failed: shown again where the error is. */
export class FailureLog {
  readonly #lines = new Map<string, string[]>()
  readonly #buffers = new Map<string, LineBuffer>()
  #failed: VertexEvent | undefined

  handle(event: BuildEvent): void {
    if (event.type === 'log') {
      const buffer = this.#buffers.get(event.vertex) ?? new LineBuffer()
      this.#buffers.set(event.vertex, buffer)
      this.#add(event.vertex, buffer.push(event.data))
    } else if (event.type === 'vertex' && event.error !== undefined && event.error !== 'canceled') {
      this.#add(event.id, this.#buffers.get(event.id)?.end() ?? [])
      this.#failed ??= event
    }
  }

  /** Docker's closing words of a failed build; `repeat` shows the step's output again. */
  describe(error: BuildErrorEvent, o: { repeat: boolean }): string {
    let text = ''
    const lines = this.#failed ? (this.#lines.get(this.#failed.id) ?? []) : []
    if (o.repeat && this.#failed && lines.length > 0)
      text += `------\n > ${this.#failed.name}:\n${lines.map((line) => `${line}\n`).join('')}------\n`
    if (error.excerpt !== undefined) text += error.excerpt
    for (const hint of error.hints ?? []) text += `HINT: ${hint}\n`
    if (error.shell && error.build !== undefined)
      text += `HINT: "gantry builds shell ${error.build.slice(0, 12)}" opens a shell in the failed step.\n`
    return `${text}ERROR: failed to build: failed to solve: ${error.message}\n`
  }

  #add(vertex: string, lines: readonly string[]): void {
    const known = this.#lines.get(vertex) ?? []
    known.push(...lines)
    this.#lines.set(vertex, known.slice(-20))
  }
}
