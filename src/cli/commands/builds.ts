import { humanDuration } from '../../lib/units.ts'
import type { BuildStatus, BuildSummary } from '../../wire/builds.ts'
import { command, ExitError, forEach, type Context } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { bool, string } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { goTime } from '../time.ts'

export const ls = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Provide filter values (e.g. "status=error")', 'f'),
    format: listFormat(),
    'no-trunc': bool('Do not truncate the output'),
    quiet: bool('Only display build IDs', { short: 'q' }),
  },
  async run(context, flags) {
    const rows = await context.client.builds.list(readFilters(flags.filter))
    context.out(
      await renderList(flags.format || (flags.quiet ? '' : context.config.format('buildsFormat')), {
        typeName: '*builds.buildContext',
        columns: columns(!flags['no-trunc']),
        rows,
        table: ['ID', 'Name', 'Status', 'CreatedAt', 'Duration', 'Steps'],
        quiet: flags.quiet ? 'ID' : undefined,
      }),
    )
  },
})

export const statusNames: Readonly<Record<BuildStatus, string>> = {
  running: 'Running',
  completed: 'Completed',
  error: 'Error',
  canceled: 'Canceled',
  interrupted: 'Interrupted',
}

/** BuildKit writes ids in full: they are 25 letters. */
function columns(short: boolean): Record<string, Column<BuildSummary>> {
  return {
    ID: { header: 'BUILD ID', value: (b) => (short ? b.id.slice(0, 12) : b.id) },
    Name: { header: 'NAME', value: (b) => nameOf(b, short) },
    Status: { header: 'STATUS', value: (b) => statusNames[b.status] },
    CreatedAt: {
      header: 'CREATED AT',
      value: (b) =>
        short
          ? `${humanDuration(Date.now() - Date.parse(b.startedAt))} ago`
          : goTime(Date.parse(b.startedAt)),
    },
    Duration: { header: 'DURATION', value: (b) => shownDuration(durationOf(b)) },
    Steps: {
      header: 'CACHED/STEPS',
      value: (b) => `${b.steps.cached}/${b.steps.total}`,
    },
    Tags: { header: 'TAGS', value: (b) => b.tags.join(',') },
    Context: { header: 'CONTEXT', value: (b) => b.context },
    Dockerfile: { header: 'DOCKERFILE', value: (b) => b.dockerfile },
    Target: { header: 'TARGET', value: (b) => b.target ?? '' },
    ImageID: { header: 'IMAGE ID', value: (b) => b.imageId ?? '' },
    Warnings: { header: 'WARNINGS', value: (b) => String(b.warnings) },
    Shell: { header: 'SHELL', value: (b) => String(b.shell ?? false) },
  }
}

/** Tags, else what BuildKit makes of context, Dockerfile and target. */
export function nameOf(b: BuildSummary, short: boolean): string {
  const [first, ...more] = b.tags
  if (first !== undefined && short) return more.length > 0 ? `${first} (+${more.length})` : first
  if (first !== undefined) return b.tags.join(',')
  const context = short ? (b.context.split('/').findLast(Boolean) ?? b.context) : b.context
  const file = b.dockerfile.split('/').at(-1) ?? ''
  const shownFile = file === '' || file === 'Dockerfile' ? '' : `/${file}`
  return `${context}${shownFile}${b.target === undefined ? '' : ` (${b.target})`}`
}

/** Milliseconds. */
export const durationOf = (b: BuildSummary): number =>
  (b.endedAt === undefined ? Date.now() : Date.parse(b.endedAt)) - Date.parse(b.startedAt)

/** As buildx: `1m 10s`, tenths below ten seconds. */
export function shownDuration(milliseconds: number): string {
  const seconds = Math.max(0, milliseconds) / 1000
  if (seconds < 10) return `${seconds.toFixed(1)}s`
  const whole = Math.round(seconds)
  const parts = [
    [Math.floor(whole / 3600), 'h'],
    [Math.floor((whole % 3600) / 60), 'm'],
    [whole % 60, 's'],
  ] as const
  return parts
    .filter(([count], index) => count > 0 || index === 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ')
}

export const logs = command({
  usage: '[OPTIONS] [BUILD]',
  arguments: [0, 1],
  flags: {
    follow: bool('Follow the output of a build that runs', { short: 'f' }),
    progress: string('Set type of progress output ("plain", "rawjson", "tty")', { initial: 'plain' }),
    step: string('Print the output of one step alone, by its number (#N)'),
  },
  async run(context, flags, [ref = '']) {
    const step = flags.step.replace(/^#/, '')
    const events = context.client.builds.log(ref, { follow: flags.follow, step: step || undefined })
    if (step !== '') return await printStep(context, events, step)
    const { makeProgress } = await import('../build/make-progress.ts')
    if (flags.progress === 'auto' || flags.progress === 'quiet')
      throw new ExitError(1, `invalid progress mode ${flags.progress}: want plain, rawjson or tty`)
    const progress = await makeProgress(
      { quiet: false, progress: flags.progress, debug: context.debug, replay: !flags.follow },
      1,
    )
    const { FailureLog } = await import('../build/progress.ts')
    const failure = new FailureLog()
    let text = ''
    try {
      for await (const event of events) {
        failure.handle(event)
        progress.handle(event)
        if (event.type === 'error') text = failure.describe(event, { repeat: false })
      }
    } finally {
      progress.close()
    }
    if (flags.progress !== 'rawjson') context.out(text)
    return 0
  },
})

/** What the step itself wrote, to where it wrote it. */
async function printStep(
  context: Context,
  events: ReturnType<Context['client']['builds']['log']>,
  step: string,
): Promise<number> {
  let isKnown = false
  for await (const event of events) {
    if (event.type === 'vertex') isKnown = true
    if (event.type !== 'log') continue
    if (event.stream === 1) context.out(event.data)
    else context.err(event.data)
  }
  if (!isKnown) throw new ExitError(1, `the build has no step #${step}: see gantry builds inspect`)
  return 0
}

export const rm = command({
  usage: '[OPTIONS] [BUILD...]',
  arguments: [0, Infinity],
  flags: {
    all: bool('Remove all builds that have ended'),
    filter: filter('With --all: only those that match (e.g. "until=24h")', 'f'),
  },
  async run(context, flags, refs) {
    const { builds } = context.client
    if (flags.all) {
      if (refs.length > 0) throw new ExitError(1, 'builds cannot be named together with --all')
      const { removed } = await builds.prune(readFilters(flags.filter))
      for (const id of removed) context.out(`${id}\n`)
      return 0
    }
    if (flags.filter.length > 0) throw new ExitError(1, '--filter needs --all')
    if (refs.length === 0) throw new ExitError(1, 'name the builds to remove, or say --all')
    return await forEach(context, refs, async (ref) => (await builds.remove(ref)).removed[0])
  },
})
