import type { BuildDetail } from '../../wire/builds.ts'
import { timeLine, timeLineRows } from '../build/time-line.ts'
import { command, ExitError } from '../command.ts'
import { string } from '../flags.ts'
import { goTime } from '../time.ts'
import { durationOf, nameOf, shownDuration, statusNames } from './builds.ts'

export const inspect = command({
  usage: '[OPTIONS] [BUILD]',
  arguments: [0, 1],
  flags: {
    format: string('Format output: "pretty", "json", or a Go template', { short: 'f', initial: 'pretty' }),
  },
  async run(context, flags, [ref = '']) {
    const build = await context.client.builds.inspect(ref)
    const format = flags.format.trim()
    if (format === 'pretty' || format === '') {
      const { stdout } = process
      const width = stdout.isTTY ? stdout.columns || 80 : 100
      const colours = stdout.isTTY && !process.env['NO_COLOR']
      context.out(describe(build, { width, colours }))
      return
    }
    const view = { ...build, durationMs: durationOf(build), timeLine: timeLineRows(build) }
    if (format === 'json') return context.out(`${JSON.stringify(view, null, 2)}\n`)
    const { Template, TemplateError } = await import('../../lib/go-template.ts')
    try {
      context.out(`${Template.parse(format).execute(view)}\n`)
    } catch (error) {
      if (error instanceof TemplateError) throw new ExitError(64, `template parsing error: ${error.message}`)
      throw error
    }
  },
})

function describe(b: BuildDetail, o: { width: number; colours: boolean }): string {
  const { steps } = b
  const rows: [string, string][] = [
    ['Name', nameOf(b, false)],
    ['Build ID', b.id],
    ['Context', b.context],
    ['Dockerfile', b.dockerfile],
    ['Target', b.target ?? ''],
    ['Platform', b.platform ?? ''],
    ['Started', goTime(Date.parse(b.startedAt))],
    ['Duration', shownDuration(durationOf(b))],
    ['Status', statusNames[b.status]],
    ['Steps', `${steps.total}, ${steps.done} done, ${steps.cached} of them cached`],
    ['Image', b.imageId ?? ''],
    ['Build args', pairs(b.buildArgs)],
    ['Labels', pairs(b.labels)],
    ['No cache', b.noCache ? 'true' : ''],
    ['Network', b.networkMode ?? ''],
    ['Warnings', b.warnings > 0 ? String(b.warnings) : ''],
  ]
  const shown = rows.filter(([, value]) => value !== '')
  let text = shown.map(([label, value]) => `${`${label}:`.padEnd(12)}${value}\n`).join('')
  text += `\n${timeLine(b, o)}`
  const missed = b.vertices.filter((vertex) => vertex.miss)
  if (missed.length > 0)
    text += `\nWhy steps ran:\n${missed.map((v) => `  #${v.id} ${v.name}\n${(v.miss ?? []).map((line) => `      ${line}\n`).join('')}`).join('')}`
  if (b.warningList.length > 0)
    text += `\nWarnings:\n${b.warningList.map((w) => `  ${w.rule === undefined ? '' : `${w.rule}: `}${w.message}${w.startLine === undefined ? '' : ` (line ${w.startLine})`}\n`).join('')}`
  if (b.error) {
    text += `\n${b.error.excerpt ?? ''}ERROR: ${b.error.message}\n`
    for (const hint of b.error.hints ?? []) text += `HINT: ${hint}\n`
  }
  if (b.shell === true) text += `\nThe failed step is kept: gantry builds shell ${b.id.slice(0, 12)}\n`
  return text
}

const pairs = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join(', ')
