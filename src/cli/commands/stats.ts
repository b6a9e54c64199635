import { DaemonError } from '../../client/index.ts'
import { isAbort } from '../../lib/errors.ts'
import { shortId } from '../../lib/id.ts'
import type { ContainerStats } from '../../wire/stats.ts'
import { command, type Context } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { bool } from '../flags.ts'
import { renderList } from '../format.ts'
import { usageColumns, type UsageRow } from '../usage-rows.ts'

const { isatty } = process.getBuiltinModule('node:tty')
const { setTimeout: delay } = process.getBuiltinModule('node:timers/promises')

/** How often the table is drawn. Milliseconds. */
const drawInterval = 500

export const stats = command({
  usage: '[OPTIONS] [CONTAINER...]',
  arguments: [0, Infinity],
  flags: {
    all: bool('Show all containers (default shows just running)', { short: 'a' }),
    format: listFormat(),
    'no-stream': bool('Disable streaming stats and only pull the first result'),
    'no-trunc': bool('Do not truncate output'),
  },
  run: (context, flags, names) =>
    showStats(context, {
      names,
      label: [],
      all: flags.all,
      format: flags.format,
      stream: !flags['no-stream'],
      short: !flags['no-trunc'],
    }),
})

export interface StatsOptions {
  /** None: those with the labels, as they come and go. */
  readonly names: readonly string[]
  readonly label: readonly string[]
  readonly all: boolean
  /** Empty: as configured. */
  readonly format: string
  readonly stream: boolean
  readonly short: boolean
}

export async function showStats(context: Context, o: StatsOptions): Promise<void> {
  const { names } = o
  const format = o.format || context.config.format('statsFormat')
  const render = (rows: readonly UsageRow[]) =>
    renderList(format, {
      typeName: '*container.statsContext',
      columns: usageColumns({ short: o.short }),
      rows,
      table: ['ID', 'Name', 'CPUPerc', 'MemUsage', 'MemPerc', 'NetIO', 'BlockIO', 'PIDs'],
    })
  if (!o.stream) {
    const wanted = names.length > 0 ? names : await listed(context, o)
    context.out(await render(await Promise.all(wanted.map((name) => once(context, name)))))
    return
  }
  await live(context, { ...o, render })
}

async function listed(
  context: Context,
  { all, label }: Pick<StatsOptions, 'all' | 'label'>,
): Promise<string[]> {
  const filters = label.length > 0 ? { filters: { label } } : {}
  return (await context.client.containers.list({ all, ...filters })).map((c) => c.Id)
}

async function once(context: Context, name: string): Promise<UsageRow> {
  for await (const each of context.client.containers.stats(name)) return rowOf(name, each)
  throw new Error(`the daemon told nothing of ${name}`)
}

function rowOf(container: string, each: ContainerStats): UsageRow {
  // A list was asked for by whole ids.
  const shown = container === each.id ? shortId(each.id) : container
  return { container: shown, id: each.id, name: each.name.replace(/^\//, ''), stats: each }
}

interface Live extends Pick<StatsOptions, 'names' | 'label' | 'all'> {
  readonly render: (rows: readonly UsageRow[]) => Promise<string>
}

/** The table, drawn anew as answers come, until the last of the named containers is gone or the user has enough. */
async function live(context: Context, { names, label, all, render }: Live): Promise<void> {
  const rows = new Map<string, UsageRow>()
  const stop = new AbortController()
  let failure: Error | undefined
  const followers = new Map<string, AbortController>()
  const follow = async (name: string, signal: AbortSignal) => {
    try {
      for await (const each of context.client.containers.stats(name, { stream: true, signal }))
        if (!signal.aborted) rows.set(name, rowOf(name, each))
    } catch (error) {
      if (isAbort(error) || signal.aborted) return
      // One of many may go; a name that was never there is a mistake.
      if (!(error instanceof DaemonError) || names.length > 0)
        failure ??= error instanceof Error ? error : new Error(String(error))
    }
    rows.delete(name)
  }
  const watch = (name: string) => {
    if (rows.has(name)) return
    rows.set(name, { container: name, id: '', name: '', stats: undefined })
    const follower = new AbortController()
    followers.set(name, follower)
    void follow(name, AbortSignal.any([stop.signal, follower.signal]))
  }
  const leave = (name: string) => {
    followers.get(name)?.abort()
    rows.delete(name)
  }
  const start = names.length > 0 ? names : await listed(context, { all, label })
  for (const name of start) watch(name)
  const coming =
    names.length > 0 ? undefined : newcomers(context, { all, label, signal: stop.signal, watch, leave })
  coming?.catch((error: Error) => (failure ??= error))
  const terminal = isatty(1)
  try {
    for (let first = true; ; first = false) {
      const table = await render([...rows.values()])
      const cleared = table.replaceAll('\n', '\x1b[K\n')
      context.out(terminal ? `${first ? '\x1b[2J' : ''}\x1b[H${cleared}\x1b[J` : table)
      await delay(drawInterval)
      if (failure !== undefined) throw failure
      if (names.length > 0 && rows.size === 0) return
    }
  } finally {
    stop.abort()
  }
}

/** Containers that come and go while we look. */
async function newcomers(
  context: Context,
  o: Pick<StatsOptions, 'all' | 'label'> & {
    signal: AbortSignal
    watch: (name: string) => void
    leave: (name: string) => void
  },
): Promise<void> {
  const event = ['create', 'start', 'die', 'destroy']
  const filters = { type: ['container'], event, ...(o.label.length > 0 && { label: o.label }) }
  for await (const { Action, Actor } of context.client.system.events({ filters, signal: o.signal })) {
    if (Action === 'start' || (Action === 'create' && o.all)) o.watch(Actor.ID)
    else if (Action === 'destroy' || (Action === 'die' && !o.all)) o.leave(Actor.ID)
  }
}
