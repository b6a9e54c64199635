import { RootDir } from '../../host/root-dir.ts'
import type { IgnorePattern } from '../../lib/ignore.ts'
import { EngineError, hasCode, messageOf } from '../../lib/errors.ts'
import type { Image } from '../../image/index.ts'
import type { CheckFinding } from '../../wire/check.ts'
import { parseProgram, type Program } from '../dockerfile/stages.ts'
import { BuildError } from '../dockerfile/source.ts'
import type { Progress } from '../solver/progress.ts'
import { checkProgram, checkText, optionsFor, type Checked } from './check.ts'
import type { BaseImage } from './view.ts'

/** The project's own options, at the top of the context. */
const projectFile = '.gantry-checks'
const maxProjectFile = 64 << 10
/** More names than people look through. */
const maxFiles = 1000

export interface BuildChecks {
  readonly program: Program
  /** The context, as the build sees it. */
  readonly root: string
  readonly ignore: readonly IgnorePattern[]
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  /** Another platform than this host's is asked for: base images here may be of either. */
  readonly otherPlatform?: boolean
  /** Options of the daemon and of whoever asked for the build. */
  readonly options: { readonly daemon?: string; readonly request?: string }
  readonly progress: Progress
  /** Throws kind `not-found`. */
  findImage(reference: string): Image
}

/** Reads a Dockerfile; what is to be said of the lines before a fault is said, too. */
export function parseWithChecks(
  definition: { readonly name: string; readonly text: string },
  checks: Pick<BuildChecks, 'progress' | 'buildArgs' | 'options' | 'findImage'>,
): Program {
  const { name, text } = definition
  try {
    return parseProgram(name, text)
  } catch (error) {
    if (!(error instanceof BuildError)) throw error
    const baseImage = (reference: string) => baseImageOf(checks, reference)
    const { buildArgs, options: sources } = checks
    const { findings } = checkText({ name, text, buildArgs, allStages: true, baseImage, sources })
    warn(checks.progress, name, findings)
    throw error
  }
}

/**
 * Waits for the work that finds the base images, and then reports what the rules say of the Dockerfile, also when that
 * work failed. Findings that the options make a failure fail it, before any step has run.
 */
export async function withChecks<T>(work: Promise<T>, checks: BuildChecks): Promise<T> {
  let result: T
  try {
    result = await work
  } catch (error) {
    report(checks)
    throw error
  }
  const failure = report(checks)
  if (!failure) return result
  throw new BuildError('invalid', failure.message, {
    source: checks.program.file.source,
    range: failure.range,
  })
}

function report(checks: BuildChecks): Checked['failure'] {
  const { program, progress, buildArgs, target, ignore } = checks
  using root = RootDir.open(checks.root)
  const options = optionsFor(program, buildArgs, { ...checks.options, project: readProject(root) })
  const checked = checkProgram(
    {
      program,
      buildArgs,
      ...(target !== undefined && { target }),
      allStages: false,
      otherPlatform: checks.otherPlatform ?? false,
      ...(ignore.length > 0 && { ignore: { name: '.dockerignore', patterns: ignore } }),
      files: root.list('.').slice(0, maxFiles),
      baseImage: (reference) => baseImageOf(checks, reference),
    },
    options,
  )
  warn(progress, program.file.source.name, checked.findings)
  return checked.failure
}

/** Hints are not for every build. */
function warn(progress: Progress, file: string, findings: readonly CheckFinding[]): void {
  for (const { level, ...finding } of findings)
    if (level !== 'info') progress.warn({ ...finding, level, file })
}

/** What the rules ask of an image that is here. */
export function baseImageOf(
  images: Pick<BuildChecks, 'findImage'>,
  reference: string,
): BaseImage | undefined {
  try {
    const { config } = images.findImage(reference)
    return { config: config.config ?? {}, os: config.os, architecture: config.architecture }
  } catch (error) {
    if (error instanceof EngineError && error.kind === 'not-found') return undefined
    throw error
  }
}

function readProject(root: RootDir): string {
  try {
    return root.readFile(projectFile, maxProjectFile).toString()
  } catch (cause) {
    if (hasCode(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) return ''
    throw new EngineError('invalid', `cannot read ${projectFile}: ${messageOf(cause)}`, { cause })
  }
}
