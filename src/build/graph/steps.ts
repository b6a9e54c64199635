import type { BuildStep } from '../../wire/build.ts'
import type { Instruction } from '../dockerfile/instructions.ts'
import type { Program, Stage } from '../dockerfile/stages.ts'

const steps: ReadonlySet<Instruction['kind']> = new Set(['run', 'copy', 'add', 'workdir'])

/** Numbers the steps of one stage as people see them: `[builder 2/4] `, `[linux/arm64 builder 2/4] `. */
export class StepCounter {
  readonly #total: number
  readonly #stage: string
  readonly #shownStage: string
  #index = 0

  constructor(
    program: Program,
    stage: Stage,
    o: { fromImage: boolean; triggers: number; platform?: string | undefined },
  ) {
    this.#total =
      (o.fromImage ? 1 : 0) +
      o.triggers +
      stage.body.filter((instruction) => steps.has(instruction.kind)).length
    this.#stage = stage.name ?? `stage-${stage.index}`
    const words = [o.platform, program.stages.length > 1 ? this.#stage : undefined]
    this.#shownStage = words.map((word) => (word === undefined ? '' : `${word} `)).join('')
  }

  next(instruction: Instruction, text: string): { prefix: string; step: BuildStep } {
    const index = ++this.#index
    const { range } = instruction.node
    const width = String(this.#total).length
    return {
      prefix: `[${this.#shownStage}${String(index).padStart(width)}/${this.#total}] `,
      step: {
        stage: this.#stage,
        index,
        total: this.#total,
        startLine: range.start.line,
        endLine: range.end.line,
        text,
      },
    }
  }
}
