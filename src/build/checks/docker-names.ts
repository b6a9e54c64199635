import { parseReference } from '../../lib/reference.ts'
import { EngineError } from '../../lib/errors.ts'
import type { InstructionNode } from '../dockerfile/parser.ts'
import { nearest } from './nearest.ts'
import { hostArchitecture } from '../graph/scope.ts'
import { globalArgs, quietExpand, type Report, type StageView, type View } from './view.ts'

const reserved: ReadonlySet<string> = new Set(['context', 'scratch'])

/** Docker's rules of how things are written and named, and of FROM. */
export function checkNames(view: View, report: Report): void {
  const { program } = view.input
  emptyContinuations(view, report)
  for (const stage of view.stages) casingOfFrom(stage, report)
  descriptions(view, report)
  casingOfInstructions(view, report)
  for (const { stage } of view.stages)
    for (const i of stage.body)
      if (i.kind === 'maintainer')
        report(
          'MaintainerDeprecated',
          i.node.range,
          'Maintainer instruction is deprecated in favor of using label',
          `LABEL org.opencontainers.image.authors=${JSON.stringify(i.name)}`,
        )
  stageNames(view, report)
  defaultsInFrom(view, report)
  const globals = globalArgs(program, view.input.buildArgs)
  const declared = new Set(globals.keys())
  for (const { args } of program.globals) for (const { key } of args) declared.add(key.text)
  for (const stage of view.stages) {
    undeclaredInFrom(view, stage, { declared, report })
    platformOfFrom(view, stage, report)
  }
}

function emptyContinuations(view: View, report: Report): void {
  const { file } = view.input.program
  for (const node of file.instructions) {
    // Docker: said of the line where the instruction ends, here-documents aside.
    const last = node.args.positionOf(node.args.text.length).line
    const inside = ({ start }: { start: { line: number } }) =>
      start.line > node.range.start.line && start.line <= last
    if (file.emptyContinuations.some(inside))
      report('NoEmptyContinuation', lineOf(last), 'Empty continuation line')
  }
}

function lineOf(line: number) {
  return { start: { line, column: 1 }, end: { line, column: 1 } }
}

function words(node: InstructionNode): string[] {
  return node.args.text.split(/\s+/).filter((word) => word !== '' && !word.startsWith('--'))
}

function casingOfFrom({ stage }: StageView, report: Report): void {
  const { node } = stage.from
  const [image = '', as, name] = words(node)
  if (as === undefined || name === undefined) return
  if (name !== name.toLowerCase())
    report(
      'StageNameCasing',
      node.range,
      `Stage name '${name}' should be lowercase`,
      `${node.keyword} ${image} ${as} ${name.toLowerCase()}`,
    )
  const from = node.keyword
  const wanted =
    from === from.toLowerCase() ? as.toLowerCase() : from === from.toUpperCase() ? as.toUpperCase() : as
  if (as !== wanted)
    report(
      'FromAsCasing',
      node.range,
      `'${as}' and '${from}' keywords' casing do not match`,
      `${from} ${image} ${wanted} ${name}`,
    )
}

/** Comments right above FROM … AS and ARG describe them: docker shows them in `--call outline`. */
function descriptions(view: View, report: Report): void {
  const { program } = view.input
  const args = [...program.globals, ...program.stages.flatMap(({ body }) => body)]
  for (const { from, name } of program.stages) {
    const last = commentsAbove(view, from.node).at(-1)
    if (name !== undefined && last !== undefined && last.split(' ')[0] !== words(from.node)[2])
      report(
        'InvalidDefinitionDescription',
        from.node.range,
        `Comment for ${from.node.keyword.toUpperCase()} should follow the format: \`# ${words(from.node)[2]} <description>\``,
      )
  }
  for (const i of args) {
    if (i.kind !== 'arg') continue
    const last = commentsAbove(view, i.node).at(-1)
    const names = i.args.map(({ key }) => key.text)
    if (last === undefined || names.includes(last.split(' ')[0] ?? '')) continue
    const shown = names.length > 1 ? '<arg_key>' : names[0]
    report(
      'InvalidDefinitionDescription',
      i.node.range,
      `Comment for ARG should follow the format: \`# ${shown} <description>\``,
    )
  }
}

/** The texts of the comment lines that end right above an instruction; parser directives are none. */
export function commentsAbove(view: View, node: InstructionNode): string[] {
  const { source, directives } = view.input.program.file
  const taken = new Set([...directives.values()].map(({ range }) => range.start.line))
  const found: string[] = []
  for (let line = node.range.start.line - 1; line > 0 && !taken.has(line); line--) {
    const match = /^\s*#(.*)$/.exec(source.lines[line - 1] ?? '')
    const text = (match?.[1] ?? '').trim()
    // Docker: an empty comment parts the instruction from those above.
    if (text === '') break
    found.unshift(text)
  }
  return found
}

function casingOfInstructions(view: View, report: Report): void {
  const nodes = view.stages.flatMap(({ stage }) => [stage.from.node, ...stage.body.map(({ node }) => node)])
  const lower = nodes.filter(({ keyword }) => keyword === keyword.toLowerCase()).length
  const upper = nodes.filter(({ keyword }) => keyword === keyword.toUpperCase()).length
  const majority = lower > upper ? 'lowercase' : 'uppercase'
  for (const { keyword, range, args } of nodes) {
    const wanted = lower > upper ? keyword.toLowerCase() : keyword.toUpperCase()
    if (keyword === wanted) continue
    const message = `Command '${keyword}' should match the case of the command majority (${majority})`
    report('ConsistentInstructionCasing', range, message, `${wanted} ${args.text}`)
  }
}

function stageNames(view: View, report: Report): void {
  const seen = new Set<string>()
  for (const { stage } of view.stages) {
    const { name } = stage
    if (name === undefined) continue
    const at = stage.from.node.range
    if (reserved.has(name))
      report(
        'ReservedStageName',
        at,
        `Stage name should not use the same name as reserved stage ${JSON.stringify(name)}`,
      )
    if (seen.has(name))
      report(
        'DuplicateStageName',
        at,
        `Duplicate stage name ${JSON.stringify(name)}, stage names should be unique`,
      )
    seen.add(name)
  }
}

/** Docker: names of base images have to be right without any build argument, too. */
function defaultsInFrom(view: View, report: Report): void {
  const { program } = view.input
  const values = globalArgs(program, {})
  for (const { stage } of view.stages) {
    const { image, node } = stage.from
    const expansion = quietExpand(image, values, program.file)
    if (!expansion || isReference(expansion.text)) continue
    const unset = [...expansion.used].find((used) => !values.get(used))
    report(
      'InvalidDefaultArgInFrom',
      node.range,
      `Default value for ARG ${image.text} results in empty or invalid base image name`,
      unset === undefined ? undefined : `ARG ${unset}=VALUE`,
    )
  }
}

function isReference(name: string): boolean {
  try {
    parseReference(name)
    return true
  } catch (error) {
    if (error instanceof EngineError) return false
    throw error
  }
}

function undeclaredInFrom(
  view: View,
  { stage }: StageView,
  o: { declared: ReadonlySet<string>; report: Report },
): void {
  const { image, platform, node } = stage.from
  for (const word of platform ? [image, platform] : [image]) {
    const missing = quietExpand(word, view.globals, view.input.program.file)?.missing ?? []
    for (const name of new Set(missing.map((each) => each.name))) {
      if (o.declared.has(name)) continue
      const near = nearest(name, o.declared)
      const hint = near === undefined ? '' : ` (did you mean ${near}?)`
      o.report('UndefinedArgInFrom', node.range, `FROM argument '${name}' is not declared${hint}`)
    }
  }
}

function platformOfFrom(view: View, { stage, base, baseName }: StageView, report: Report): void {
  const { platform, node } = stage.from
  const own = { os: 'linux', architecture: hostArchitecture() }
  if (!platform) {
    const known = base.kind === 'image' && !view.input.otherPlatform ? base.known : undefined
    if (known && (known.os !== own.os || known.architecture !== own.architecture))
      report(
        'InvalidBaseImagePlatform',
        node.range,
        `Base image ${baseName} was pulled with platform "${known.os}/${known.architecture}", expected "${own.os}/${own.architecture}" for current build`,
      )
    return
  }
  const expansion = quietExpand(platform, view.globals, view.input.program.file)
  if (!expansion) return
  const used = [...expansion.used]
  const withoutFlag = `${node.keyword} ${words(node).join(' ')}`
  if (
    used.length === 1 &&
    used[0] === 'TARGETPLATFORM' &&
    expansion.text === view.globals.get('TARGETPLATFORM')
  )
    report(
      'RedundantTargetPlatform',
      node.range,
      `Setting platform to predefined ${platform.text} in FROM is redundant as this is the default behavior`,
      withoutFlag,
    )
  const [os = '', architecture = ''] = platformParts(expansion.text)
  const name = stage.name ?? ''
  if (
    used.length === 0 &&
    os !== '' &&
    !name.includes(os) &&
    (architecture === '' || !name.includes(architecture))
  )
    report(
      'FromPlatformFlagConstDisallowed',
      node.range,
      `FROM --platform flag should not use constant value ${JSON.stringify(expansion.text)}`,
      `${node.keyword} --platform=$BUILDPLATFORM ${words(node).join(' ')}`,
    )
}

/** Operating system and architecture; a lone word is either. Nothing for what is no platform. */
function platformParts(text: string): string[] {
  const parts = text.toLowerCase().split('/')
  if (parts.some((part) => !/^[a-z0-9_-]+$/.test(part))) return []
  if (parts.length > 1) return parts
  return ['linux', 'windows', 'darwin', 'freebsd'].includes(text)
    ? [text, hostArchitecture()]
    : ['linux', text]
}
