import type { DiskUsage } from '../../client/index.ts'
import { shortId } from '../../lib/id.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import { command } from '../command.ts'
import { listFormat } from '../common-flags.ts'
import { bool } from '../flags.ts'
import { renderList, type Column } from '../format.ts'
import { alignTable, ellipsis } from '../text.ts'

interface Row {
  readonly type: string
  readonly total: number
  readonly active: number
  readonly size: number
  readonly reclaimable: number
  /** Docker shows the part of the whole for all but the build cache. */
  readonly percent: boolean
}

export const df = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: { format: listFormat(), verbose: bool('Show detailed information on space usage', { short: 'v' }) },
  async run(context, flags) {
    const usage = await context.client.system.diskUsage()
    if (flags.verbose) {
      const plain = flags.format === '' || flags.format === 'table'
      context.out(
        plain ? verbose(usage) : await (await import('./df-template.ts')).renderUsage(flags.format, usage),
      )
      return
    }
    context.out(
      await renderList(flags.format, {
        typeName: '*formatter.diskUsageContext',
        columns,
        rows: summary(usage),
        table: ['Type', 'TotalCount', 'Active', 'Size', 'Reclaimable'],
      }),
    )
  },
})

const columns: Readonly<Record<string, Column<Row>>> = {
  Type: { header: 'TYPE', value: (row) => row.type },
  TotalCount: { header: 'TOTAL', value: (row) => String(row.total) },
  Active: { header: 'ACTIVE', value: (row) => String(row.active) },
  Size: { header: 'SIZE', value: (row) => humanSize(row.size, 4) },
  Reclaimable: {
    header: 'RECLAIMABLE',
    value: (row) =>
      humanSize(row.reclaimable, 4) +
      (row.percent && row.size > 0 ? ` (${Math.trunc((row.reclaimable * 100) / row.size)}%)` : ''),
  },
}

function summary(usage: DiskUsage): Row[] {
  const images = usage.Images ?? []
  const containers = usage.Containers ?? []
  const volumes = usage.Volumes ?? []
  const cache = usage.BuildCache ?? []
  const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + Math.max(n, 0), 0)
  const used = sum(
    images.filter((image) => image.Containers > 0).map((image) => image.Size - Math.max(image.SharedSize, 0)),
  )
  const running = containers.filter((c) => ['running', 'paused', 'restarting'].includes(c.State))
  const idle = containers.filter((c) => !running.includes(c))
  const free = volumes.filter((v) => (v.UsageData?.RefCount ?? 0) === 0)
  return [
    {
      type: 'Images',
      total: images.length,
      active: images.filter((image) => image.Containers > 0).length,
      size: usage.LayersSize,
      reclaimable: Math.max(0, usage.LayersSize - used),
      percent: true,
    },
    {
      type: 'Containers',
      total: containers.length,
      active: running.length,
      size: sum(containers.map((c) => c.SizeRw ?? 0)),
      reclaimable: sum(idle.map((c) => c.SizeRw ?? 0)),
      percent: true,
    },
    {
      type: 'Local Volumes',
      total: volumes.length,
      active: volumes.length - free.length,
      size: sum(volumes.map((v) => v.UsageData?.Size ?? 0)),
      reclaimable: sum(free.map((v) => v.UsageData?.Size ?? 0)),
      percent: true,
    },
    {
      type: 'Build Cache',
      total: cache.length,
      active: cache.filter((record) => record.InUse).length,
      // Docker: shared records are counted with what they share.
      size: sum(cache.filter((record) => !record.Shared).map((record) => record.Size)),
      reclaimable: sum(
        cache.filter((record) => !record.InUse && !record.Shared).map((record) => record.Size),
      ),
      percent: false,
    },
  ]
}

function verbose(usage: DiskUsage): string {
  const ago = (seconds: number) => `${humanDuration(Date.now() - seconds * 1000)} ago`
  const size = (bytes: number | undefined) => (bytes === undefined || bytes < 0 ? 'N/A' : humanSize(bytes))
  const images = (usage.Images ?? []).flatMap((image) => {
    const names = image.RepoTags?.length ? image.RepoTags : ['<none>:<none>']
    return names.map((name) => {
      const colon = name.lastIndexOf(':')
      const shared = Math.max(image.SharedSize, 0)
      return [
        name.slice(0, colon),
        name.slice(colon + 1),
        shortId(image.Id),
        ago(image.Created),
        size(image.Size),
        size(shared),
        size(image.Size - shared),
        String(image.Containers),
      ]
    })
  })
  const containers = (usage.Containers ?? []).map((c) => [
    shortId(c.Id),
    c.Image,
    JSON.stringify(ellipsis(c.Command, 20)),
    String((c.Mounts ?? []).filter((mount) => mount.Driver === 'local').length),
    size(c.SizeRw ?? 0),
    ago(c.Created),
    c.Status,
    (c.Names ?? []).map((name) => name.replace(/^\//, '')).join(','),
  ])
  const volumes = (usage.Volumes ?? []).map((v) => [
    v.Name,
    String(v.UsageData?.RefCount ?? 0),
    size(v.UsageData?.Size),
  ])
  const cache = (usage.BuildCache ?? []).map((record) => [
    shortId(record.ID),
    record.Type,
    size(record.Size),
    `${humanDuration(Date.now() - Date.parse(record.CreatedAt))} ago`,
    record.LastUsedAt ? `${humanDuration(Date.now() - Date.parse(record.LastUsedAt))} ago` : '',
    String(record.UsageCount),
    String(record.Shared),
  ])
  const cacheSize = summary(usage).find((row) => row.type === 'Build Cache')?.size ?? 0
  return [
    'Images space usage:\n\n',
    alignTable([
      ['REPOSITORY', 'TAG', 'IMAGE ID', 'CREATED', 'SIZE', 'SHARED SIZE', 'UNIQUE SIZE', 'CONTAINERS'],
      ...images,
    ]),
    '\nContainers space usage:\n\n',
    alignTable([
      ['CONTAINER ID', 'IMAGE', 'COMMAND', 'LOCAL VOLUMES', 'SIZE', 'CREATED', 'STATUS', 'NAMES'],
      ...containers,
    ]),
    '\nLocal Volumes space usage:\n\n',
    alignTable([['VOLUME NAME', 'LINKS', 'SIZE'], ...volumes]),
    `\nBuild cache usage: ${humanSize(cacheSize, 4)}\n\n`,
    alignTable([['CACHE ID', 'CACHE TYPE', 'SIZE', 'CREATED', 'LAST USED', 'USAGE', 'SHARED'], ...cache]),
  ].join('')
}
