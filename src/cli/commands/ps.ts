import { shortId } from '../../lib/id.ts'
import { humanDuration, humanSize } from '../../lib/units.ts'
import type { ContainerSummary, PortSummary } from '../../wire/container.ts'
import { command } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { bool, int } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { ellipsis } from '../text.ts'
import { goTime } from '../time.ts'

export const ps = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    all: bool('Show all containers (default shows just running)', { short: 'a' }),
    filter: filter('Filter output based on conditions provided', 'f'),
    format: listFormat(),
    last: int('Show n last created containers (includes all states)', { short: 'n', initial: -1 }),
    latest: bool('Show the latest created container (includes all states)', { short: 'l' }),
    'no-trunc': bool("Don't truncate output"),
    quiet: bool('Only display container IDs', { short: 'q' }),
    size: bool('Display total file sizes', { short: 's' }),
  },
  async run(context, flags) {
    const format = flags.format || (flags.quiet ? '' : context.config.format('psFormat'))
    const last = flags.latest && flags.last === -1 ? 1 : flags.last
    const size = flags.size || /\{\{[^}]*\.Size\b|\{\{\s*json\s+\.\s*\}\}/.test(format)
    const rows = await context.client.containers.list({
      all: flags.all || last > 0,
      limit: last > 0 ? last : undefined,
      size,
      filters: readFilters(flags.filter),
    })
    const table = ['ID', 'Image', 'Command', 'RunningFor', 'Status', 'Ports', 'Names']
    context.out(
      await renderList(format, {
        typeName: '*formatter.ContainerContext',
        columns: containerColumns(!flags['no-trunc']),
        methods: { Label: (row, name) => row.Labels?.[name] ?? '' },
        rows,
        table: flags.size ? [...table, 'Size'] : table,
        quiet: flags.quiet ? 'ID' : undefined,
        faults: { parse: 'failed to parse template', execute: 'failed to execute template' },
      }),
    )
  },
})

export function containerColumns(short: boolean): Record<string, Column<ContainerSummary>> {
  return {
    ID: { header: 'CONTAINER ID', value: (c) => (short ? shortId(c.Id) : c.Id) },
    Names: {
      header: 'NAMES',
      // Docker: names of links have another slash, and only the full list shows them.
      value: (c) =>
        (c.Names ?? [])
          .map((name) => name.replace(/^\//, ''))
          .filter((name) => !short || !name.includes('/'))
          .join(','),
    },
    Image: { header: 'IMAGE', value: (c) => imageName(c, short) },
    Command: { header: 'COMMAND', value: (c) => JSON.stringify(short ? ellipsis(c.Command, 20) : c.Command) },
    CreatedAt: { header: 'CREATED AT', value: (c) => goTime(c.Created * 1000) },
    RunningFor: { header: 'CREATED', value: (c) => `${humanDuration(Date.now() - c.Created * 1000)} ago` },
    Ports: { header: 'PORTS', value: (c) => portsText(c.Ports ?? []) },
    State: { header: 'STATE', value: (c) => c.State },
    Status: { header: 'STATUS', value: (c) => c.Status },
    Size: {
      header: 'SIZE',
      value: (c) =>
        humanSize(c.SizeRw ?? 0) +
        ((c.SizeRootFs ?? 0) > 0 ? ` (virtual ${humanSize(c.SizeRootFs ?? 0)})` : ''),
    },
    Labels: {
      header: 'LABELS',
      value: (c) =>
        Object.entries(c.Labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .toSorted()
          .join(','),
    },
    Mounts: {
      header: 'MOUNTS',
      value: (c) =>
        (c.Mounts ?? [])
          .map((mount) => mount.Name ?? mount.Source)
          .map((name) => (short ? ellipsis(name, 15) : name))
          .join(','),
    },
    LocalVolumes: {
      header: 'LOCAL VOLUMES',
      value: (c) => String((c.Mounts ?? []).filter((mount) => mount.Driver === 'local').length),
    },
    Networks: { header: 'NETWORKS', value: (c) => Object.keys(c.NetworkSettings?.Networks ?? {}).join(',') },
  }
}

function imageName(c: ContainerSummary, short: boolean): string {
  if (c.Image === '') return '<no image>'
  if (!short) return c.Image
  if (shortId(c.Image) === shortId(c.ImageID)) return shortId(c.ImageID)
  // Docker: a tag says it all; the digest is for the full list.
  const at = c.Image.indexOf('@')
  return at > 0 && /:[^/]*$/.test(c.Image.slice(0, at)) ? c.Image.slice(0, at) : c.Image
}

/**
 * `80-82/tcp, 0.0.0.0:8080->80/tcp`. Docker: consecutive ports are joined only where both sides have one number; the last of each
 * address come after all others, in the order in which the addresses came.
 */
export function portsText(ports: readonly PortSummary[]): string {
  const sorted = ports.toSorted(
    (a, b) =>
      a.PrivatePort - b.PrivatePort ||
      compare(a.IP ?? '', b.IP ?? '') ||
      (a.PublicPort ?? 0) - (b.PublicPort ?? 0) ||
      compare(a.Type, b.Type),
  )
  const groups = new Map<string, [first: number, last: number]>()
  const joined: string[] = []
  const mapped: string[] = []
  const flush = (place: string, [first, last]: [number, number]) => {
    const [host = '', type = ''] = place.split(' ')
    const span = spanText(first, last)
    joined.push(host === '' ? `${span}/${type}` : `${host}:${span}->${span}/${type}`)
  }
  for (const { IP: ip = '', PublicPort: outside, PrivatePort: inside, Type: type } of sorted) {
    const host = ip.includes(':') ? `[${ip}]` : ip
    if (ip !== '' && outside !== inside) {
      mapped.push(`${host}:${outside ?? 0}->${inside}/${type}`)
      continue
    }
    const place = `${host} ${type}`
    const group = groups.get(place)
    if (group && group[1] + 1 === inside) group[1] = inside
    else {
      if (group) flush(place, group)
      groups.set(place, [inside, inside])
    }
  }
  for (const [place, group] of groups) flush(place, group)
  return [...joined, ...mapped].join(', ')
}

function spanText(first: number, last: number): string {
  return first === last ? String(first) : `${first}-${last}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
