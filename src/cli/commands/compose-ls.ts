import { label } from '../../compose/index.ts'
import { EngineError } from '../../lib/errors.ts'
import type { ContainerSummary } from '../../wire/container.ts'
import { command } from '../command.ts'
import { filter } from '../common-flags.ts'
import { bool, string } from '../flags.ts'
import { readFilters } from '../format.ts'
import { alignTable } from '../text.ts'

interface Stack {
  readonly Name: string
  /** `exited(1), running(2)`. */
  readonly Status: string
  readonly ConfigFiles: string
}

export const composeLs = command({
  usage: '[OPTIONS]',
  flags: {
    all: bool('Show all stopped Compose projects', { short: 'a' }),
    filter: filter('Filter output based on conditions provided'),
    format: string('Format the output. Values: [table | json]', { initial: 'table' }),
    quiet: bool('Only display project names', { short: 'q' }),
  },
  arguments: [0, 0],
  run: async (context, options) => {
    const filters = readFilters(options.filter)
    for (const key of Object.keys(filters))
      if (key !== 'name') throw new EngineError('invalid', `invalid filter '${key}'`)
    const rows = await context.client.containers.list({
      all: options.all,
      filters: { label: [label.project, label.configHash] },
    })
    const stacks = stacksOf(rows).filter(({ Name }) => {
      const wanted = filters['name'] ?? []
      return wanted.length === 0 || wanted.some((pattern) => matches(Name, pattern))
    })
    if (options.quiet) return context.out(stacks.map(({ Name }) => `${Name}\n`).join(''))
    if (options.format === 'json') return context.out(`${JSON.stringify(stacks)}\n`)
    if (options.format !== 'table')
      throw new EngineError(
        'invalid',
        `format value ${JSON.stringify(options.format)} could not be parsed: table or json`,
      )
    const lines = stacks.map(({ Name, Status, ConfigFiles }) => [Name, Status, ConfigFiles])
    // Docker: columns of 20 letters at least.
    context.out(alignTable([['NAME', 'STATUS', 'CONFIG FILES'], ...lines], 20))
  },
})

function stacksOf(rows: readonly ContainerSummary[]): Stack[] {
  const projects = Map.groupBy(rows, ({ Labels }) => Labels[label.project] ?? '')
  return Array.from(projects, ([Name, containers]) => ({
    Name,
    Status: statusOf(containers),
    ConfigFiles: filesOf(containers),
  })).toSorted((a, b) => (a.Name < b.Name ? -1 : 1))
}

function statusOf(containers: readonly ContainerSummary[]): string {
  return Array.from(
    Map.groupBy(containers, ({ State }) => State),
    ([state, those]) => `${state}(${those.length})`,
  )
    .toSorted()
    .join(', ')
}

/** Docker: `N/A` where somebody else made them. */
function filesOf(containers: readonly ContainerSummary[]): string {
  const files = containers.flatMap(({ Labels }) => (Labels[label.configFiles] ?? '').split(','))
  return [...new Set(files.filter((file) => file !== ''))].join(',') || 'N/A'
}

/** Docker: a name, or a regular expression that finds something in it. */
function matches(name: string, pattern: string): boolean {
  if (name === pattern) return true
  try {
    return new RegExp(pattern).test(name)
  } catch {
    // What is no expression is only itself.
    return false
  }
}
