import { lintResult, lintStatus, outlineResult, targetsResult } from '../../wire/check-result.ts'
import type { CheckAnswer, CheckReport, CheckRequest } from '../../wire/check.ts'
import { EngineError } from '../../lib/errors.ts'

/** What a frontend can be asked besides a build, and the answer's form. */
const methods = {
  'frontend.lint': { method: 'lint', description: 'Lint a Dockerfile' },
  'frontend.outline': { method: 'outline', description: 'List all parameters current build target supports' },
  'frontend.targets': { method: 'targets', description: 'List all targets current build supports' },
} as const

export interface Definition {
  readonly name: string
  readonly text: string
  readonly ignore: string
}

type Metadata = Record<string, Uint8Array>

/** Answers `--call` in BuildKit's words: as text for people, as JSON, and with an exit status. */
export async function answerSubrequest(
  id: string,
  o: {
    definition: Definition
    buildArgs: Readonly<Record<string, string>>
    target: string | undefined
    check: (request: CheckRequest) => Promise<CheckAnswer>
  },
): Promise<Metadata> {
  if (id === 'frontend.subrequests.describe') return metadata({ json: described(), text: '' })
  const known = Object.entries(methods).find(([name]) => name === id)?.[1]
  if (!known) throw new EngineError('unsupported', `the request ${id} is not supported`)
  const { definition, buildArgs, target } = o
  const request: CheckRequest = {
    method: known.method,
    name: definition.name,
    text: definition.text,
    buildArgs,
    ...(definition.ignore !== '' && { ignore: { name: '.dockerignore', text: definition.ignore } }),
    ...(target !== undefined && { target }),
  }
  const { report, outline, targets } = await o.check(request)
  if (outline) return metadata({ json: outlineResult(outline, definition), text: '' })
  if (targets) return metadata({ json: targetsResult(targets, definition), text: '' })
  if (!report) throw new EngineError('internal', 'a check gave no answer')
  if (known.method !== 'lint') throw new EngineError('invalid', report.error?.message ?? 'cannot be read')
  const json = lintResult(report, definition)
  return metadata({ json, text: lintText(report, definition), status: lintStatus(report) })
}

function metadata(o: { json: unknown; text: string; status?: number }): Metadata {
  return {
    'result.json': Buffer.from(JSON.stringify(o.json, undefined, 2)),
    'result.txt': Buffer.from(o.text),
    'result.statuscode': Buffer.from(String(o.status ?? 0)),
    version: Buffer.from('1.0.0'),
  }
}

function described() {
  const names = [{ Name: 'result.json' }, { Name: 'result.txt' }]
  return Object.entries(methods).map(([Name, { description }]) => ({
    Name,
    Version: '1.0.0',
    Type: 'rpc',
    Description: description,
    Metadata: names,
  }))
}

function lintText(report: CheckReport, { name, text }: Definition): string {
  const lines = text.split('\n')
  return report.findings
    .filter(({ level }) => level !== 'info')
    .map(({ rule, url, description, message, startLine, endLine }) => {
      const excerpt = lines
        .slice(startLine - 1, endLine)
        .map((line, index) => `${startLine + index} | ${line}`)
      return [
        `WARNING: ${rule}${url === undefined ? '' : ` - ${url}`}`,
        description,
        message,
        `${name}:${startLine}`,
        ...excerpt,
        '',
      ].join('\n')
    })
    .join('\n')
}
