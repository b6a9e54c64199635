import { EngineError, messageOf } from '../../lib/errors.ts'
import type { CheckFinding, CheckReport } from '../../wire/check.ts'
import type { Program } from '../dockerfile/stages.ts'
import { parseProgram } from '../dockerfile/stages.ts'
import { BuildError, Source, type Range } from '../dockerfile/source.ts'
import { adviseImages } from './advice-images.ts'
import { adviseLayers } from './advice-layers.ts'
import { checkInstructions } from './docker-instructions.ts'
import { checkNames } from './docker-names.ts'
import { checkJsonForm } from './json-form.ts'
import { fails, levelUnder, mergeOptions, parseCheckOptions, type CheckOptions } from './options.ts'
import { rules, type Rule, type RuleName } from './rules.ts'
import { checkSecrets } from './secrets.ts'
import { makeView, type CheckInput, type Report } from './view.ts'

/** Where options come from, the weakest first. */
export interface OptionSources {
  /** The daemon's configuration. */
  readonly daemon?: string
  /** The project's `.gantry-checks`. */
  readonly project?: string
  /** Of the command line. */
  readonly request?: string
}

/** Docker: the build argument that takes the place of the `check` directive. */
const optionsArg = 'BUILDKIT_DOCKERFILE_CHECK'

/** Throws kind `invalid`: a BuildError when the fault is in the Dockerfile's own directive. */
export function optionsFor(
  program: Program,
  buildArgs: Readonly<Record<string, string>>,
  sources: OptionSources = {},
): CheckOptions {
  const read = (text = '') => parseCheckOptions(text)
  return mergeOptions([
    read(sources.daemon),
    read(projectOptions(sources.project ?? '')),
    directive(program, Object.hasOwn(buildArgs, optionsArg) ? buildArgs[optionsArg] : undefined),
    read(sources.request),
  ])
}

/** A file with an option on each line; `#` begins a comment. */
function projectOptions(text: string): string {
  const lines = text.split('\n').map((line) => line.replace(/#.*$/, '').trim())
  return lines.filter((line) => line !== '').join(';')
}

/** `given` takes the place of the directive. */
function directive({ file }: Program, given: string | undefined): CheckOptions {
  const found = given === undefined ? file.directives.get('check') : undefined
  try {
    return parseCheckOptions(given ?? found?.value ?? '')
  } catch (cause) {
    const message = `failed to parse check options: ${messageOf(cause)}`
    if (!found) throw new EngineError('invalid', message, { cause })
    throw new BuildError('invalid', message, { source: file.source, range: found.range, cause })
  }
}

export interface Checked {
  readonly findings: readonly CheckFinding[]
  /** What the options make of them; the first finding that counts is at `range`. */
  readonly failure?: { readonly message: string; readonly range: Range }
}

/** Runs all rules over a Dockerfile that can be read. */
export function checkProgram(input: CheckInput, options: CheckOptions): Checked {
  const view = makeView(input)
  if (!view) return { findings: [] }
  const found: { rule: Rule; finding: CheckFinding; range: Range }[] = []
  const spared = inlineSkips(input.program)
  const report: Report = (name, range, message, better) => {
    const rule: Rule = rules[name]
    const level = levelUnder(rule, options)
    if (level === undefined || spared(name, range)) return
    const { description, url } = rule
    const finding = {
      rule: name,
      level,
      description,
      message,
      startLine: range.start.line,
      endLine: range.end.line,
    }
    found.push({
      rule,
      range,
      finding: { ...finding, ...(url !== undefined && { url }), ...(better !== undefined && { better }) },
    })
  }
  for (const check of [
    checkNames,
    checkInstructions,
    checkJsonForm,
    checkSecrets,
    adviseImages,
    adviseLayers,
  ])
    check(view, report)
  found.sort((a, b) => a.range.start.line - b.range.start.line)
  const failing = found.filter(({ rule, finding }) => fails(rule, finding.level, options))
  const [first] = failing
  const names = [...new Set(failing.map(({ finding }) => finding.rule))].sort()
  return {
    findings: found.map(({ finding }) => finding),
    ...(first && {
      failure: { message: `lint violation found for rules: ${names.join(', ')}`, range: first.range },
    }),
  }
}

/** `# gantry-check skip=A,B` right above an instruction spares it those rules; `skip=all` spares it all. */
function inlineSkips({ file }: Program): (rule: RuleName, range: Range) => boolean {
  const byLine = new Map<number, readonly string[]>()
  for (const { range } of file.instructions)
    for (let line = range.start.line - 1; line > 0; line--) {
      const text = file.source.lines[line - 1] ?? ''
      if (!text.trimStart().startsWith('#')) break
      const list = /^\s*#\s*gantry-check\s+skip\s*=\s*(.+?)\s*$/.exec(text)?.[1]
      if (list !== undefined)
        byLine.set(
          range.start.line,
          list.split(',').map((name) => name.trim()),
        )
    }
  return (rule, range) => {
    const list = byLine.get(range.start.line) ?? []
    return list.includes('all') || list.includes(rule)
  }
}

export type TextCheck = Omit<CheckInput, 'program'> & { readonly name: string; readonly text: string } & {
  readonly sources?: OptionSources
}

/** Reads and checks. What stands before a fault in the text is checked, too; options with a fault are thrown. */
export function checkText(input: TextCheck): CheckReport {
  let program: Program | undefined
  let error: CheckReport['error']
  try {
    program = parseProgram(input.name, input.text)
  } catch (cause) {
    if (!(cause instanceof BuildError)) throw cause
    error = at(cause.message, cause.range)
    program = readUntil(input, cause.range.start.line)
  }
  if (!program) return { findings: [], ...(error && { error }) }
  const checked = checkProgram({ ...input, program }, optionsFor(program, input.buildArgs, input.sources))
  if (checked.failure) error ??= at(checked.failure.message, checked.failure.range)
  return { findings: [...checked.findings], ...(error && { error }) }
}

function at(message: string, { start, end }: Range): NonNullable<CheckReport['error']> {
  return { message, startLine: start.line, endLine: end.line }
}

function readUntil(input: { name: string; text: string }, line: number): Program | undefined {
  const head = new Source(input.name, input.text).lines.slice(0, line - 1).join('\n')
  try {
    return parseProgram(input.name, head)
  } catch (error) {
    if (error instanceof BuildError) return undefined
    throw error
  }
}
