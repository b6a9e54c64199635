import { shortId } from '../../lib/id.ts'
import type { NetworkInfo } from '../../wire/system.ts'
import { command } from '../command.ts'
import { filter, listFormat } from '../common-flags.ts'
import { bool } from '../flags.ts'
import { readFilters, renderList, type Column } from '../format.ts'
import { goTime } from '../time.ts'

export const ls = command({
  usage: '[OPTIONS]',
  arguments: [0, 0],
  flags: {
    filter: filter('Provide filter values (e.g. "driver=bridge")', 'f'),
    format: listFormat(),
    'no-trunc': bool('Do not truncate the output'),
    quiet: bool('Only display network IDs', { short: 'q' }),
  },
  async run(context, flags) {
    const rows = await context.client.networks.list(readFilters(flags.filter))
    rows.sort((a, b) => a.Name.localeCompare(b.Name, 'en', { numeric: true }))
    context.out(
      await renderList(flags.format || (flags.quiet ? '' : context.config.format('networksFormat')), {
        typeName: '*network.networkContext',
        columns: columns(!flags['no-trunc']),
        methods: { Label: (row, name) => row.Labels?.[name] ?? '' },
        rows,
        table: ['ID', 'Name', 'Driver', 'Scope'],
        quiet: flags.quiet ? 'ID' : undefined,
      }),
    )
  },
})

function columns(short: boolean): Record<string, Column<NetworkInfo>> {
  return {
    ID: { header: 'NETWORK ID', value: (n) => (short ? shortId(n.Id) : n.Id) },
    Name: { header: 'NAME', value: (n) => n.Name },
    Driver: { header: 'DRIVER', value: (n) => n.Driver },
    Scope: { header: 'SCOPE', value: (n) => n.Scope },
    IPv4: { header: 'IPV4', value: (n) => String(n.EnableIPv4) },
    IPv6: { header: 'IPV6', value: (n) => String(n.EnableIPv6) },
    Internal: { header: 'INTERNAL', value: (n) => String(n.Internal) },
    Labels: {
      header: 'LABELS',
      value: (n) =>
        Object.entries(n.Labels ?? {})
          .map(([key, value]) => `${key}=${value}`)
          .join(','),
    },
    CreatedAt: { header: 'CREATED AT', value: (n) => goTime(Date.parse(n.Created)) },
  }
}
