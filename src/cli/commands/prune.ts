/** All `prune` commands: docker's warning, the question, what was deleted, and how much was won. */
import { humanSize } from '../../lib/units.ts'
import { command, ExitError, type Context } from '../command.ts'
import { filter } from '../common-flags.ts'
import { bool, value } from '../flags.ts'
import { readFilters } from '../format.ts'
import { confirm } from '../text.ts'
import { parseBinarySize } from '../../lib/units.ts'

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
  const { CachesDeleted, SpaceReclaimed } = await context.client.images.pruneBuildCache({ all, filters })
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

export const pruneVolumes = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused volumes, not just anonymous ones', { short: 'a' }),
    filter: filter('Provide filter values (e.g. "label=<label>")'),
    force,
  },
  async run(context, flags) {
    const which = flags.all ? 'all' : 'anonymous'
    await ask({
      force: flags.force,
      warning: `This will remove ${which} local volumes not used by at least one container.`,
    })
    const filters = readFilters(flags.filter)
    report(context, [await volumes(context, flags.all ? { ...filters, all: ['true'] } : filters)])
  },
})

export const pruneBuildCache = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused build cache, not just dangling ones', { short: 'a' }),
    filter: filter('Provide filter values (e.g. "until=24h")'),
    force,
    'keep-storage': value<number>('bytes', 'Amount of disk space to keep for cache', 0, (text) =>
      parseBinarySize(text),
    ),
  },
  async run(context, flags) {
    if (flags['keep-storage'] > 0) throw new ExitError(1, '--keep-storage is not supported yet')
    const warning = flags.all
      ? 'This will remove all build cache.'
      : 'This will remove all dangling build cache.'
    await ask({ force: flags.force, warning })
    report(context, [await buildCache(context, readFilters(flags.filter), flags.all)])
  },
})

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
      throw new ExitError(1, 'The "until" filter is not supported with "--volumes"')
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
