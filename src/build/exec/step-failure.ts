import { EngineError } from '../../lib/errors.ts'
import type { RunStep } from '../graph/works.ts'

/** The command of a RUN ended badly, or could not be run at all. */
export class StepFailure extends EngineError {
  readonly step: RunStep
  /** Absent: it never ran. */
  readonly code: number | undefined
  /** The end of what it wrote. */
  readonly output: string
  /** Its limit in bytes; 0: none. */
  readonly memory: number

  constructor(
    o: { step: RunStep; memory?: number | undefined } & (
      | { code: number; output: string }
      | { reason: string; cause: unknown }
    ),
  ) {
    super(
      'invalid',
      `process ${JSON.stringify(o.step.args.join(' '))} did not complete successfully: ${'code' in o ? `exit code: ${o.code}` : o.reason}`,
      'code' in o ? {} : { cause: o.cause },
    )
    this.name = 'StepFailure'
    this.step = o.step
    this.code = 'code' in o ? o.code : undefined
    this.output = 'code' in o ? o.output : ''
    this.memory = o.memory ?? 0
  }
}

/** The failure of a step that an error comes from. */
export function stepFailureIn(error: unknown): StepFailure | undefined {
  for (let e = error; e instanceof Error; e = e.cause) if (e instanceof StepFailure) return e
  return undefined
}
