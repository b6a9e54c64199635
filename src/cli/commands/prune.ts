/** All `prune` commands: docker's warning, the question, what was deleted, and how much was won. */
import { DaemonError } from '../../client/index.ts'
import { humanDuration, humanSize, parseDuration } from '../../lib/units.ts'
import type { VolumePrunePlan } from '../../wire/system.ts'
import { command, ExitError, type Context } from '../command.ts'
import { filter } from '../common-flags.ts'
import { bool, value } from '../flags.ts'
import { readFilters } from '../format.ts'
import { alignTable, confirm } from '../text.ts'

const force = bool('Do not prompt for confirmation', { short: 'f' })
const until = 'Provide filter values (e.g. "until=<timestamp>")'
type Filters = Record<string, string[]>

interface Pruned {
  /** Lines below the heading; nothing is printed when there are none. */
  readonly heading: string
  readonly lines: readonly string[]
  readonly bytes: number
}

/** Docker: exit code 1 when the answer is no. */
async function ask(o: { force: boolean; warning: string }): Promise<void> {
  if (o.force) return
  if (!(await confirm(`WARNING! ${o.warning}\nAre you sure you want to continue?`))) throw new ExitError(1)
}

function report(context: Context, parts: readonly Pruned[]): void {
  let bytes = 0
  for (const part of parts) {
    bytes += part.bytes
    if (part.lines.length > 0) context.out(`${part.heading}\n${part.lines.join('\n')}\n\n`)
  }
  context.out(`Total reclaimed space: ${humanSize(bytes, 4)}\n`)
}

async function containers(context: Context, filters: Filters): Promise<Pruned> {
  const { ContainersDeleted, SpaceReclaimed } = await context.client.containers.prune(filters)
  return { heading: 'Deleted Containers:', lines: ContainersDeleted ?? [], bytes: SpaceReclaimed }
}

async function images(context: Context, filters: Filters, all: boolean): Promise<Pruned> {
  const { ImagesDeleted, SpaceReclaimed } = await context.client.images.prune({
    ...filters,
    dangling: [String(!all)],
  })
  const lines = (ImagesDeleted ?? []).map((item) =>
    item.Untagged === undefined ? `deleted: ${item.Deleted}` : `untagged: ${item.Untagged}`,
  )
  return { heading: 'Deleted Images:', lines, bytes: SpaceReclaimed }
}

async function volumes(context: Context, filters: Filters): Promise<Pruned> {
  const { VolumesDeleted, SpaceReclaimed } = await context.client.volumes.prune(filters)
  return { heading: 'Deleted Volumes:', lines: VolumesDeleted ?? [], bytes: SpaceReclaimed }
}

async function buildCache(context: Context, filters: Filters, all: boolean): Promise<Pruned> {
  const { CachesDeleted, SpaceReclaimed } = await context.client.buildCache.prune({ all, filters })
  return { heading: 'Deleted build cache objects:', lines: CachesDeleted ?? [], bytes: SpaceReclaimed }
}

export const pruneContainers = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { filter: filter(until), force },
  async run(context, flags) {
    await ask({ force: flags.force, warning: 'This will remove all stopped containers.' })
    report(context, [await containers(context, readFilters(flags.filter))])
  },
})

export const pruneImages = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused images, not just dangling ones', { short: 'a' }),
    filter: filter(until),
    force,
  },
  async run(context, flags) {
    const warning = flags.all
      ? 'This will remove all images without at least one container associated to them.'
      : 'This will remove all dangling images.'
    await ask({ force: flags.force, warning })
    report(context, [await images(context, readFilters(flags.filter), flags.all)])
  },
})

/** Room for a day's second thoughts. */
const defaultKeep = 24 * 3600

export const pruneVolumes = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused volumes, not just anonymous ones', { short: 'a' }),
    'dry-run': bool('List what would be removed, and remove nothing'),
    filter: filter('Provide filter values (e.g. "label=<label>")'),
    force,
    keep: value<number>(
      'duration',
      'How long pruned named volumes can be restored; 0 deletes them at once',
      defaultKeep,
      (text) => keepSeconds(text),
      { shown: '24h' },
    ),
  },
  async run(context, flags) {
    const given = readFilters(flags.filter)
    if (flags.all && given['all'] !== undefined)
      throw new ExitError(1, 'conflicting options: cannot specify both --all and --filter all=1')
    const filters = flags.all ? { ...given, all: ['true'] } : given
    const which = flags.all ? 'all' : 'anonymous'
    const warning = `This will remove ${which} local volumes not used by at least one container.`
    const plan = await planned(context, filters)
    if (!plan) {
      // Another engine's daemon: docker's way, without a list and without a trash.
      if (flags['dry-run']) throw new ExitError(1, 'the daemon at this address has no plans of a prune')
      await ask({ force: flags.force, warning })
      return report(context, [await volumes(context, filters)])
    }
    if (flags['dry-run']) return context.out(planText(plan.Volumes, flags.keep))
    const list = plan.Volumes.length > 0 ? `\n\n${planText(plan.Volumes, flags.keep)}` : ''
    await ask({ force: flags.force, warning: `${warning}${list}` })
    const done = await context.client.volumes.prunePlanned({
      Volumes: plan.Volumes.map(({ Name, CreatedAt }) => ({ Name, CreatedAt })),
      KeepSeconds: flags.keep,
    })
    const lines = [...done.VolumesDeleted, ...done.VolumesKept]
    report(context, [{ heading: 'Deleted Volumes:', lines, bytes: done.SpaceReclaimed }])
    if (done.VolumesKept.length > 0)
      context.out(
        `In the trash for ${humanDuration(flags.keep * 1000)}: ${humanSize(done.SpaceKept, 4)} (gantry volume restore NAME)\n`,
      )
    for (const { Name, Reason } of done.VolumesSpared) context.err(`Spared ${Name}: ${Reason}\n`)
  },
})

function keepSeconds(text: string): number {
  const seconds = parseDuration(text) / 1e9
  if (seconds < 0) throw new Error('must not be negative')
  return seconds
}

/** Undefined when the daemon knows no such thing. */
async function planned(context: Context, filters: Filters): Promise<VolumePrunePlan | undefined> {
  try {
    return await context.client.volumes.planPrune(filters)
  } catch (error) {
    if (error instanceof DaemonError && error.status === 404) return undefined
    throw error
  }
}

function planText(list: VolumePrunePlan['Volumes'], keep: number): string {
  const rows = list
    .toSorted((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }))
    .map((volume) => [
      volume.Name,
      humanSize(volume.Size, 4),
      `${humanDuration(Date.now() - Date.parse(volume.CreatedAt))} ago`,
      volume.Anonymous || keep === 0 ? 'delete' : `keep for ${humanDuration(keep * 1000)}`,
    ])
  const total = list.reduce((sum, volume) => sum + volume.Size, 0)
  return `${alignTable([['VOLUME NAME', 'SIZE', 'CREATED', 'WHAT HAPPENS'], ...rows])}Total: ${list.length} volumes, ${humanSize(total, 4)}\n`
}

export const pruneSystem = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused images not just dangling ones', { short: 'a' }),
    filter: filter('Provide filter values (e.g. "label=<key>=<value>")'),
    force,
    volumes: bool('Prune anonymous volumes'),
  },
  async run(context, flags) {
    const filters = readFilters(flags.filter)
    if (flags.volumes && Object.hasOwn(filters, 'until'))
      throw new ExitError(1, 'ERROR: The "until" filter is not supported with "--volumes"')
    const will = [
      'all stopped containers',
      'all networks not used by at least one container',
      ...(flags.volumes ? ['all anonymous volumes not used by at least one container'] : []),
      flags.all ? 'all images without at least one container associated to them' : 'all dangling images',
      flags.all ? 'all build cache' : 'unused build cache',
    ]
    const warning = `This will remove:\n${will.map((line) => `  - ${line}\n`).join('')}`
    await ask({ force: flags.force, warning })
    const parts = [await containers(context, filters)]
    const { NetworksDeleted } = await context.client.networks.prune(filters)
    parts.push({ heading: 'Deleted Networks:', lines: NetworksDeleted ?? [], bytes: 0 })
    if (flags.volumes) parts.push(await volumes(context, filters))
    parts.push(await images(context, filters, flags.all))
    // Build cache knows no labels.
    const { until: time } = filters
    parts.push(await buildCache(context, time ? { until: time } : {}, flags.all))
    report(context, parts)
  },
})
