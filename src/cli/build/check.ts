import type { CheckAnswer, CheckFinding, CheckReport, CheckRequest } from '../../wire/check.ts'
import { lintResult, lintStatus, outlineResult, targetsResult } from '../../wire/check-result.ts'
import { DaemonError } from '../../client/index.ts'
import { EngineError, hasCode } from '../../lib/errors.ts'
import { ExitError, type Context } from '../command.ts'
import { readPairs, toMap } from '../env.ts'
import { prepare, type Source } from './context.ts'
import type { Call } from './call.ts'
import type { Options } from './flags.ts'

const { readdirSync, readFileSync } = process.getBuiltinModule('node:fs')
const { basename, join } = process.getBuiltinModule('node:path')

/** Asks the daemon, which reads nothing but what is sent, and prints its answer. Returns the exit code. */
export async function check(
  context: Context,
  call: Call,
  o: {
    where: string
    options: Options
    /** What `where` means, if it is known. */
    source?: Source
  },
): Promise<number> {
  const request = requestOf(o.source ?? (await prepare(o.where, o.options)), call, o.options)
  let answer: CheckAnswer
  try {
    answer = await context.client.images.check(request)
  } catch (error) {
    if (error instanceof DaemonError && error.status === 404)
      throw new EngineError('unsupported', '--call: this daemon does not check Dockerfiles', { cause: error })
    throw error
  }
  const { report, outline, targets } = answer
  const source = { name: shownName(o), text: request.text }
  if (outline) context.out(call.json ? json(outlineResult(outline, request)) : outlineText(outline))
  if (targets) context.out(call.json ? json(targetsResult(targets, request)) : targetsText(targets))
  if (!report) return 0
  if (call.method !== 'lint' && report.error)
    throw new ExitError(1, `ERROR: failed to build: failed to solve: ${errorText(report.error, source)}`)
  if (call.json) context.out(json(lintResult(report, request)))
  else {
    context.out(lintText(report, source))
    if (report.error) throw new ExitError(1, `ERROR: ${errorText(report.error, source)}`)
  }
  return call.ignoreStatus ? 0 : lintStatus(report)
}

/** Docker: the Dockerfile's path as it was given. */
function shownName({ where, options }: { where: string; options: Options }): string {
  if (options.file !== '' && options.file !== '-') return options.file
  return where === '-' ? 'Dockerfile' : join(where, 'Dockerfile')
}

const json = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`

function requestOf(source: Source, call: Call, options: Options): CheckRequest {
  const optionTexts = [
    ...options['check-options'],
    ...(options['check-version'] === '' ? [] : [`version=${options['check-version']}`]),
    ...(call.error ? ['error=true'] : []),
  ]
  return {
    method: call.method,
    ...textsOf(source),
    buildArgs: toMap(readPairs([], options['build-arg'], process.env)),
    ...(options.target !== '' && { target: options.target }),
    ...(optionTexts.length > 0 && { options: optionTexts.join(';') }),
  }
}

/** No more names of the context than a daemon takes. */
const maxFiles = 1000

function textsOf(source: Source): Pick<CheckRequest, 'name' | 'text' | 'ignore' | 'files' | 'project'> {
  if (source.kind === 'text') return { name: 'Dockerfile', text: source.text }
  if (source.kind !== 'directory')
    throw new EngineError(
      'unsupported',
      '--call: only a Dockerfile in a directory or on standard input can be checked',
    )
  const { path, dockerfile } = source
  const text = source.text ?? readFileSync(dockerfile, 'utf8')
  const ignore = source.text === undefined ? readIfThere(`${dockerfile}.dockerignore`) : undefined
  const plain = readIfThere(join(path, '.dockerignore'))
  const project = readIfThere(join(path, '.gantry-checks'))
  return {
    name: basename(dockerfile),
    text,
    ...(ignore === undefined
      ? plain !== undefined && { ignore: { name: '.dockerignore', text: plain } }
      : { ignore: { name: `${basename(dockerfile)}.dockerignore`, text: ignore } }),
    files: readdirSync(path).slice(0, maxFiles),
    ...(project !== undefined && { project }),
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined
    throw error
  }
}

interface SourceText {
  readonly name: string
  readonly text: string
}

/** Docker's words and lines for warnings; hints and better versions are ours. */
export function lintText(report: CheckReport, source: SourceText): string {
  const warnings = report.findings.filter(({ level }) => level !== 'info')
  const hints = report.findings.filter(({ level }) => level === 'info')
  const count =
    warnings.length === 1 ? '1 warning has been found!' : `${warnings.length} warnings have been found!`
  let out = ''
  if (warnings.length > 0)
    out += `Check complete, ${count}\n${warnings.map((each) => findingText(each, source)).join('')}`
  else if (!report.error) out += 'Check complete, no warnings found.\n'
  if (hints.length > 0)
    out += `\n${hints.length === 1 ? '1 hint' : `${hints.length} hints`}:\n${hints.map((each) => findingText(each, source)).join('')}`
  if (report.error && out !== '') out += '\n'
  return out
}

const labels = { error: 'ERROR', warning: 'WARNING', info: 'HINT' } as const

function findingText(finding: CheckFinding, source: SourceText): string {
  const { rule, url, message, level, better } = finding
  const more =
    better === undefined
      ? ''
      : `Better:\n${better
          .split('\n')
          .map((line) => `   ${line}\n`)
          .join('')}`
  return `\n${labels[level]}: ${rule}${url === undefined ? '' : ` - ${url}`}\n${message}\n${excerpt(finding, source)}${more}`
}

function errorText(error: NonNullable<CheckReport['error']>, source: SourceText): string {
  return `${error.message}\n${excerpt(error, source)}`.trimEnd()
}

/** BuildKit's: the lines with a few around them, `>>>` at those that are meant. */
export function excerpt(place: { startLine: number; endLine: number }, { name, text }: SourceText): string {
  const lines = text.replace(/^\uFEFF/, '').split(/\r?\n/)
  if (place.startLine < 1 || place.startLine > lines.length) return ''
  let first = place.startLine
  let last = Math.min(Math.max(place.endLine, first), lines.length)
  const pad = first === last ? 4 : 2
  for (let added = 0; added < pad; added++) {
    if (first > 1) {
      first--
      added++
    }
    if (last < lines.length) {
      last++
      added++
    }
  }
  let out = `${name}:${place.startLine}\n--------------------\n`
  for (let line = first; line <= last; line++) {
    const inside = line >= place.startLine && line <= place.endLine
    out += ` ${String(line).padStart(3)} | ${inside ? '>>>' : '   '} ${lines[line - 1] ?? ''}\n`
  }
  return `${out}--------------------\n`
}

/** Go's tabwriter with so many spaces between. */
function table(rows: readonly (readonly string[])[], gap: number): string {
  const widths: number[] = []
  for (const row of rows)
    for (const [index, cell] of row.slice(0, -1).entries())
      widths[index] = Math.max(widths[index] ?? 0, cell.length + gap)
  const line = (row: readonly string[]) =>
    row.map((cell, index) => (index < row.length - 1 ? cell.padEnd(widths[index] ?? 0) : cell)).join('')
  return rows.map((row) => `${line(row)}\n`).join('')
}

function outlineText(outline: NonNullable<CheckAnswer['outline']>): string {
  const { name, description, args, secrets, ssh } = outline
  const parts: string[][][] = []
  if (name !== undefined || description !== undefined)
    parts.push([
      ['TARGET:', name ?? '(default)'],
      ...(description === undefined ? [] : [['DESCRIPTION:', description]]),
    ])
  if (args.length > 0)
    parts.push([
      ['BUILD ARG', 'VALUE', 'DESCRIPTION'],
      ...args.map((arg) => [arg.name, arg.value ?? '', arg.description ?? '']),
    ])
  const required = (list: readonly { name: string; required?: boolean }[]) =>
    list.map((each) => [each.name, each.required ? 'true' : ''])
  if (secrets.length > 0) parts.push([['SECRET', 'REQUIRED'], ...required(secrets)])
  if (ssh.length > 0) parts.push([['SSH', 'REQUIRED'], ...required(ssh)])
  return parts.map((rows) => `${table(rows, 3)}\n`).join('')
}

function targetsText({ targets }: NonNullable<CheckAnswer['targets']>): string {
  const label = (each: (typeof targets)[number]) =>
    each.default ? (each.name === undefined ? '(default)' : `${each.name} (default)`) : (each.name ?? '')
  return table(
    [['TARGET', 'DESCRIPTION'], ...targets.map((each) => [label(each), each.description ?? ''])],
    1,
  )
}
