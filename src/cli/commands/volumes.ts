import type { VolumeInfo } from '../../wire/system.ts'
import { humanSize } from '../../lib/units.ts'
import { command, ExitError, forEach, type Context } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { readPairs, toMap } from '../env.ts'
import { bool, list, string } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { map } from '../run-flags.ts'

const clusterOnly = [
  'availability',
  'group',
  'limit-bytes',
  'required-bytes',
  'scope',
  'sharing',
  'type',
] as const
const hidden = { hidden: true } as const

export const create = command({
  usage: '[OPTIONS] [VOLUME]',
  arguments: [0, 1],
  flags: {
    driver: string('Specify volume driver name', { short: 'd', initial: 'local' }),
    label: list('Set metadata for a volume'),
    name: string('Specify volume name', hidden),
    opt: { ...map('Set driver specific options'), short: 'o' },
    // Docker has these for Swarm's cluster volumes.
    availability: string('', hidden),
    group: string('', hidden),
    'limit-bytes': string('', hidden),
    'required-bytes': string('', hidden),
    scope: string('', hidden),
    sharing: string('', hidden),
    type: string('', hidden),
  },
  async run(context, flags, [name], given) {
    const refused = clusterOnly.find((flag) => given.has(flag))
    if (refused) throw new ExitError(1, `--${refused}: cluster volumes are not supported`)
    if (name !== undefined && flags.name !== '')
      throw new ExitError(
        1,
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      )
    const volume = await context.client.volumes.create({
      Name: name ?? flags.name,
      Driver: flags.driver,
      DriverOpts: { ...flags.opt },
      Labels: toMap(readPairs([], flags.label)),
    })
    context.out(`${volume.Name}\n`)
  },
})

export const ls = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Provide filter values (e.g. "dangling=true")', 'f'),
    format: listFormat(),
    quiet: bool('Only display volume names', { short: 'q' }),
  },
  async run(context, flags) {
    const { Volumes } = await context.client.volumes.list(readFilters(flags.filter))
    context.out(await volumeList(context, Volumes ?? [], flags))
  },
})

/** As `ls` prints volumes. */
export function volumeList(
  context: Context,
  volumes: readonly VolumeInfo[],
  flags: { readonly format: string; readonly quiet: boolean },
): Promise<string> {
  return renderList(flags.format || (flags.quiet ? '' : context.config.format('volumesFormat')), {
    typeName: '*formatter.volumeContext',
    columns: volumeColumns,
    methods: { Label: (row, name) => row.Labels?.[name] ?? '' },
    rows: volumes.toSorted((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true })),
    table: ['Driver', 'Name'],
    quiet: flags.quiet ? 'Name' : undefined,
  })
}

export const volumeColumns: Readonly<Record<string, Column<VolumeInfo>>> = {
  Name: { header: 'VOLUME NAME', value: (v) => v.Name },
  Driver: { header: 'DRIVER', value: (v) => v.Driver },
  Scope: { header: 'SCOPE', value: (v) => v.Scope },
  Mountpoint: { header: 'MOUNTPOINT', value: (v) => v.Mountpoint },
  Labels: {
    header: 'LABELS',
    value: (v) =>
      Object.entries(v.Labels ?? {})
        .map(([key, value]) => `${key}=${value}`)
        .join(','),
  },
  // Of cluster volumes, which there are none of.
  Availability: { header: 'AVAILABILITY', value: () => 'N/A' },
  Group: { header: 'GROUP', value: () => 'N/A' },
  Status: { header: 'STATUS', value: () => 'N/A' },
  Links: { header: 'LINKS', value: (v) => (v.UsageData ? String(v.UsageData.RefCount) : 'N/A') },
  Size: {
    header: 'SIZE',
    value: (v) => (v.UsageData && v.UsageData.Size >= 0 ? humanSize(v.UsageData.Size, 4) : 'N/A'),
  },
}

export const rm = command({
  usage: '[OPTIONS] VOLUME [VOLUME...]',
  arguments: [1, Infinity],
  flags: { force: bool('Force the removal of one or more volumes', { short: 'f' }) },
  run: (context, flags, names) =>
    forEach(context, names, async (name) => {
      await context.client.volumes.remove(name, { force: flags.force })
      return name
    }),
})
