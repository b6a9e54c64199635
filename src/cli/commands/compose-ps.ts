import type { ObservedContainer } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import { shortId } from '../../lib/id.ts'
import { command } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { openRunning } from '../compose/open-project.ts'
import { bool, list } from '../flags.ts'
import { renderList, type Column } from '../format.ts'
import { containerColumns } from './ps.ts'

const states = ['paused', 'restarting', 'removing', 'running', 'dead', 'created', 'exited']

export const composePs = command({
  usage: '[OPTIONS] [SERVICE...]',
  flags: {
    all: bool('Show all stopped containers (including those created by the run command)', { short: 'a' }),
    filter: list('Filter services by a property (supported filters: status)', { kind: 'string' }),
    format: listFormat(),
    'no-trunc': bool("Don't truncate output"),
    orphans: bool('Include orphaned services (not declared by project)', { initial: true }),
    quiet: bool('Only display IDs', { short: 'q' }),
    services: bool('Display services'),
    status: list(`Filter services by status. Values: [${states.join(' | ')}]`, { kind: 'stringArray' }),
  },
  arguments: [0, Infinity],
  run: async (context, options, services) => {
    const status = [...options.status, ...statusFilters(options.filter)]
    const all = options.all || status.length > 0
    const { name, project, containers } = await openRunning(context, {
      services,
      oneOff: options.all ? 'include' : 'exclude',
      running: !all,
    })
    const rows = containers.filter(
      (each) =>
        (services.length === 0 || services.includes(each.service)) &&
        (status.length === 0 || status.includes(each.state)) &&
        (options.orphans || project === undefined || project.services.has(each.service)),
    )
    const lines = (texts: Iterable<string>) => context.out([...texts].map((text) => `${text}\n`).join(''))
    if (options.quiet) return lines(rows.map(({ id }) => id))
    if (options.services) return lines(new Set(rows.map(({ service }) => service)))
    if (options.format === 'json') return lines(rows.map((row) => JSON.stringify(jsonRow(name, row))))
    context.out(
      await renderList(options.format, {
        typeName: '*formatter.ContainerContext',
        columns: columns(name, { short: !options['no-trunc'] }),
        rows,
        table: ['Name', 'Image', 'Command', 'Service', 'RunningFor', 'Status', 'Ports'],
      }),
    )
  },
})

/** Docker compose has one filter, and says so in words of its own. */
function statusFilters(filters: readonly string[]): string[] {
  return filters.map((text) => {
    const [key = '', ...value] = text.split('=')
    if (value.length === 0)
      throw new EngineError('invalid', 'arguments to --filter should be in form KEY=VAL')
    if (key !== 'status') throw new EngineError('invalid', `unknown filter ${key}`)
    return value.join('=')
  })
}

function columns(project: string, { short }: { short: boolean }): Record<string, Column<ObservedContainer>> {
  const plain = Object.entries(containerColumns(short)).map(([key, { header, value }]) => [
    key,
    { header, value: (row: ObservedContainer) => value(row.summary) },
  ])
  return {
    // Each of them was made of one, in the line above.
    ...(Object.fromEntries(plain) as Record<string, Column<ObservedContainer>>),
    Name: { header: 'NAME', value: ({ name }) => name },
    Service: { header: 'SERVICE', value: ({ service }) => service },
    Project: { header: 'PROJECT', value: () => project },
    Health: { header: 'HEALTH', value: ({ status }) => healthIn(status) },
    ExitCode: { header: 'EXIT CODE', value: ({ status }) => String(exitCodeIn(status)) },
    Publishers: {
      header: 'PUBLISHERS',
      value: ({ summary }) => JSON.stringify(publishersOf(summary.Ports ?? [])),
    },
  }
}

/** Docker compose's fields, each of them a text but for three. */
function jsonRow(project: string, row: ObservedContainer): object {
  const all = columns(project, { short: true })
  const texts = Object.entries(all).map(([key, { value }]) => [key, value(row)] as const)
  return Object.fromEntries(
    [
      ...texts.filter(([key]) => key !== 'Publishers' && key !== 'ExitCode' && key !== 'ID'),
      ['ExitCode', exitCodeIn(row.status)] as const,
      ['ID', shortId(row.id)] as const,
      ['Publishers', publishersOf(row.summary.Ports ?? [])] as const,
    ].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  )
}

/** The list of containers has them in its text. */
function healthIn(status: string): string {
  return /\((?:health: )?(healthy|unhealthy|starting)\)/.exec(status)?.[1] ?? ''
}

function exitCodeIn(status: string): number {
  return Number(/^Exited \((\d+)\)/.exec(status)?.[1] ?? 0)
}

function publishersOf(ports: ObservedContainer['summary']['Ports']): object[] {
  return ports.map(({ IP, PrivatePort, PublicPort, Type }) => ({
    URL: IP ?? '',
    TargetPort: PrivatePort,
    PublishedPort: PublicPort ?? 0,
    Protocol: Type,
  }))
}
