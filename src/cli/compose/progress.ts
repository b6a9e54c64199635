/** How compose shows what it does, on standard error: a picture on a terminal, lines or JSON elsewhere. */
import type { ProgressEvent, Report } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { Context } from '../command.ts'
import { composeFlags } from '../commands/compose.ts'
import { writeText } from '../text.ts'

/** What docker compose puts before everything that it says in a dry run. */
export const dryRunPrefix = ' DRY-RUN MODE - '

export interface Progress extends Disposable {
  readonly report: Report
  /** For what is asked or said meanwhile: the picture stands still, and goes on below it. */
  aside<T>(work: () => Promise<T>): Promise<T>
  /** Ends the picture: what is written from here on stands below it. */
  close(): void
}

/**
 * `--progress`, else COMPOSE_PROGRESS; auto is a picture where standard error is a terminal. `title` is what the picture says above
 * itself: `Running`.
 */
export async function openProgress(
  context: Context,
  o: { title: string; quiet?: boolean } = { title: 'Running' },
): Promise<Progress> {
  const { progress, ansi, dryRun } = composeFlags(context)
  const mode = o.quiet ? 'quiet' : modeOf(progress || process.env['COMPOSE_PROGRESS'] || 'auto', ansi)
  switch (mode) {
    case 'quiet':
      // Nobody sees the events; what failed is thrown all the same.
      return simple(() => {})
    case 'json':
      return simple((event) => writeText(2, `${JSON.stringify(jsonEvent(event, dryRun))}\n`))
    case 'plain':
      return simple(news((event) => writeText(2, `${dryRun ? dryRunPrefix : ''}${plainLine(event)}`)))
    case 'tty': {
      const { TtyProgress } = await import('./tty-progress.ts')
      return new TtyProgress({
        title: o.title,
        prefix: dryRun ? dryRunPrefix : '',
        write: (text) => writeText(2, text),
        columns: () => process.stderr.columns || 80,
        rows: () => process.stderr.rows || 24,
        colour: ansi !== 'never' && !process.env['NO_COLOR'],
      })
    }
  }
}

/** Opens it, works, and ends it whatever happens. */
export async function withProgress<T>(
  context: Context,
  o: { title: string; quiet?: boolean },
  work: (report: Report, progress: Progress) => Promise<T>,
): Promise<T> {
  using progress = await openProgress(context, o)
  return await work(progress.report, progress)
}

function modeOf(told: string, ansi: string): 'tty' | 'plain' | 'json' | 'quiet' {
  switch (told) {
    case 'auto':
      return ansi !== 'never' && process.stderr.isTTY ? 'tty' : 'plain'
    case 'tty':
    case 'plain':
    case 'json':
    case 'quiet':
      return told
    default:
      throw new EngineError('invalid', `unsupported --progress value ${JSON.stringify(told)}`)
  }
}

/** What goes on moving is not for a file: a line is told again only when it says something else. */
function news(report: Report): Report {
  const told = new Map<string, string>()
  return (event) => {
    const key = `${event.parent ?? ''} ${event.id}`
    const line = plainLine(event)
    if (told.get(key) === line) return
    told.set(key, line)
    report(event)
  }
}

function simple(report: Report): Progress {
  return { report, aside: (work) => work(), close: () => {}, [Symbol.dispose]: () => {} }
}

/** docker compose: ` Container demo-web-1  Started `, and the reason where there is one. */
function plainLine({ id, text, details = '' }: ProgressEvent): string {
  return ` ${id}  ${text} ${details}`.trimEnd() + '\n'
}

/** Docker compose: `status` is the word that the line shows, `text` what there is to add. */
function jsonEvent(
  { id, status, text, details, parent, current, total }: ProgressEvent,
  dryRun: boolean,
): object {
  return {
    ...(dryRun && { 'dry-run': true }),
    ...(parent !== undefined && { parent_id: parent }),
    id,
    ...(details !== undefined && details !== '' && { text: details }),
    status: text,
    ...(status === 'error' && { error: true }),
    ...(current !== undefined && { current }),
    ...(total !== undefined && { total }),
  }
}
