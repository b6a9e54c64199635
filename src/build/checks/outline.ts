import type { BuildOutline, BuildTargets } from '../../wire/check.ts'
import { BuildError } from '../dockerfile/source.ts'
import type { Instruction, InstructionOf } from '../dockerfile/instructions.ts'
import { didYouMean } from '../dockerfile/suggest.ts'
import { commentsAbove } from './docker-names.ts'
import { makeView, mountOption, quietExpand, type CheckInput, type StageView, type View } from './view.ts'

/** The parameters that the target takes: build arguments, secrets, agents. Throws BuildError for a target that is not there. */
export function outlineOf(input: CheckInput): BuildOutline {
  const view = viewOf({ ...input, allStages: false })
  const { stage } = view.target
  const found: BuildOutline = { args: [], secrets: [], ssh: [], cache: [] }
  const needed = view.stages.filter(({ checked }) => checked)
  const description = describe(view, stage.from, [stage.name ?? ''])
  for (const i of usedGlobals(view, needed)) args(view, i, { found, values: view.globals })
  for (const each of needed) {
    const values = new Map(view.globals)
    for (const i of each.stage.body) {
      if (i.kind === 'arg') args(view, i, { found, values })
      if (i.kind === 'run') mounts(i, found)
    }
  }
  for (const list of [found.args, found.secrets, found.ssh, found.cache]) list.sort((a, b) => a.line - b.line)
  return {
    ...(stage.name !== undefined && { name: stage.name }),
    ...(description !== '' && { description }),
    ...found,
  }
}

/** The stages that `--target` may name, and the last one. */
export function targetsOf(input: CheckInput): BuildTargets {
  const view = viewOf(input)
  const last = view.stages.at(-1)
  const named = view.stages.filter((each) => each.stage.name !== undefined || each === last)
  return {
    targets: named.map((each) => {
      const { stage } = each
      const description = describe(view, stage.from, [stage.name ?? ''])
      return {
        ...(stage.name !== undefined && { name: stage.name }),
        ...(each === last && { default: true }),
        ...(description !== '' && { description }),
        base: stage.from.image.text,
        ...(stage.from.platform && { platform: stage.from.platform.text }),
        line: stage.from.node.range.start.line,
      }
    }),
  }
}

function viewOf(input: CheckInput): View {
  const view = makeView(input)
  if (view) return view
  const { stages, file } = input.program
  const names = stages.flatMap((stage) => stage.name ?? [])
  const last = stages.at(-1)?.from.node.range ?? {
    start: { line: 1, column: 1 },
    end: { line: 1, column: 1 },
  }
  throw new BuildError(
    'invalid',
    `target stage ${JSON.stringify(input.target)} could not be found${didYouMean(input.target ?? '', names)}`,
    { source: file.source, range: last },
  )
}

/** Docker: a comment right above that begins with the name describes it. */
function describe(view: View, i: Instruction, names: readonly string[]): string {
  const last = commentsAbove(view, i.node).at(-1) ?? ''
  const [name = '', ...rest] = last.split(' ')
  return names.some((each) => each.toLowerCase() === name.toLowerCase() && name !== '') ? rest.join(' ') : ''
}

/** ARGs before the first FROM that a needed stage uses: in FROM, or by an ARG of the same name. */
function usedGlobals(view: View, needed: readonly StageView[]): InstructionOf<'arg'>[] {
  const { escape } = view.input.program.file
  const used = new Set<string>()
  for (const { stage } of needed) {
    for (const word of [stage.from.image, stage.from.platform])
      for (const name of (word && quietExpand(word, view.globals, { escape })?.used) ?? []) used.add(name)
    for (const i of stage.body)
      if (i.kind === 'arg') for (const { key, value } of i.args) if (!value) used.add(key.text)
  }
  // A default may use others: those before it.
  for (const { args: list } of view.input.program.globals.toReversed())
    for (const { key, value } of list)
      if (used.has(key.text) && value)
        for (const name of quietExpand(value, view.globals, { escape })?.used ?? []) used.add(name)
  return view.input.program.globals.filter((i) => i.args.some(({ key }) => used.has(key.text)))
}

function args(
  view: View,
  i: InstructionOf<'arg'>,
  o: { found: BuildOutline; values: ReadonlyMap<string, string> },
): void {
  const { buildArgs, program } = view.input
  const global = program.globals.includes(i)
  for (const { key, value } of i.args) {
    const name = key.text
    // Docker: `ARG NAME` of a global one is that one again.
    if (!global && !value && view.globals.has(name)) continue
    if (o.found.args.some((each) => each.name === name)) continue
    const text =
      (Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined) ??
      (value && quietExpand(value, o.values, program.file)?.text)
    const description = describe(view, i, [name])
    o.found.args.push({
      name,
      ...(description !== '' && { description }),
      ...(text !== undefined && text !== '' && { value: text }),
      line: i.node.range.start.line,
    })
  }
}

function mounts(i: InstructionOf<'run'>, found: BuildOutline): void {
  const line = i.node.range.start.line
  for (const { text } of i.mounts) {
    const type = mountOption(text, 'type')
    const flag = /(?:^|,)required(?:=(\w+))?(?:,|$)/i.exec(text)
    const required = flag !== null && flag[1] !== 'false' && flag[1] !== '0'
    const target = mountOption(text, 'target', 'dst', 'destination') ?? ''
    const id = mountOption(text, 'id') ?? mountOption(text, 'src', 'source')
    if (type === 'cache') {
      if (!found.cache.some((each) => each.id === (id ?? target)))
        found.cache.push({ id: id ?? target, line })
      continue
    }
    if (type !== 'secret' && type !== 'ssh') continue
    const list = type === 'secret' ? found.secrets : found.ssh
    const name = id ?? (type === 'ssh' ? 'default' : target.slice(target.lastIndexOf('/') + 1))
    if (!list.some((each) => each.name === name)) list.push({ name, ...(required && { required }), line })
  }
}
