import { shortId } from '../../lib/id.ts'
import type { BuildEvent, BuildStep, VertexEvent, WarningEvent } from '../../wire/build.ts'
import type { ProgressMessage } from '../../wire/image.ts'

function warningText({ rule, message, startLine }: WarningEvent): string {
  return `${rule === undefined ? '' : `${rule}: `}${message}${startLine === undefined ? '' : ` (line ${startLine})`}`
}

interface Step {
  readonly vertex: string
  readonly step: BuildStep
  /** Not yet shown: another step is. */
  readonly waiting: ProgressMessage[]
  shown: boolean
  over: boolean
}

/**
 * A parallel build told as docker's classic builder tells one: step after step. Steps are shown in the order in which
 * they begin, and what a later one says waits until the earlier ones are over.
 */
export class ClassicProgress {
  readonly #send: (message: ProgressMessage) => void
  readonly #steps: Step[] = []
  /** All steps that there will be: the builder announces them before it starts. */
  readonly #known = new Set<string>()
  #count = 0

  constructor(send: (message: ProgressMessage) => void) {
    this.#send = send
  }

  push(event: BuildEvent): void {
    switch (event.type) {
      case 'vertex':
        this.#vertex(event)
        break
      case 'log': {
        const step = this.#steps.find((candidate) => candidate.vertex === event.vertex)
        if (step) this.#say(step, event.data)
        break
      }
      case 'warning':
        this.#send({ stream: `[Warning] ${warningText(event)}\n` })
        break
      case 'result':
        this.#send({ aux: { ID: event.imageId } })
        this.#send({ stream: `Successfully built ${shortId(event.imageId)}\n` })
        for (const tag of event.tags) this.#send({ stream: `Successfully tagged ${tag}\n` })
        break
      case 'status':
      // The failure is sent when the build has ended.
      case 'error':
        break
    }
  }

  #vertex(event: VertexEvent): void {
    if (!event.step) return
    this.#known.add(event.id)
    if (event.started === undefined && event.completed === undefined) return
    let step = this.#steps.find((candidate) => candidate.vertex === event.id)
    if (!step) {
      step = { vertex: event.id, step: event.step, waiting: [], shown: false, over: false }
      this.#steps.push(step)
      this.#advance()
    }
    if (event.completed === undefined || step.over) return
    if (event.cached) this.#say(step, ' ---> Using cache\n')
    step.over = true
    this.#advance()
  }

  #say(step: Step, text: string): void {
    if (step.shown) this.#send({ stream: text })
    else step.waiting.push({ stream: text })
  }

  /** Shows the next step when those before it are over. */
  #advance(): void {
    for (const step of this.#steps) {
      if (!step.shown) {
        step.shown = true
        this.#count++
        this.#send({ stream: `Step ${this.#count}/${this.#known.size} : ${step.step.text}\n` })
        for (const message of step.waiting.splice(0)) this.#send(message)
      }
      if (!step.over) return
    }
  }
}
