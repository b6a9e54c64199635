import { parseIgnore } from '../../lib/ignore.ts'
import type { Op } from '../../lib/op.ts'
import type { CheckAnswer, CheckReport, CheckRequest } from '../../wire/check.ts'
import { BuildError } from '../dockerfile/source.ts'
import { parseProgram, type Program } from '../dockerfile/stages.ts'
import { baseImageOf, type BuildChecks } from './build-checks.ts'
import { checkText } from './check.ts'
import { conversionFault } from './conversion.ts'
import { outlineOf, targetsOf } from './outline.ts'

export interface AnswerOptions extends Pick<BuildChecks, 'findImage'> {
  /** Options of the daemon's configuration. */
  readonly daemon?: string
}

/** Answers `POST /gantry/build/check`. Faults in the Dockerfile are part of the answer; wrong options are thrown. */
export async function answerCheck(op: Op, request: CheckRequest, o: AnswerOptions): Promise<CheckAnswer> {
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
      const report = checkText({ ...common, name, text, sources })
      return { report: await withConversion(op, report, { request, findImage: (ref) => o.findImage(ref) }) }
    }
    const input = { ...common, program: parseProgram(name, text) }
    return method === 'outline' ? { outline: outlineOf(input) } : { targets: targetsOf(input) }
  } catch (error) {
    if (error instanceof BuildError) return { report: failed(error) }
    throw error
  }
}

/** What a build would find before its first step comes before what the findings make a fault. */
async function withConversion(
  op: Op,
  report: CheckReport,
  o: { request: CheckRequest } & Pick<AnswerOptions, 'findImage'>,
): Promise<CheckReport> {
  let program: Program
  try {
    program = parseProgram(o.request.name, o.request.text)
  } catch (error) {
    if (error instanceof BuildError) return report
    throw error
  }
  const { buildArgs, target } = o.request
  const fault = await conversionFault(op, program, {
    buildArgs,
    ...(target !== undefined && { target }),
    findImage: (ref) => o.findImage(ref),
  })
  return fault ? { ...report, ...failed(fault), findings: report.findings } : report
}

function failed({ message, range }: BuildError): CheckReport {
  return { findings: [], error: { message, startLine: range.start.line, endLine: range.end.line } }
}
