import type { BuildOutline, BuildTargets, CheckFinding, CheckReport } from './check.ts'

/**
 * The answers of a check in the shape of docker's `--call …,format=json` (BuildKit's `frontend.lint`, `frontend.outline`
 * and `frontend.targets`), which both the command line and BuildKit's API give.
 */
export interface LintWarning {
  ruleName: string
  description: string
  url?: string
  detail: string
  location: Location
}

interface Location {
  sourceIndex?: number
  ranges: { start: { line: number }; end: { line: number } }[]
}

interface SourceText {
  readonly name: string
  readonly text: string
}

/** Docker has warnings alone: `hints` are our findings of level info, `better` says how it is better written. */
export function lintResult(report: CheckReport, source: SourceText): Record<string, unknown> {
  const warnings = report.findings.filter(({ level }) => level !== 'info')
  const hints = report.findings.filter(({ level }) => level === 'info')
  return {
    warnings: warnings.map(lintWarning),
    ...(hints.length > 0 && { hints: hints.map(lintWarning) }),
    sources: [
      {
        filename: source.name,
        language: 'Dockerfile',
        data: base64(source.text),
      },
    ],
    ...(report.error && {
      buildError: { message: report.error.message, location: locationOf(report.error) },
    }),
  }
}

/** Docker: 1 when there is any warning, or the Dockerfile cannot be built. Hints are none. */
export function lintStatus(report: CheckReport): 0 | 1 {
  return report.error || report.findings.some(({ level }) => level !== 'info') ? 1 : 0
}

function lintWarning(finding: CheckFinding): LintWarning & { level?: string; better?: string } {
  const { rule, description, url, message, level, better } = finding
  return {
    ruleName: rule,
    description,
    ...(url !== undefined && { url }),
    detail: message,
    location: locationOf(finding),
    ...(level !== 'warning' && { level }),
    ...(better !== undefined && { better }),
  }
}

export function outlineResult(outline: BuildOutline, source: SourceText): Record<string, unknown> {
  const { name, description, args, secrets, ssh, cache } = outline
  const located = <T extends { line: number }>(list: readonly T[]) =>
    list.map(({ line, ...item }) => ({ ...item, location: locationOf({ startLine: line, endLine: line }) }))
  return {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...(args.length > 0 && { args: located(args) }),
    ...(secrets.length > 0 && { secrets: located(secrets) }),
    ...(ssh.length > 0 && { ssh: located(ssh) }),
    ...(cache.length > 0 && { cache: located(cache.map(({ id, line }) => ({ ID: id, line }))) }),
    sources: [base64(source.text)],
  }
}

export function targetsResult({ targets }: BuildTargets, source: SourceText): Record<string, unknown> {
  return {
    targets: targets.map(({ line, ...target }) => ({
      ...target,
      location: locationOf({ startLine: line, endLine: line }),
    })),
    sources: [base64(source.text)],
  }
}

/** Docker: a range for each line. */
function locationOf({ startLine, endLine }: { startLine: number; endLine: number }): Location {
  const lines = Array.from({ length: Math.max(1, endLine - startLine + 1) }, (_, index) => startLine + index)
  return { ranges: lines.map((line) => ({ start: { line }, end: { line } })) }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}
