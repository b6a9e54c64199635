import { DaemonError } from '../../client/index.ts'
import { followProject, logLines, mergeLogs, type LogLine, type LogRange } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { command, type Context } from '../command.ts'
import { LogPrinter } from '../compose/log-printer.ts'
import { openRunning, warnOnce } from '../compose/open-project.ts'
import { shownName } from '../compose/shown-name.ts'
import { bool, int, string } from '../flags.ts'
import { parseTimestamp } from '../time.ts'
import { composeFlags } from './compose.ts'

const when = '(e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)'

export const composeLogs = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    follow: bool('Follow log output', { short: 'f' }),
    index: int('index of the container if service has multiple replicas'),
    'no-color': bool('Produce monochrome output'),
    'no-log-prefix': bool("Don't print prefix in logs"),
    since: string(`Show logs since timestamp ${when}`),
    tail: string('Number of lines to show from the end of the logs for each container', {
      short: 'n',
      initial: 'all',
    }),
    timestamps: bool('Show timestamps', { short: 't' }),
    until: string(`Show logs before a timestamp ${when}`),
  },
  arguments: [0, Infinity],
  async run(context, options, services) {
    if (options.index > 0 && services.length !== 1)
      throw new EngineError('invalid', '--index requires one service to be selected')
    const range = {
      tail: options.tail,
      since: options.since === '' ? undefined : parseTimestamp(options.since),
      until: options.until === '' ? undefined : parseTimestamp(options.until),
    }
    const { name, containers } = await openRunning(context, { services })
    const isWanted = (each: { service: string; number: number }) =>
      (services.length === 0 || services.includes(each.service)) &&
      (options.index <= 0 || each.number === options.index)
    const wanted = containers.filter(isWanted)
    const printer = new LogPrinter({
      colour: !options['no-color'] && coloured(context),
      prefix: !options['no-log-prefix'],
      timestamps: options.timestamps,
    })
    const logs = wanted.map((each) => ({ id: each.id, name: shownName(name, each) }))
    printer.register(logs.map((each) => each.name))
    const print = (container: { name: string }, line: LogLine) =>
      printer.line(container.name, line) ? undefined : printer.drained()
    const warn = warnOnce(context)
    const unreadable = (container: { name: string }, why: string) =>
      warn(`Can't retrieve logs for ${JSON.stringify(container.name)}: ${why}`)
    if (!options.follow) await printOnce(context, { logs, range, print, unreadable })
    else
      await followProject(context.client, {
        project: name,
        containers: wanted.map((each, index) => ({
          id: each.id,
          name: logs[index]?.name ?? each.name,
          running: each.state === 'running' || each.state === 'paused' || each.state === 'restarting',
        })),
        nameOf: (each) => (isWanted(each) ? shownName(name, each) : undefined),
        range,
        signal: new AbortController().signal,
        onLine: print,
        unreadable,
      })
    await printer.flushed()
  },
})

/** `--ansi`, else as standard output is. */
export function coloured(context: Context): boolean {
  const { ansi } = composeFlags(context)
  return ansi === 'always' || (ansi === 'auto' && process.stdout.isTTY && !process.env['NO_COLOR'])
}

/** What there is, in the order in which it was written, whoever wrote it. */
async function printOnce(
  context: Context,
  o: {
    logs: readonly { readonly id: string; readonly name: string }[]
    range: LogRange
    print: (container: { name: string }, line: LogLine) => Promise<void> | undefined
    unreadable: (container: { name: string }, why: string) => void
  },
): Promise<void> {
  const sources = await Promise.all(
    o.logs.map(async (container) => {
      try {
        const output = await context.client.containers.logs(container.id, { ...o.range, timestamps: true })
        return [[container, logLines(output)] as const]
      } catch (error) {
        if (!(error instanceof DaemonError)) throw error
        if (error.kind === 'not-found') return []
        if (error.kind !== 'unsupported') throw error
        o.unreadable(container, error.message)
        return []
      }
    }),
  )
  for await (const lines of mergeLogs(new Map(sources.flat())))
    for (const [container, line] of lines) {
      const wait = o.print(container, line)
      if (wait) await wait
    }
}
