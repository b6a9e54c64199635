import type { BuildEvent, StatusEvent, VertexEvent, WarningEvent } from '../../wire/build.ts'
import { durationOf, LineBuffer, seconds, type Progress } from './progress.ts'
import { warningsText } from './warnings.ts'

/** A step that writes nothing for so long gives way to one that has something to say. Milliseconds. */
const quietTime = 1_000
/** What a step writes is not held back longer than that. Milliseconds. */
const maxWait = 5_000

interface Step {
  event: VertexEvent
  readonly buffer: LineBuffer
  readonly statuses: Map<string, StatusEvent>
  /** Lines that wait for their turn, and since when. */
  readonly waiting: string[]
  since: number
  hasMissed: boolean
  isFinished: boolean
}

/**
 * `--progress plain`: BuildKit's log, one line for each thing that happens, `#5 [builder 2/3] RUN …`. Steps run in
 * parallel: the log stays with one of them until it is over or quiet, and what others say waits meanwhile.
 */
export class PlainProgress implements Progress {
  readonly #write: (text: string) => void
  readonly #steps = new Map<string, Step>()
  readonly #warnings: WarningEvent[] = []
  readonly #debug: boolean
  readonly #timer: NodeJS.Timeout | undefined
  #current: string | undefined
  /** When the current step said something last, and since when it is the current one. */
  #lastSaid = 0
  #currentSince = 0
  #isFirst = true

  /** `replay`: a log of the past, in which nothing waits for a clock. */
  constructor(write: (text: string) => void, o: { debug?: boolean | undefined; replay?: boolean } = {}) {
    this.#write = write
    this.#debug = o.debug ?? false
    if (!o.replay) this.#timer = setInterval(() => this.#turn(Date.now()), quietTime / 2).unref()
  }

  handle(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex':
        return this.#vertex(event)
      case 'log': {
        const step = this.#steps.get(event.vertex)
        if (step) this.#say(step, step.buffer.push(event.data), event.time ?? Date.now())
        return
      }
      case 'status': {
        const step = this.#steps.get(event.vertex)
        if (!step) return
        step.statuses.set(event.text, event)
        // Said once, when it is over; what is still open when its vertex ends, then.
        if (event.completed === undefined) return
        step.statuses.delete(event.text)
        this.#add(step, [statusLine(event)], event.completed)
        return
      }
      case 'warning':
        this.#warnings.push(event)
        return
      case 'error':
      case 'result':
    }
  }

  close(): void {
    clearInterval(this.#timer)
    for (const [id, step] of this.#steps) {
      this.#say(step, step.buffer.end(), Date.now())
      if (step.waiting.length > 0) this.#show(id, Date.now())
    }
    this.#write(warningsText(this.#warnings.splice(0), { debug: this.#debug, colour: false }))
  }

  #vertex(event: VertexEvent): void {
    const step = this.#steps.get(event.id) ?? {
      event,
      buffer: new LineBuffer(),
      statuses: new Map<string, StatusEvent>(),
      waiting: [],
      since: 0,
      hasMissed: false,
      isFinished: false,
    }
    step.event = event
    this.#steps.set(event.id, step)
    if (step.isFinished) return
    const now = event.completed ?? event.started ?? Date.now()
    if (event.miss && !step.hasMissed) {
      step.hasMissed = true
      this.#add(step, [`MISS ${event.miss.join(', ').replaceAll('\n', ' ')}`], now)
    }
    if (event.completed !== undefined || event.cached || event.error !== undefined) this.#finish(step, now)
    else if (event.started !== undefined && this.#current === undefined) this.#show(event.id, now)
  }

  #finish(step: Step, now: number): void {
    step.isFinished = true
    const { event } = step
    this.#say(step, step.buffer.end(), now)
    const end =
      event.error === undefined
        ? event.cached
          ? 'CACHED'
          : `DONE ${seconds(durationOf(event))}`
        : event.error === 'canceled'
          ? 'CANCELED'
          : `ERROR: ${event.error}`
    step.waiting.push(...[...step.statuses.values()].map((status) => status.text), end)
    this.#show(event.id, now)
    this.#current = undefined
    this.#turn(now)
  }

  /** Output, each line with the time since the step's start. */
  #say(step: Step, lines: readonly string[], now: number): void {
    const time = timeOf(now - (step.event.started ?? now))
    this.#add(
      step,
      lines.map((line) => `${time} ${line}`),
      now,
    )
  }

  #add(step: Step, lines: readonly string[], now: number): void {
    if (lines.length === 0) return
    if (step.waiting.length === 0) step.since = now
    step.waiting.push(...lines)
    if (step.isFinished) return
    if (this.#current === undefined || this.#current === step.event.id) this.#show(step.event.id, now)
    else this.#turn(now)
  }

  /** Gives the log to the step that waits longest, when the current one is over, quiet, or has had it for long. */
  #turn(now: number): void {
    const waiting = [...this.#steps.values()]
      .filter((step) => step.waiting.length > 0)
      .toSorted((a, b) => a.since - b.since)
    const next = waiting[0]
    if (!next) return
    const isQuiet = now - this.#lastSaid > quietTime
    const isLong = now - next.since > maxWait && now - this.#currentSince > maxWait
    if (this.#current === undefined || isQuiet || isLong) this.#show(next.event.id, now)
  }

  #show(id: string, now: number): void {
    const step = this.#steps.get(id)
    if (!step) return
    if (this.#current !== id) {
      const left = this.#current === undefined ? '' : `#${this.#current} ...\n`
      this.#write(`${left}${this.#isFirst ? '' : '\n'}#${id} ${step.event.name}\n`)
      this.#isFirst = false
      this.#current = id
      this.#currentSince = now
    }
    this.#lastSaid = now
    this.#write(
      step.waiting
        .splice(0)
        .map((line) => `#${id} ${line}\n`)
        .join(''),
    )
  }
}

function statusLine(status: StatusEvent): string {
  const duration = (status.completed ?? status.started) - status.started
  return `${status.text}${duration > 10 ? ` ${seconds(duration)}` : ''} done`
}

/** As precise as there is room for it: `0.123`, `12.34`, `123.4`. */
function timeOf(milliseconds: number): string {
  const time = Math.max(0, milliseconds) / 1000
  return time.toFixed(time < 10 ? 3 : time < 100 ? 2 : 1)
}
