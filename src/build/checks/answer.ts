import { parseIgnore } from '../../lib/ignore.ts'
import type { CheckAnswer, CheckReport, CheckRequest } from '../../wire/check.ts'
import { BuildError } from '../dockerfile/source.ts'
import { parseProgram } from '../dockerfile/stages.ts'
import { baseImageOf, type BuildChecks } from './build-checks.ts'
import { checkText } from './check.ts'
import { outlineOf, targetsOf } from './outline.ts'

export interface AnswerOptions extends Pick<BuildChecks, 'findImage'> {
  /** Options of the daemon's configuration. */
  readonly daemon?: string
}

/** Answers `POST /gantry/build/check`. Faults in the Dockerfile are part of the answer; wrong options are thrown. */
export function answerCheck(request: CheckRequest, o: AnswerOptions): CheckAnswer {
  const { method, name, text, ignore, files, buildArgs, target } = request
  const common = {
    buildArgs,
    ...(target !== undefined && { target }),
    allStages: true,
    ...(files && { files }),
    ...(ignore && { ignore: { name: ignore.name, patterns: parseIgnore(ignore.text) } }),
    baseImage: (reference: string) => baseImageOf(o, reference),
  }
  try {
    if (method === 'lint') {
      const sources = {
        ...(o.daemon !== undefined && { daemon: o.daemon }),
        ...(request.project !== undefined && { project: request.project }),
        ...(request.options !== undefined && { request: request.options }),
      }
      return { report: checkText({ ...common, name, text, sources }) }
    }
    const input = { ...common, program: parseProgram(name, text) }
    return method === 'outline' ? { outline: outlineOf(input) } : { targets: targetsOf(input) }
  } catch (error) {
    if (error instanceof BuildError) return { report: failed(error) }
    throw error
  }
}

function failed({ message, range }: BuildError): CheckReport {
  return { findings: [], error: { message, startLine: range.start.line, endLine: range.end.line } }
}
