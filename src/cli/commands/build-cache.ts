/** `builder prune`, `builder du` and `builder cache …`: what builds keep for later ones. */
import { humanDuration, humanSize, parseBinarySize } from '../../lib/units.ts'
import type { BuildCacheInfo, CacheMountInfo } from '../../wire/build-cache.ts'
import { openArchive, saveArchive } from '../archive-files.ts'
import { command, ExitError, forEach } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { bool, string, value, type Flag } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { alignTable, confirm } from '../text.ts'

const bytes = (help: string, hidden = false): Flag<number> =>
  value<number>('bytes', help, 0, (text) => parseBinarySize(text), { hidden })

export const prune = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Remove all unused build cache, not just dangling ones', { short: 'a' }),
    filter: filter('Provide filter values (e.g. "until=24h")'),
    force: bool('Do not prompt for confirmation', { short: 'f' }),
    // Docker: the older name of --reserved-space.
    'keep-storage': bytes('Amount of disk space to keep for cache', true),
    'max-used-space': bytes('Maximum amount of disk space allowed to keep for cache'),
    'min-free-space': bytes('Target amount of free disk space after pruning'),
    'reserved-space': bytes('Amount of disk space always allowed to keep for cache'),
    verbose: bool('Show what each removed item was'),
  },
  async run(context, flags, _rest, given) {
    if (given.has('keep-storage') && given.has('reserved-space'))
      throw new ExitError(1, '--keep-storage is the older name of --reserved-space: give one of them')
    const what = flags.all ? 'all build cache' : 'all dangling build cache'
    const question = `WARNING! This will remove ${what}.\nAre you sure you want to continue?`
    if (!flags.force && !(await confirm(question))) throw new ExitError(1)
    const { buildCache } = context.client
    const before = flags.verbose ? await buildCache.list() : []
    const { CachesDeleted, SpaceReclaimed } = await buildCache.prune({
      all: flags.all,
      filters: readFilters(flags.filter),
      reservedSpace: flags['reserved-space'] || flags['keep-storage'],
      maxUsedSpace: flags['max-used-space'],
      minFreeSpace: flags['min-free-space'],
    })
    const gone = CachesDeleted ?? []
    if (flags.verbose) context.out(verbose(before.filter(({ ID }) => gone.includes(ID))))
    else if (gone.length > 0) context.out(`Deleted build cache objects:\n${gone.join('\n')}\n\n`)
    context.out(`Total reclaimed space: ${humanSize(SpaceReclaimed, 4)}\n`)
  },
})

export const du = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Provide filter values'),
    format: listFormat(),
    verbose: bool('Provide a more verbose output'),
  },
  async run(context, flags) {
    if (flags.verbose && flags.format !== '')
      throw new ExitError(1, '--format and --verbose cannot be used together')
    const rows = (await context.client.buildCache.list(readFilters(flags.filter))).toSorted(bySize)
    if (flags.verbose) context.out(verbose(rows))
    else
      context.out(
        await renderList(flags.format, {
          typeName: '*formatter.diskUsageContext',
          columns,
          rows,
          table: ['ID', 'Reclaimable', 'Size', 'LastUsedAt'],
        }),
      )
    if (flags.format === '' || flags.format === 'table') context.out(summary(rows))
  },
})

const bySize = (a: BuildCacheInfo, b: BuildCacheInfo) => b.Size - a.Size || (a.ID < b.ID ? -1 : 1)
const isMutable = (row: BuildCacheInfo) => row.Type !== 'regular'
const lastUsed = (row: BuildCacheInfo) =>
  row.LastUsedAt ? `${humanDuration(Date.now() - Date.parse(row.LastUsedAt))} ago` : ''

/** Docker marks what changes and what images share with a star. */
const columns: Readonly<Record<string, Column<BuildCacheInfo>>> = {
  ID: { header: 'ID', value: (row) => row.ID + (isMutable(row) ? '*' : '') },
  Parents: { header: 'PARENTS', value: (row) => (row.Parents ?? []).join(',') },
  CreatedAt: { header: 'CREATED AT', value: (row) => row.CreatedAt },
  Mutable: { header: 'MUTABLE', value: (row) => String(isMutable(row)) },
  Reclaimable: { header: 'RECLAIMABLE', value: (row) => String(!row.InUse) },
  Shared: { header: 'SHARED', value: (row) => String(row.Shared) },
  Size: { header: 'SIZE', value: (row) => humanSize(row.Size) + (row.Shared ? '*' : '') },
  Description: { header: 'DESCRIPTION', value: (row) => row.Description },
  UsageCount: { header: 'USAGE COUNT', value: (row) => String(row.UsageCount) },
  LastUsedAt: { header: 'LAST ACCESSED', value: lastUsed },
  Type: { header: 'TYPE', value: (row) => row.Type },
}

function verbose(rows: readonly BuildCacheInfo[]): string {
  return rows
    .map((row) => {
      const lines: [string, string][] = [['ID', row.ID]]
      if (row.Parents?.length) lines.push(['Parent', row.Parents.join(',')])
      lines.push(
        ['Created at', row.CreatedAt],
        ['Mutable', String(isMutable(row))],
        ['Reclaimable', String(!row.InUse)],
        ['Shared', String(row.Shared)],
        ['Size', humanSize(row.Size)],
        ['Description', row.Description],
        ['Usage count', String(row.UsageCount)],
      )
      if (row.LastUsedAt) lines.push(['Last used', lastUsed(row)])
      lines.push(['Type', row.Type])
      return `${lines.map(([name, text]) => `${`${name}:`.padEnd(16)}${text}\n`).join('')}\n`
    })
    .join('')
}

function summary(rows: readonly BuildCacheInfo[]): string {
  const total = (chosen: (row: BuildCacheInfo) => boolean) =>
    humanSize(rows.reduce((sum, row) => sum + (chosen(row) ? row.Size : 0), 0))
  const lines = [
    ...(rows.some((row) => row.Shared)
      ? [
          ['Shared:', total((row) => row.Shared)],
          ['Private:', total((row) => !row.Shared)],
        ]
      : []),
    ['Reclaimable:', total((row) => !row.InUse)],
    ['Total:', total(() => true)],
  ]
  return alignTable(lines, 16)
}

export const cacheLs = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: listFormat(), quiet: bool('Only display the names', { short: 'q' }) },
  async run(context, flags) {
    const rows = (await context.client.buildCache.mounts()).toSorted((a, b) =>
      a.MountID < b.MountID ? -1 : 1,
    )
    context.out(
      await renderList(flags.format, {
        typeName: '*formatter.cacheMountContext',
        columns: mountColumns,
        rows,
        table: ['ID', 'Name', 'Size', 'InUse', 'CreatedAt', 'LastUsedAt'],
        ...(flags.quiet && { quiet: 'Name' }),
      }),
    )
  },
})

const mountColumns: Readonly<Record<string, Column<CacheMountInfo>>> = {
  ID: { header: 'CACHE ID', value: (row) => row.MountID },
  Name: { header: 'NAME', value: (row) => row.ID },
  Size: { header: 'SIZE', value: (row) => humanSize(row.Size) },
  InUse: { header: 'IN USE', value: (row) => String(row.InUse) },
  CreatedAt: {
    header: 'CREATED',
    value: (row) => `${humanDuration(Date.now() - Date.parse(row.CreatedAt))} ago`,
  },
  LastUsedAt: { header: 'LAST USED', value: lastUsed },
  UsageCount: { header: 'USAGE', value: (row) => String(row.UsageCount) },
}

export const cacheRm = command({
  usage: 'CACHE [CACHE...]',
  arguments: [1, Infinity],
  flags: {},
  run: (context, _flags, ids) =>
    forEach(context, ids, async (id) => {
      await context.client.buildCache.removeMount(id)
      return id
    }),
})

export const cacheExport = command({
  usage: '[OPTIONS] CACHE',
  arguments: [1, 1],
  flags: { output: string('Write to a file, instead of STDOUT', { short: 'o' }) },
  run: (context, { output }, [id = '']) =>
    saveArchive(output, { what: 'export cache', open: () => context.client.buildCache.exportMount(id) }),
})

export const cacheImport = command({
  usage: 'CACHE FILE|-',
  arguments: [2, 2],
  flags: {},
  async run(context, _flags, [id = '', source = '']) {
    await context.client.buildCache.importMount(id, await openArchive(source))
    context.out(`${id}\n`)
  },
})
