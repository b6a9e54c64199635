import { IgnoreMatcher, type IgnorePattern } from '../../lib/ignore.ts'
import { canonical, parseReference, withDefaultTag } from '../../lib/reference.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ImageConfig } from '../../wire/container.ts'
import { expand, ExpandError, type Expansion, type ExpandOptions } from '../dockerfile/expand.ts'
import type { Instruction, Word } from '../dockerfile/instructions.ts'
import type { Program, Stage } from '../dockerfile/stages.ts'
import type { Range } from '../dockerfile/source.ts'
import { hostPlatform } from '../../image/index.ts'
import { platformArgs } from '../graph/scope.ts'
import type { RuleName } from './rules.ts'

/** What is known of an image that a stage starts from. */
export interface BaseImage {
  readonly config: ImageConfig
  readonly os: string
  readonly architecture: string
}

export interface CheckInput {
  readonly program: Program
  readonly buildArgs: Readonly<Record<string, string>>
  readonly target?: string
  /** Docker: a check looks at all stages, a build at those that it needs. */
  readonly allStages: boolean
  /** Platforms of base images are not looked at. */
  readonly otherPlatform?: boolean
  /** The ignore file; absent: there is none. */
  readonly ignore?: { readonly name: string; readonly patterns: readonly IgnorePattern[] }
  /** Paths at the top of the context; absent: not known. */
  readonly files?: readonly string[]
  /** An image that is here, by canonical name. */
  baseImage(reference: string): BaseImage | undefined
}

/** Says that a rule is broken. `better`: lines of a Dockerfile. */
export type Report = (rule: RuleName, at: Range, message: string, better?: string) => void

/** A Dockerfile with its stages tied together, as rules look at it. */
export interface View {
  readonly input: CheckInput
  readonly stages: readonly StageView[]
  readonly target: StageView
  /** ARGs before the first FROM, build arguments counted. */
  readonly globals: ReadonlyMap<string, string>
  readonly matcher: IgnoreMatcher | undefined
}

export interface StageView {
  readonly stage: Stage
  /** The name after FROM, variables expanded. */
  readonly baseName: string
  readonly base:
    | { readonly kind: 'scratch' }
    | { readonly kind: 'stage'; readonly stage: StageView }
    | { readonly kind: 'image'; readonly known: BaseImage | undefined }
  /** Whether its instructions are looked at. */
  readonly checked: boolean
}

export function makeView(input: CheckInput): View | undefined {
  const { program } = input
  const globals = globalArgs(program, input.buildArgs)
  const stages: (StageView & { checked: boolean })[] = []
  for (const stage of program.stages) {
    const baseName = quietExpand(stage.from.image, globals, program.file)?.text ?? stage.from.image.text
    const earlier = stages.findLast((each) => each.stage.name === baseName.toLowerCase())
    stages.push({ stage, baseName, base: baseOf(input, baseName, earlier), checked: input.allStages })
  }
  const target = targetOf(input, stages)
  if (!target) return undefined
  markReachable(stages, target)
  const matcher = input.ignore && new IgnoreMatcher(input.ignore.patterns)
  return { input, stages, target, globals, matcher }
}

/** The values of the ARGs before the first FROM; without build arguments when none are given. */
export function globalArgs(
  program: Program,
  buildArgs: Readonly<Record<string, string>>,
): Map<string, string> {
  const values = platformArgs({ stage: 'default', build: hostPlatform(), target: hostPlatform() })
  for (const { args } of program.globals)
    for (const { key, value } of args) {
      const given = Object.hasOwn(buildArgs, key.text) ? buildArgs[key.text] : undefined
      const text = given ?? (value && quietExpand(value, values, program.file)?.text)
      if (text !== undefined) values.set(key.text, text)
    }
  return values
}

/** Nothing for what cannot be expanded: the build says so itself. */
export function quietExpand(
  word: Pick<Word, 'text'>,
  variables: ReadonlyMap<string, string>,
  options: ExpandOptions,
): Expansion | undefined {
  try {
    return expand(word.text, variables, options)
  } catch (error) {
    if (error instanceof ExpandError) return undefined
    throw error
  }
}

function baseOf(input: CheckInput, name: string, earlier: StageView | undefined): StageView['base'] {
  if (earlier) return { kind: 'stage', stage: earlier }
  if (name === 'scratch') return { kind: 'scratch' }
  try {
    return { kind: 'image', known: input.baseImage(canonical(withDefaultTag(parseReference(name)))) }
  } catch (error) {
    if (error instanceof EngineError) return { kind: 'image', known: undefined }
    throw error
  }
}

function targetOf(input: CheckInput, stages: readonly StageView[]): StageView | undefined {
  const { target } = input
  if (target === undefined || target === '') return stages.at(-1)
  const named = stages.findLast(({ stage }) => stage.name === target.toLowerCase())
  return named ?? stages[/^\d+$/.test(target) ? Number(target) : -1]
}

function markReachable(stages: readonly (StageView & { checked: boolean })[], target: StageView): void {
  const todo = [target]
  const seen = new Set<StageView>()
  for (let view = todo.pop(); view; view = todo.pop()) {
    if (seen.has(view)) continue
    seen.add(view)
    if (view.base.kind === 'stage') todo.push(view.base.stage)
    for (const source of sourcesOf(view.stage.body)) {
      const found =
        stages.findLast(({ stage }) => stage.name === source.toLowerCase()) ??
        stages[/^\d+$/.test(source) ? Number(source) : -1]
      if (found) todo.push(found)
    }
  }
  for (const view of stages) if (seen.has(view)) view.checked = true
}

function sourcesOf(body: readonly Instruction[]): string[] {
  return body.flatMap((i) => {
    if (i.kind === 'copy' || i.kind === 'add') return i.from ? [i.from.text] : []
    if (i.kind !== 'run') return []
    return i.mounts.flatMap((word) => mountOption(word.text, 'from') ?? [])
  })
}

/** One option of a `--mount` flag as written. */
export function mountOption(text: string, ...names: string[]): string | undefined {
  for (const option of text.split(',')) {
    const equals = option.indexOf('=')
    if (equals > 0 && names.includes(option.slice(0, equals).trim().toLowerCase()))
      return option.slice(equals + 1)
  }
  return undefined
}

/** A stage with those it is built on, the first one first. */
export function lineage(view: StageView): StageView[] {
  return view.base.kind === 'stage' ? [...lineage(view.base.stage), view] : [view]
}

/** The image at the bottom of a stage; nothing for `scratch`. */
export function rootImage(
  view: StageView,
): { readonly view: StageView; readonly known: BaseImage | undefined } | undefined {
  const [first] = lineage(view)
  return first?.base.kind === 'image' ? { view: first, known: first.base.known } : undefined
}

/** The instructions of a stage and of those it is built on. */
export function instructionsOf(view: StageView): Instruction[] {
  return lineage(view).flatMap(({ stage }) => stage.body)
}
