import { shortId } from '../../lib/id.ts'
import { humanSize } from '../../lib/units.ts'
import type { ImageExplanation, ImageStep } from '../../wire/image-files.ts'
import { command } from '../command.ts'
import { bool, int } from '../flags.ts'
import { jsonFormat } from '../common-flags.ts'
import { alignTable, ellipsis } from '../text.ts'
import { visible } from '../../lib/visible.ts'

export const explain = command({
  usage: '[OPTIONS] IMAGE',
  arguments: [1, 1],
  flags: {
    all: bool('Show the steps that made no layer, too', { short: 'a' }),
    format: jsonFormat(),
    'no-trunc': bool("Don't truncate output"),
    top: int('Number of files in the lists of the largest', { initial: 10 }),
  },
  async run(context, flags, [name = '']) {
    const explanation = await context.client.imageFiles.explain(name)
    if (flags.format === 'json') return context.out(`${JSON.stringify(explanation, undefined, 2)}\n`)
    context.out(text(explanation, { all: flags.all, short: !flags['no-trunc'], top: flags.top }))
  },
})

function text(image: ImageExplanation, o: { all: boolean; short: boolean; top: number }): string {
  const { Steps, Size, Wasted } = image
  const layers = Steps.filter((step) => step.Layer !== undefined).length
  const name = image.RepoTags[0] ?? shortId(image.Id)
  const share = Size === 0 ? 0 : (100 * Wasted) / Size
  let out = `${visible(name)}: ${humanSize(Size)} in ${layers} layer${layers === 1 ? '' : 's'}, ${image.Files} files`
  out += Wasted === 0 ? '; nothing is wasted\n\n' : `; ${humanSize(Wasted)} (${share.toFixed(1)}%) wasted\n\n`
  const steps = Steps.filter((step) => o.all || step.Layer !== undefined)
  const located = steps.some((step) => step.Dockerfile)
  const head = [
    'LAYER',
    'SIZE',
    'ADDED',
    'CHANGED',
    'DELETED',
    'WASTED',
    ...(located ? ['LINE'] : []),
    'INSTRUCTION',
  ]
  out += alignTable([head, ...steps.map((step) => row(step, { short: o.short, located }))], 0)
  out += listing('Largest files', image.Largest.slice(0, o.top), (file) => [
    humanSize(file.Size),
    `layer ${file.Layer}`,
    visible(file.Path),
  ])
  out += listing('Wasted: what no container sees', image.WastedFiles.slice(0, o.top), (file) => [
    humanSize(file.Size),
    `layer ${file.Layer}, ${file.Deleted ? 'deleted' : 'overwritten'} by ${file.By}`,
    visible(file.Path),
  ])
  return out
}

function row(step: ImageStep, o: { short: boolean; located: boolean }): string[] {
  const line = step.Dockerfile ? `${visible(step.Dockerfile.Name)}:${step.Dockerfile.Line}` : ''
  const plain = visible(step.Instruction.replace(/\s+/g, ' '))
  const instruction = o.short ? ellipsis(plain, 60) : plain
  const location = o.located ? [line] : []
  if (step.Layer === undefined) return ['', '', '', '', '', '', ...location, instruction]
  return [
    String(step.Layer),
    humanSize(step.Size),
    ...[step.Added, step.Changed, step.Deleted].map(String),
    humanSize(step.Wasted),
    ...location,
    instruction,
  ]
}

function listing<T>(title: string, files: readonly T[], cells: (file: T) => string[]): string {
  if (files.length === 0) return ''
  return `\n${title}\n${alignTable(
    files.map((file) => cells(file).map((cell, index) => (index === 0 ? `  ${cell}` : cell))),
    0,
  )}`
}
